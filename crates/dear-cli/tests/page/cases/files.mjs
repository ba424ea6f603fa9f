// How files come in, and that they come in as they are.

import { choose, screenshot, settled, signed, transfer, withPage } from "../browser.mjs";
import { file, png, sample, samples, sha256 } from "../pictures.mjs";
import { explain, models, withServer } from "../server.mjs";

const hashShown = (page) => page.locator("article dl code").first().textContent();

const HEADINGS = { generated: "Signs of generation", real: "No signs of generation found", uncertain: "Undecided" };

export async function chosenFile(test) {
  const { checks, dear, screenshots } = test;
  await withServer(dear, [], ({ address }) => withPage(test, address, async (page) => {
    const picture = sample("kodim10-1.jpg");
    const { record } = await explain(address, picture);
    const [model] = await models(address);
    const policy = (await (await fetch(`${address}/`)).headers).get("content-security-policy");
    checks.contains("policy", policy ?? "", "default-src 'self'");
    checks.ok("the policy allows nothing inline", !policy.includes("unsafe"));
    await screenshot(page, screenshots, "desktop-empty");
    await choose(page, [picture]);
    await settled(page, 1);
    checks.contains("card of mini, always in sight", await page.locator("#cards").innerText(), "never to judge anyone's picture");
    checks.equal("hash of the file", await hashShown(page), sha256(picture.bytes));
    const text = await page.locator("#detail").innerText();
    checks.contains("verdict", text, HEADINGS[record.verdict]);
    checks.contains("score", text, `a score of ${signed(record.logit)}`);
    checks.contains("threshold and its origin", text, `Threshold: ${record.threshold_origin}.`);
    checks.contains("a threshold that nobody set", text, "promises nothing about false alarms");
    checks.contains("no probability without calibration", text, "not calibrated");
    checks.ok("never a fact about the picture", !/is (fake|real|genuine|AI)\b(?!\.)/i.test(text));
    for (const copy of record.stability.copies) {
      const row = page.locator("article tr", { has: page.getByRole("rowheader", { name: copy.name, exact: true }) });
      checks.contains(`copy ${copy.name}`, await row.innerText(), signed(copy.logit));
    }
    const words = { stable: "Stable: all", unstable: "Unstable:", could_not_check: "Could not check" };
    checks.contains("stability", text, words[record.stability.standing]);
    if (record.stability.turned > 0) checks.contains("heading of an unstable verdict", text, "but not stable");
    const states = { found: "Found", not_found: "Not found", could_not_check: "Could not check" };
    const findings = await page.locator(".finding .state").allInnerTexts();
    const keys = ["c2pa", "source_type", "generator", "camera"];
    checks.equal("findings", findings.map((state) => state.replace(/^\S+ /, "")), keys.map((key) => states[record.provenance[key].state]));
    checks.contains("provenance is beside the score", text, "Beside the score, not part of it");
    const card = await page.locator("#models").innerText();
    for (const fact of [model.sha256, model.licence, model.architecture, model.trained_on]) checks.contains("card", card, fact);
    await screenshot(page, screenshots, "desktop");
    // The line of scores: the mark stands where the numbers say.
    const [mark, edge] = await page.evaluate(() => {
      const line = document.querySelector("svg.scale");
      return [line.querySelector(".score path").getBoundingClientRect(), line.getBoundingClientRect()].map(({ left, width }) => [left, width]);
    });
    const share = (mark[0] + mark[1] / 2 - edge[0]) / edge[1];
    const reach = Math.max(5, 1.15 * Math.abs(record.logit - record.threshold));
    checks.ok(`mark at ${share}`, Math.abs(share - (0.5 + (record.logit - record.threshold) / reach / 2)) < 0.01);
  }));
}

