// Two detectors side by side; one of them calibrated, with a band and a range.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { choose, screenshot, settled, withPage } from "../browser.mjs";
import { detector, sample } from "../pictures.mjs";
import { explain, models, withServer } from "../server.mjs";
import { signed } from "./files.mjs";

const CALIBRATION = {
  map: { method: "temperature", temperature: 2 }, losses: [], loss_before: 0.7, loss_after: 0.6, false_alarms: null, misses: null,
  subsets: [], data: "a test", data_sha256: "00", real: 20, fake: 20, by_scene: false, refused: 0, conditions: ["clean"], seed: 0, engine: "none",
};

/** Runs `use` with `mini` and a detector of other numbers, so that the same pictures lie within its band and outside of its range. */
export async function withTwo({ dear }, use) {
  const folder = await mkdtemp(join(tmpdir(), "dear-page-"));
  const paths = ["mini.onnx", "careful.onnx"].map((name) => join(folder, name));
  try {
    await writeFile(paths[0], detector(() => {}));
    await writeFile(paths[1], detector((document) => {
      document.name = "careful";
      document.threshold = { value: 0.5, origin: "at most 5 % of real images of a test accused", uncertain: [-20, 20] };
      document.calibration = CALIBRATION;
      document.valid_input = { min_side: 48, sides: [512, 2048], formats: ["png"], trained_on: "nothing: a test" };
      document.card = "a detector for tests that never decides";
    }));
    await withServer(dear, paths.flatMap((path) => ["--detector", path]), use);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** The second detector beside the first. */
export const beside = async (page) => {
  await page.locator("#second").selectOption({ index: 1 });
};

export async function twoDetectors(test) {
  const { checks, screenshots } = test;
  await withTwo(test, ({ address }) => withPage(test, address, async (page) => {
    const both = await models(address);
    checks.equal("detectors", both.map(({ name }) => name), ["mini", "careful"]);
    checks.ok("their hashes differ", both[0].sha256 !== both[1].sha256);
    const picture = sample("kodim03-6.jpg");
    const answers = [];
    for (const { sha256 } of both) answers.push((await explain(address, picture, sha256)).record);
    await choose(page, [picture]);
    await settled(page, 1);
    checks.equal("one answer", await page.locator("article .columns .answer").count(), 1);
    await beside(page);
    await page.locator("article .columns .answer").nth(1).locator(".verdict").waitFor();
    checks.contains("scores are not comparable", await page.locator("#detail").innerText(), "cannot be compared with each other");
    const texts = await page.locator("article .columns .answer").allInnerTexts();
    checks.equal("answers", texts.length, 2);
    for (const [index, { logit, detector: { name } }] of answers.entries()) {
      checks.contains("score", texts[index], `Detector ${name} gives this image a score of ${signed(logit)}`);
    }
    checks.equal("the second does not decide", answers[1].verdict, "uncertain");
    checks.contains("its verdict", texts[1], "Undecided");
    checks.contains("its band", texts[1], "within the band from −20.00 to +20.00");
    checks.contains("its probability", texts[1], `Calibrated probability that it was generated: ${(100 * answers[1].probability).toFixed(1)} %, for a mix of half`);
    checks.contains("its range", texts[1], "Outside of what this detector was tested on");
    for (const fact of answers[1].outside) checks.contains("outside", texts[1], fact);
    checks.equal("facts outside", answers[1].outside.length, 2);
    checks.ok("the first states no range", !texts[0].includes("Outside of what"));
    const boxes = await page.locator("article .columns .answer").evaluateAll((panels) => panels.map((panel) => panel.getBoundingClientRect().top));
    checks.equal("side by side", boxes[0], boxes[1]);
    const cards = await page.locator("#cards").innerText();
    for (const { card } of both) checks.contains("cards", cards, card.slice(1));
    checks.contains("list", await page.locator("#list").innerText(), "careful: Undecided");
    const [download] = await Promise.all([page.waitForEvent("download"), page.locator("#save-json").click()]);
    const found = JSON.parse(await readText(download));
    checks.equal("both in the report", found.images[0].answers.map((answer) => [answer.detector_sha256, answer.record.logit]),
      both.map(({ sha256 }, index) => [sha256, answers[index].logit]));
    await screenshot(page, screenshots, "two-detectors");
    await page.locator("#second").selectOption("");
    checks.equal("one again", await page.locator("article .columns .answer").count(), 1);
    await page.locator("#first").selectOption({ index: 1 });
    await page.locator("article .columns .answer .verdict").waitFor();
    checks.contains("the other one alone", await page.locator("article .columns .answer").innerText(), "Detector careful");
  }));
}

async function readText(download) {
  const parts = [];
  for await (const part of await download.createReadStream()) parts.push(part);
  return Buffer.concat(parts).toString("utf8");
}
