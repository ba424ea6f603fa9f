// What is said when something is wrong, and what to do then.

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { choose, screenshot, settled, withPage } from "../browser.mjs";
import { file, noise, png, sample } from "../pictures.mjs";
import { serve, withServer } from "../server.mjs";

const detail = (page) => page.locator("#detail").innerText();
const STATUS = "Failed to load resource";

/** An answer of the service that is put in the place of its own. */
const error = (status, kind, headers = {}) => ({
  status, headers: { "content-type": "application/json", ...headers },
  body: JSON.stringify({ error: { kind, message: `this is ${kind}`, hint: "a hint" } }),
});

export async function refusedFiles(test) {
  const { checks, dear, screenshots } = test;
  const whole = sample("kodim24-3.jpg").bytes;
  const cases = [
    [file("letter.jpg", Buffer.from("Dear reader, this is a letter.")), "This file is not an image", "the ending of its name does not count"],
    [file("empty.png", Buffer.alloc(0)), "The file is empty", "It has no bytes"],
    [file("cut.jpg", whole.subarray(0, whole.length / 2)), "The file ends too early", "A part of it is missing"],
    [file("tiny.png", png(16, 16, () => [1, 2, 3])), "wrong size for this detector", "Do not enlarge it"],
  ];
  await withServer(dear, [], ({ address }) => withPage(test, address, async (page) => {
    await choose(page, cases.map(([one]) => one));
    await settled(page, cases.length);
    for (const [index, [, title, todo]] of cases.entries()) {
      await page.locator("#list button").nth(index).click();
      const text = await detail(page);
      checks.contains("title", text, title);
      checks.contains("remedy", text, todo);
      checks.contains("the server's words", text, "The server says: ");
      checks.contains("in the list", await page.locator("#list .line").nth(index).innerText(), title);
    }
    checks.equal("summary", await page.locator("#summary").innerText(), "4 images: 4 not scored.");
    await screenshot(page, screenshots, "error");
  }));
}

export async function tooLarge(test) {
  const { checks, dear } = test;
  const large = file("large.png", png(600, 600, noise()));
  await withServer(dear, ["--max-upload", "400000"], ({ address }) => withPage(test, address, async (page) => {
    await choose(page, [large]);
    await settled(page, 1);
    const text = await detail(page);
    checks.contains("title", text, "The file is too large");
    checks.contains("limit", text, "takes at most 400.0 kB");
    checks.contains("size", text, `It has ${(large.bytes.length / 1e6).toFixed(1)} MB`);
    await choose(page, [sample("kodim24-3.jpg")]);
    await settled(page, 2);
    checks.contains("a smaller one is scored", await page.locator("#list .line").nth(1).innerText(), "igns of generation");
  }, { expected: [STATUS] }));
}

export async function serverGone(test) {
  const { checks, dear, screenshots } = test;
  const server = await serve(dear);
  await withPage(test, server.address, async (page) => {
    await page.locator("#models dl").waitFor();
    await server.stop();
    await choose(page, [sample("kodim24-3.jpg")]);
    await settled(page, 1);
    checks.contains("title", await detail(page), "The server cannot be reached");
    checks.contains("remedy", await detail(page), "Check that \"dear serve\" is still running");
    await screenshot(page, screenshots, "server-gone", false);
    const [report] = await Promise.all([page.waitForEvent("download"), page.locator("#save-page").click()]);
    const saved = await readFile(await report.path(), "utf8");
    checks.contains("a report all the same", saved, "The server cannot be reached");
    checks.contains("with its style", saved, ".notice");
    const port = new URL(server.address).port;
    const again = await serve(dear, [], port);
    try {
      await page.getByRole("button", { name: "Try again" }).click();
      await page.locator(".verdict:not(.failed)").waitFor();
      checks.contains("scored after all", await detail(page), "a score of");
    } finally {
      await again.stop();
    }
  }, { expected: [STATUS] });
}

