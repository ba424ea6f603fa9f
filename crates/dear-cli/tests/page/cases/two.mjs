// Two detectors side by side; one of them calibrated, with a band and a range.

import { beside, choose, screenshot, settled, signed, withPage } from "../browser.mjs";
import { withTwo } from "../detectors.mjs";
import { sample } from "../pictures.mjs";
import { explain, models } from "../server.mjs";

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
    checks.contains("its range", texts[1], "Outside of what this detector was calibrated on");
    for (const fact of answers[1].outside) checks.contains("outside", texts[1], fact.slice(1));
    checks.equal("facts outside", answers[1].outside.length, 2);
    checks.ok("the first states no range", !texts[0].includes("Outside of what"));
    const boxes = await page.locator("article .columns .answer").evaluateAll((panels) => panels.map((panel) => panel.getBoundingClientRect().top));
    checks.equal("side by side", boxes[0], boxes[1]);
    const maps = await page.locator("canvas.map").evaluateAll((all) => all.map((map) => map.getBoundingClientRect().top));
    checks.ok(`maps side by side: ${maps}`, maps.length === 2 && maps[0] === maps[1]);
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