export async function droppedFiles(test) {
  const { checks, dear } = test;
  await withServer(dear, [], ({ address }) => withPage(test, address, async (page) => {
    const pictures = ["kodim03-1.png", "kodim03-4.jpg", "kodim12-1.jpg"].map(sample);
    await page.dispatchEvent("#drop", "dragover", { dataTransfer: await transfer(page, pictures) });
    checks.ok("the box answers a drag", await page.locator("#drop.over").isVisible());
    await page.dispatchEvent("#drop", "drop", { dataTransfer: await transfer(page, pictures) });
    await settled(page, 3);
    for (const [index, picture] of pictures.entries()) {
      await page.locator("#list button").nth(index).click();
      checks.equal("name", await page.locator("#image").textContent(), picture.name);
      checks.equal("bytes arrive as they are", await hashShown(page), sha256(picture.bytes));
    }
    await page.dispatchEvent("body", "drop", { dataTransfer: await transfer(page, [], { "text/uri-list": "http://127.0.0.1/x.png" }) });
    checks.contains("an address is no file", await page.locator("#notice").innerText(), "This page opens no addresses");
    checks.equal("and adds nothing", await page.locator("#list li").count(), 3);
    await page.locator("#clear").click();
    checks.ok("all removed", await page.locator("#results").isHidden());
  }));
}

export async function pastedPicture(test) {
  const { checks, dear } = test;
  await withServer(dear, [], ({ address }) => withPage(test, address, async (page) => {
    const picture = file("image.png", sample("kodim21-3.png").bytes);
    const paste = async (data) => page.evaluate((given) => {
      document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData: given, bubbles: true, cancelable: true }));
    }, data);
    await paste(await transfer(page, [picture]));
    await settled(page, 1);
    checks.equal("name", await page.locator("#image").textContent(), "pasted-1.png");
    checks.equal("bytes arrive as they are", await hashShown(page), sha256(picture.bytes));
    checks.contains("what a paste loses", await page.locator("#detail").innerText(), "usually a fresh copy");
    await paste(await transfer(page, [], { "text/plain": "words" }));
    checks.contains("words are no picture", await page.locator("#notice").innerText(), "no picture and no file");
  }));
}

export async function twentyAtOnce(test) {
  const { checks, dear, screenshots } = test;
  await withServer(dear, [], ({ address }) => withPage(test, address, async (page) => {
    const pictures = samples().slice(0, 20);
    let [open, most] = [0, 0];
    const isScoring = (request) => request.url().includes("/v1/explain");
    page.on("request", (request) => {
      if (isScoring(request)) most = Math.max(most, (open += 1));
    });
    for (const end of ["requestfinished", "requestfailed"]) {
      page.on(end, (request) => {
        if (isScoring(request)) open -= 1;
      });
    }
    await page.locator("#stability").uncheck(); // seven times as fast
    await choose(page, pictures);
    await settled(page, 20);
    checks.ok(`${most} requests in flight, expected 2 or 3`, most === 2 || most === 3);
    checks.contains("summary", await page.locator("#summary").innerText(), "20 images: ");
    const counts = [...(await page.locator("#summary").innerText()).matchAll(/(\d+) (with signs|without|undecided|not scored)/g)];
    checks.equal("counts add up", counts.reduce((sum, [, count]) => sum + Number(count), 0), 20);
    checks.equal("names in the order of the files", await page.locator("#list .name").allInnerTexts(), pictures.map(({ name }) => name));
    await screenshot(page, screenshots, "desktop-twenty", false);
    // Stopping: what waits is dropped, and can be had again.
    await choose(page, pictures.slice(0, 6).map((one) => ({ ...one, name: `again-${one.name}` })));
    await page.locator("#cancel").click();
    await settled(page, 26);
    checks.contains("stopped", await page.locator("#summary").innerText(), "not scored");
    await page.locator("#retry").click();
    await settled(page, 26);
    checks.ok("none left", !(await page.locator("#summary").innerText()).includes("not scored"));
  }));
}

export async function hostileWords(test) {
  const { checks, dear } = test;
  const name = "<img src=x onerror=alert(1)>.png";
  const prompt = "<script>alert(2)</script> a cat, <b>masterpiece</b>\nNegative prompt: \"dog\"\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 96x96, Model: x";
  await withServer(dear, [], ({ address }) => withPage(test, address, async (page) => {
    await choose(page, [file(name, png(96, 96, (x, y) => [x, y, 128], [["parameters", prompt]]))]);
    await settled(page, 1);
    checks.equal("name as text", await page.locator("#image").textContent(), name);
    for (const details of await page.locator(".finding summary").all()) await details.click();
    const findings = await page.locator(".findings").innerText();
    checks.contains("prompt as text", findings, "<script>alert(2)</script> a cat");
    checks.contains("declared generated", findings, "declares itself generated");
    const strange = await page.locator("#screen :is(img, b, script, iframe)").count();
    checks.equal("elements from a file", strange, 0);
  }));
}