export async function apiKey(test) {
  const { checks, dear } = test;
  const folder = await mkdtemp(join(tmpdir(), "dear-page-"));
  try {
    await writeFile(join(folder, "keys"), "the-right-key-1234567890\n");
    await withServer(dear, ["--api-key-file", join(folder, "keys")], ({ address }) => withPage(test, address, async (page) => {
      await page.locator("#key").waitFor();
      checks.contains("asks", await page.locator("#key").innerText(), "This server asks for a key");
      checks.equal("focus in the field", await page.evaluate(() => document.activeElement.id), "key-value");
      await choose(page, [sample("kodim24-3.jpg")]);
      checks.contains("too early", await page.locator("#notice").innerText(), "Type the API key first");
      await page.fill("#key-value", "a-wrong-key");
      await page.keyboard.press("Enter");
      await page.getByText("The server did not accept this key").waitFor();
      checks.equal("the wrong key is not kept", await page.inputValue("#key-value"), "");
      await page.fill("#key-value", "the–right-key-1234567890");
      await page.keyboard.press("Enter");
      await page.getByText("a character that no key has").waitFor();
      checks.ok("what no header carries is not sent", !(await page.locator("#notice").innerText()).includes("cannot be reached"));
      await page.fill("#key-value", "the-right-key-1234567890");
      await page.keyboard.press("Enter");
      await page.locator("#models dl").waitFor();
      checks.ok("the form goes", await page.locator("#key").isHidden());
      checks.equal("focus goes on", await page.evaluate(() => document.activeElement.id), "files");
      await settled(page, 1);
      checks.contains("scored after all", await detail(page), "a score of");
      const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]));
      checks.equal("the key is kept nowhere", kept, "[{},{},\"\"]");
    }, { expected: [STATUS] }));
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** What a server under load or behind a slow line answers, put in its place by the test. */
export async function otherAnswers(test) {
  const { checks, dear } = test;
  await withServer(dear, [], ({ address }) => withPage(test, address, async (page) => {
    const answers = [];
    const times = [];
    await page.route("**/v1/explain?*", (route) => {
      const answer = answers.shift();
      times.push(Date.now());
      if (answer === undefined) return route.continue();
      return answer === "map" ? withoutMap(route) : route.fulfill(answer);
    });
    const score = async (...given) => {
      answers.push(...given);
      await page.locator("#clear").click();
      await choose(page, [sample("kodim24-3.jpg")]);
    };
    await page.locator("#models dl").waitFor();
    answers.push(error(503, "busy", { "retry-after": "1" }));
    await choose(page, [sample("kodim24-3.jpg")]);
    await page.getByText("Asked again in 1 seconds").first().waitFor();
    await settled(page, 1);
    checks.contains("scored after waiting", await detail(page), "a score of");
    checks.ok(`waited ${times[1] - times[0]} ms`, times.length === 2 && times[1] - times[0] >= 950);
    const rest = [
      [error(408, "timeout"), "took too long to arrive"], [error(404, "not_found"), "no longer there"], [error(403, "forbidden"), "does not serve this page"],
      [error(400, "bad_request"), "did not understand"], [error(500, "internal"), "could not score it"],
      [{ status: 200, contentType: "text/html", body: "<b>a login page</b>" }, "cannot be read"],
    ];
    for (const [answer, words] of rest) {
      await score(answer);
      await settled(page, 1);
      checks.contains(`status ${answer.status}`, await detail(page), words);
    }
    await score("map");
    await settled(page, 1);
    checks.contains("no map", await detail(page), "No heat map. This head has no map; import it with another.");
  }, { expected: [STATUS] }));
}

async function withoutMap(route) {
  const response = await route.fetch();
  const body = { ...(await response.json()), map: null, map_missing: { kind: "no_map", message: "this head has no map", hint: "import it with another" } };
  await route.fulfill({ response, json: body });
}

