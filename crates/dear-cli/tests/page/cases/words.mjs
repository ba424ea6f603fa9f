// Words near the threshold, and about copies that could not be scored.

import { choose, drawn, screenshot, settled, signed, withPage } from "../browser.mjs";
import { withDetectors, withTwo } from "../detectors.mjs";
import { file, noise, png, sample, turned } from "../pictures.mjs";
import { explain, withServer } from "../server.mjs";

const PICTURE = sample("kodim22-3.jpg");
/** An eighth cropped off leaves 44 pixels of 50; `mini` needs 48. */
const SMALL = file("small.png", png(50, 50, noise()));

const at = (value, uncertain) => ({ threshold: { value, origin: "a test", ...(uncertain && { uncertain }) } });

/** Decimals, two or more, with which two numbers are written differently. */
const apart = (a, b) => [2, 3, 4, 5, 6].find((digits) => signed(a, digits) !== signed(b, digits));

/** The panel of one image by the detector of this name. */
async function panel(page, name) {
  const option = page.locator("#first option").filter({ hasText: new RegExp(`^${name} `) });
  await page.locator("#first").selectOption(await option.getAttribute("value"));
  const found = page.getByRole("region", { name: `Detector ${name}` });
  await found.locator(".verdict").waitFor();
  return found;
}

const mini = ({ dear }, picture) => withServer(dear, [], ({ address }) => explain(address, picture));

export async function otherThresholds(test) {
  const { checks, screenshots } = test;
  const { record: { logit }, map } = await mini(test, PICTURE);
  const detectors = {
    close: at(logit - 0.003), equal: at(logit), within: at(map.full / 2), below: at(-map.full / 2), beyond: at(2 * map.full),
    band: at(0, [logit + 0.0004, logit + 3]), mini: {},
  };
  await withDetectors(test, detectors, ({ address }) => withPage(test, address, async (page) => {
    await page.locator("#models details").first().waitFor();
    await page.locator("#stability").uncheck();
    await choose(page, [PICTURE]);
    await settled(page, 1);
    const near = apart(logit, logit - 0.003);
    const close = await (await panel(page, "close")).innerText();
    checks.contains("digits enough", close, `a score of ${signed(logit, near)}. That is above its threshold of ${signed(logit - 0.003, near)}.`);
    checks.contains("and on the line", close, `score ${signed(logit, near)}`);
    const edge = apart(logit, logit + 0.0004);
    checks.ok(`two decimals are too few: ${near}, ${edge}`, Math.max(near, edge) > 2);
    const band = await (await panel(page, "band")).innerText();
    checks.contains("digits enough for a band", band, `a score of ${signed(logit, edge)}. That is below the band from ${signed(logit + 0.0004, edge)} to`);
    checks.contains("a band in the legend", band, `the threshold ${signed(0, edge)}, undecided from ${signed(logit + 0.0004, edge)} to ${signed(logit + 3, edge)}.`);
    checks.contains("equal", await (await panel(page, "equal")).innerText(), `a score of ${signed(logit)}. That is exactly at its threshold of ${signed(logit)}.`);

    const share = (one) => one.locator(".ramp").evaluate((ramp) => {
      const mark = ramp.querySelector(".mark")?.getBoundingClientRect();
      const bar = ramp.getBoundingClientRect();
      return mark === undefined ? null : (mark.left + mark.width / 2 - bar.left) / bar.width;
    });
    const legends = [
      ["within", 0.75, `compared with the threshold ${signed(map.full / 2)}, not with 0. So a map that is red throughout can lie below the threshold`],
      ["below", 0.25, `compared with the threshold ${signed(-map.full / 2)}, not with 0. So a map that is blue throughout can lie above the threshold`],
      ["beyond", null, `compared with the threshold ${signed(2 * map.full)}, not with 0. So a map that is red throughout`],
      ["mini", 0.5, "compared with the threshold 0.00. The line across"],
    ];
    for (const [name, place, words] of legends) {
      const one = await panel(page, name);
      await drawn(page);
      const [text, found] = [await one.locator(".legend").innerText(), await share(one)];
      checks.contains(`legend of ${name}`, text, "The colours are around logit 0. The mean of the map is ");
      checks.contains(`legend of ${name}`, text, words);
      checks.contains(`mark of ${name}`, text, place === null ? "The threshold is beyond the ends of these colours." : "The line across the colours is the threshold.");
      checks.ok(`mark of ${name} at ${found}`, place === null ? found === null : Math.abs(found - place) < 0.01);
      const label = await one.locator(".ramp").getAttribute("aria-label");
      checks.equal(`aloud, ${name}`, label.endsWith(" marked"), place !== null);
      await screenshot(page, screenshots, `threshold-${name}`);
    }
    const paper = await page.evaluate(async () => {
      window.print = () => {};
      document.getElementById("print").click();
      for (let wait = 0; wait < 100 && document.querySelector("#paper figcaption") === null; wait += 1) await new Promise((done) => setTimeout(done, 50));
      return document.getElementById("paper").textContent;
    });
    checks.contains("on paper", paper, "Blue speaks for real, red for generated. The colours are around logit 0. The mean of the map is compared with the threshold 0.00.");
    await page.evaluate(() => window.dispatchEvent(new Event("afterprint")));
  }));
}

