// The report: JSON, a page for paper, and print.

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { accessibility, choose, drawn, screenshot, settled, withPage } from "../browser.mjs";
import { file, sample, sha256 } from "../pictures.mjs";
import { explain, models, withServer } from "../server.mjs";

const NAME = "<b>photo</b> & \"more\".jpg";
const NOTE = "Checked by a test.\n</textarea><script>alert(3)</script>";

/** What a button saves, kept in a folder. */
async function saved(page, button, folder) {
  const [download] = await Promise.all([page.waitForEvent("download"), page.locator(button).click()]);
  const name = download.suggestedFilename();
  const path = join(folder, name);
  await download.saveAs(path);
  return { name, path, text: await readFile(path, "utf8") };
}

export async function reports(test) {
  const { browser, checks, dear, screenshots } = test;
  const folder = await mkdtemp(join(tmpdir(), "dear-page-"));
  await withServer(dear, [], ({ address }) => withPage(test, address, async (page) => {
    const pictures = [file(NAME, sample("kodim24-3.jpg").bytes), sample("kodim12-4.png"), file("empty.jpg", Buffer.alloc(0))];
    const [model] = await models(address);
    const { record, map } = await explain(address, pictures[0]);
    await choose(page, pictures);
    await settled(page, 3);
    await drawn(page);
    await page.locator("#note").fill(NOTE);

    const json = await saved(page, "#save-json", folder);
    const found = JSON.parse(json.text);
    checks.ok(`name ${json.name}`, /^dear-report-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ\.json$/.test(json.name));
    checks.ok("time in UTC", /Z$/.test(found.created) && Math.abs(Date.parse(found.created) - Date.now()) < 60_000);
    const health = await (await fetch(`${address}/healthz`)).json();
    checks.equal("version", found.server.version, health.version);
    checks.equal("note", found.note, NOTE);
    checks.equal("detectors", found.detectors, [model]);
    checks.equal("names", found.images.map(({ name }) => name), pictures.map(({ name }) => name));
    checks.equal("hashes", found.images.map((image) => image.sha256), pictures.map(({ bytes }) => sha256(bytes)));
    checks.equal("sizes", found.images.map((image) => image.bytes), pictures.map(({ bytes }) => bytes.length));
    const [answer] = found.images[0].answers;
    checks.equal("hash of the detector", answer.detector_sha256, model.sha256);
    checks.equal("logit", answer.record.logit, record.logit);
    checks.equal("stability", answer.record.stability, record.stability);
    checks.equal("provenance", answer.record.provenance, record.provenance);
    const { picture: _, values: __, ...summary } = map;
    checks.equal("map, without its picture", answer.map, summary);
    checks.equal("the empty one", found.images[2].answers[0].record.error.kind, "empty");

    const paper = await saved(page, "#save-page", folder);
    checks.ok(`name ${paper.name}`, paper.name.endsWith("Z.html"));
    const outside = paper.text.replaceAll(/data:image\/jpeg;base64,[A-Za-z0-9+/=]+/g, "");
    checks.ok("refers to nothing outside", !/(src|href)\s*=\s*"(?!")/.test(outside) && !outside.includes("url("));
    await checkPaper(paper, pictures, model, record);

    await page.evaluate(() => { window.print = () => { window.printed = document.getElementById("paper").innerText; }; });
    await page.locator("#print").click();
    await page.waitForFunction(() => window.printed !== undefined);
    const printed = await page.evaluate(() => window.printed);
    for (const { bytes } of pictures) checks.contains("printed hash", printed, sha256(bytes));
    checks.ok("only the report is printed", await page.locator("#screen").isHidden());
    await page.evaluate(() => window.dispatchEvent(new Event("afterprint")));
    checks.ok("the page is back", await page.locator("#screen").isVisible());
  }));
  await rm(folder, { recursive: true });

  /** The saved page by itself, in a browser without any server. */
  async function checkPaper({ path }, pictures, model, record) {
    const context = await browser.newContext({ viewport: { width: 900, height: 1100 }, offline: true });
    const errors = [];
    const page = await context.newPage();
    page.on("console", (message) => errors.push(message.text()));
    page.on("dialog", (dialog) => errors.push(dialog.message()));
    try {
      await page.goto(pathToFileURL(path).href);
      const shown = await page.locator("body").innerText();
      for (const { bytes, name } of pictures) {
        checks.contains("hash on paper", shown, sha256(bytes));
        checks.contains("name on paper", shown, name);
      }
      for (const part of [model.sha256, model.card.slice(1), record.threshold_origin, NOTE.split("\n")[1], "Written (UTC)", `Logit\n${record.logit}`]) {
        checks.contains("on paper", shown, part);
      }
      const sizes = await page.locator("img").evaluateAll((images) => images.map((image) => image.naturalWidth));
      checks.ok(`pictures of widths ${sizes}`, sizes.length === 4 && sizes.every((width) => width > 0));
      checks.equal("what axe finds on paper", await accessibility(page), []);
      checks.equal("errors on paper", errors, []);
      await screenshot(page, screenshots, "report");
    } finally {
      await context.close();
    }
  }
}

/** An image without an answer has the detector's warning on paper, and says what became of it. */
export async function unscoredOnPaper(test) {
  const { checks, dear } = test;
  const folder = await mkdtemp(join(tmpdir(), "dear-page-"));
  await withServer(dear, [], ({ address }) => withPage(test, address, async (page) => {
    await page.route("**/v1/explain?*", () => null); // no answer comes
    await page.locator("#models dl").waitFor();
    await choose(page, [sample("kodim24-3.jpg")]);
    await page.locator("#cancel").waitFor();
    const check = async (words) => {
      const { text } = await saved(page, "#save-page", folder);
      checks.contains("on paper", text, words);
      checks.ok(`${words} The warning`, /<p class="notice">[^<]*never to judge anyone's picture/.test(text));
    };
    await check("Not scored yet.");
    await page.locator("#cancel").click();
    await settled(page, 1);
    await check("Stopped before it was scored.");
  }));
  await rm(folder, { recursive: true });
}