/** A score stays when copies are asked for afterwards and do not come. */
export async function copiesAskedLater(test) {
  const { checks, dear, screenshots } = test;
  await withServer(dear, [], ({ address }) => withPage(test, address, async (page) => {
    const answers = [];
    await page.route("**/v1/explain?*", (route) => {
      const answer = answers.shift();
      if (answer === undefined) return route.continue();
      return answer === "none" ? null : route.fulfill(answer);
    });
    await page.locator("#models dl").waitFor();
    await page.locator("#stability").uncheck();
    await choose(page, [sample("kodim24-3.jpg")]);
    await settled(page, 1);
    const [line, copies] = [page.locator("#list .line"), page.locator(".copies")];
    const before = await line.innerText();
    checks.contains("at first", await copies.innerText(), "Stored copies of this image were not scored.");
    const cases = [
      [error(500, "internal"), "Copies were not scored: the server could not score it.", true],
      [error(504, "too_long"), "Copies were not scored: it takes too long, several times as long", false],
      ["none", "Copies were not scored: stopped.", true],
    ];
    for (const [answer, words, retried] of cases) {
      answers.push(answer);
      await copies.getByRole("button").click();
      if (answer === "none") await page.locator("#cancel").click();
      await copies.getByText(words).waitFor();
      checks.contains(`${words} The score stays`, await detail(page), "a score of");
      checks.equal(`${words} And the list`, await line.innerText(), before);
      checks.ok(`${words} And the counts`, !(await page.locator("#summary").innerText()).includes("not scored"));
      checks.equal(`${words} To be tried again`, await page.locator("#retry").isVisible(), retried);
    }
    await screenshot(page, screenshots, "copies-stopped");
    const [report] = await Promise.all([page.waitForEvent("download"), page.locator("#save-page").click()]);
    checks.contains("on paper", await readFile(await report.path(), "utf8"), "Copies were not scored: stopped.");
    answers.length = 0; // the one that was stopped may not have asked yet
    await page.locator("#retry").click();
    await page.locator("article table").waitFor();
    checks.equal("copies at last", await page.locator("article tbody tr").count(), 7);
    checks.ok("nothing is left to try", await page.locator("#retry").isHidden());
  }, { expected: [STATUS] }));
}

export async function tooLong(test) {
  const { checks, dear, screenshots } = test;
  await withServer(dear, [], ({ address }) => withPage(test, address, async (page) => {
    const asking = "**/v1/explain?*";
    await page.route(asking, (route) =>
      route.request().url().includes("stability=true") ? route.fulfill(error(504, "too_long")) : route.continue());
    await page.locator("#models dl").waitFor();
    await choose(page, ["kodim24-3.jpg", "kodim12-1.jpg"].map(sample));
    await settled(page, 2);
    const text = await detail(page);
    checks.contains("title", text, "It takes too long to score");
    checks.contains("remedy", text, "Score it without them, or ask whoever runs the server to raise --score-timeout.");
    checks.contains("the server's words", text, "The server says: This is too_long.");
    checks.ok("without its hint", !text.includes("a hint"));
    await screenshot(page, screenshots, "too-long");
    await page.getByRole("button", { name: "Score it without copies" }).click();
    await page.locator(".copies").waitFor();
    checks.contains("scored without copies", await detail(page), "a score of");
    await page.locator("#retry").click();
    await settled(page, 2);
    const lines = await page.locator("#list .line").allInnerTexts();
    checks.ok(`so is the other one: ${lines}`, lines.every((line) => line.includes("igns of generation")));
    await page.unroute(asking);
    await page.route(asking, (route) => route.fulfill(error(504, "too_long")));
    await page.locator("#clear").click();
    await page.locator("#stability").uncheck();
    await choose(page, [sample("kodim24-3.jpg")]);
    await settled(page, 1);
    checks.contains("without copies", await detail(page), "Whoever runs the server can raise --score-timeout. Do not shrink the picture");
    checks.equal("nothing to leave out", await page.getByRole("button", { name: "Score it without copies" }).count(), 0);
  }, { expected: [STATUS] }));
}