export async function copiesWithoutScore(test) {
  const { checks, screenshots } = test;
  const { record } = await mini(test, SMALL);
  const copies = record.stability.copies.map(({ logit }) => logit);
  const scored = copies.filter((logit) => logit !== null).sort((a, b) => a - b);
  checks.equal("copies, scored", [copies.length, scored.length], [6, 5]);
  // One copy and no more lies on the other side, unless the image itself is the outermost on both sides.
  const [low, high] = [[scored[0], Math.min(scored[1], record.logit)], [Math.max(scored[3], record.logit), scored[4]]];
  const [start, end] = low[0] < low[1] ? low : high;
  checks.ok(`a copy lies outermost: ${start}, ${end}`, start < end);
  const detectors = { turns: at((start + end) / 2), lasts: at(Math.min(scored[0], record.logit) - 1) };
  await withDetectors(test, detectors, ({ address }) => withPage(test, address, async (page) => {
    await choose(page, [SMALL]);
    await settled(page, 1);
    const turns = await (await panel(page, "turns")).innerText();
    checks.contains("count", turns, "Unstable: 1 of 5 copies gets another verdict, 1 copy could not be scored. Scores go from");
    checks.contains("heading", turns, "but not stable");
    checks.contains("summary", await page.locator("#summary").innerText(), " (1 not stable).");
    const row = page.getByRole("row", { name: "cropped by an eighth" });
    checks.contains("why", await row.innerText(), "Could not check: ");
    await screenshot(page, screenshots, "copies-without-score");
    const lasts = await (await panel(page, "lasts")).innerText();
    checks.contains("no claim for all", lasts, "Stable over the 5 copies that could be scored: the same verdict, 1 copy could not be scored. Scores go from");
    checks.ok("nor the word", !lasts.includes("Stable: all"));
    checks.ok("nor in the summary", !(await page.locator("#summary").innerText()).includes("not stable"));
  }));
}

/** A turned file with something behind its end, by a detector whose range it lies outside of. */
export async function factsBesideTheScore(test) {
  const { checks } = test;
  const picture = file("turned.jpg", Buffer.concat([turned(PICTURE.bytes, 6), Buffer.from("something behind the end")]));
  await withTwo(test, ({ address }) => withPage(test, address, async (page) => {
    const { record } = await explain(address, picture, "careful");
    checks.equal("facts outside", record.outside.length, 2);
    await page.locator("#models details").first().waitFor();
    await page.locator("#stability").uncheck();
    await choose(page, [picture]);
    await settled(page, 1);
    const facts = async (name, title) => {
      const one = (await panel(page, name)).locator(".notice", { has: page.getByRole("heading", { name: title }) });
      return one.locator("li").allInnerTexts();
    };
    const [outside, other] = ["Outside of what this detector was calibrated on", "Know before you use this score"];
    const found = await facts("careful", outside);
    checks.equal("outside", found.map((fact) => fact.slice(1, -1)), record.outside.map((fact) => fact.slice(1)));
    const beside = await facts("careful", other);
    const decoding = record.warning.slice(0, record.warning.indexOf("; outside of"));
    checks.equal("others", beside.map((fact) => fact.slice(1, 20)), [decoding, "The file asks to be shown turned"].map((fact) => fact.slice(1, 20)));
    checks.equal("no range, nothing outside", [(await facts("mini", outside)).length, await facts("mini", other)], [0, beside]);
  }));
}
