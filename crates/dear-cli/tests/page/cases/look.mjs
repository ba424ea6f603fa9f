// Who cannot see well, has no mouse, or holds a phone.

import { accessibility, beside, choose, drawn, screenshot, settled, withPage } from "../browser.mjs";
import { withTwo } from "../detectors.mjs";
import { file, sample } from "../pictures.mjs";
import { withServer } from "../server.mjs";

/** How the page may be looked at. */
const LOOKS = {
  light: {},
  dark: { colorScheme: "dark", reducedMotion: "reduce" },
  phone: { viewport: { width: 360, height: 780 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true },
  // A window of 1280 pixels at 200 %, and at 400 %.
  "zoom-200": { viewport: { width: 640, height: 450 }, deviceScaleFactor: 2 },
  "zoom-400": { viewport: { width: 320, height: 256 }, deviceScaleFactor: 4 },
};

/** Those that axe judges; the others are only measured. */
const JUDGED = ["light", "dark", "phone"];

export async function accessible(test) {
  const { checks, screenshots } = test;
  await withTwo(test, async ({ address }) => {
    for (const [look, options] of Object.entries(LOOKS)) {
      await withPage(test, address, async (page) => {
        const check = async (state) => {
          if (JUDGED.includes(look)) checks.equal(`axe, ${look}, ${state}`, await accessibility(page), []);
          const [width, window_] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
          checks.ok(`${look}, ${state}: ${width} pixels wide in a window of ${window_}`, width <= window_);
        };
        await page.locator("#models details").first().waitFor();
        await check("empty");
        await choose(page, [sample("kodim24-3.jpg"), file("a-letter-with-a-very-long-name-that-nobody-broke-into-words.jpg", Buffer.from("a letter"))]);
        await settled(page, 2);
        await drawn(page);
        for (const summary of await page.locator("summary").all()) await summary.click();
        await check("result");
        await screenshot(page, screenshots, `look-${look}`);
        await beside(page);
        await page.locator("article .columns .answer").nth(1).locator(".verdict").waitFor();
        await check("two");
        await page.locator("#list button").nth(1).click();
        await check("error");
        await screenshot(page, screenshots, `look-${look}-error`);
      }, options);
    }
  });
}

export async function keyboardOnly(test) {
  const { checks, dear } = test;
  await withServer(dear, [], ({ address }) => withPage(test, address, async (page) => {
    // From the start: Chromium hands over what it is told of before the key.
    const chooser = new Promise((resolve) => page.once("filechooser", resolve));
    await page.locator("#models dl").waitFor();
    const here = () => page.evaluate(() => {
      const at = document.activeElement;
      const { outlineStyle, outlineWidth } = getComputedStyle(at);
      const { width, height, top, bottom } = at.getBoundingClientRect();
      const label = at.closest("label");
      const target = label === null ? [width, height] : [Math.max(width, label.clientWidth), Math.max(height, label.clientHeight)];
      const covered = top < document.getElementById("cards").getBoundingClientRect().bottom - 1 && top >= 0 && at.closest("main") !== null;
      return {
        id: at.id, text: at.textContent.trim().slice(0, 40), name: at.getAttribute("aria-label"), tag: at.tagName,
        visible: outlineStyle !== "none" && parseFloat(outlineWidth) >= 2, target, covered, seen: bottom > 0 && top < innerHeight,
      };
    });
    const reach = async (what, is) => {
      for (let steps = 0; steps < 60; steps += 1) {
        await page.keyboard.press("Tab");
        const at = await here();
        if (at.tag !== "BODY") {
          if (!at.visible) checks.ok(`focus is visible on ${JSON.stringify(at)}`, false);
          if (Math.min(...at.target) < 24 && at.tag !== "A") checks.ok(`target is large enough: ${JSON.stringify(at)}`, false);
          if (at.covered || !at.seen) checks.ok(`focus is in sight: ${JSON.stringify(at)}`, false);
        }
        if (is(at)) return checks.ok(what, true);
      }
      throw new Error(`${what}: not reached by Tab`);
    };
    await reach("the skip link", ({ text }) => text === "Skip to the content");
    await page.keyboard.press("Enter");
    await reach("the choice of files", ({ id }) => id === "files");
    await page.keyboard.press("Enter");
    await (await chooser).setFiles(["kodim24-3.jpg", "kodim03-6.jpg"].map(sample).map(({ name, mimeType, buffer }) => ({ name, mimeType, buffer })));
    await settled(page, 2);
    await reach("the checkbox", ({ id }) => id === "stability");
    await page.keyboard.press("Space");
    checks.ok("it is off now", !(await page.locator("#stability").isChecked()));
    await reach("the second image", ({ text }) => text.startsWith("kodim03-6.jpg"));
    await page.keyboard.press("Enter");
    checks.equal("focus goes to its panel", await page.evaluate(() => document.activeElement.textContent), "kodim03-6.jpg");
    await drawn(page);
    await reach("the radio buttons", ({ tag }) => tag === "INPUT");
    await page.keyboard.press("ArrowRight");
    checks.equal("what is shown", await page.locator("input[type=radio]:checked").inputValue(), "picture");
    await page.keyboard.press("ArrowLeft");
    await reach("opacity", ({ name }) => name === "Opacity of the map");
    await page.keyboard.press("ArrowRight");
    checks.equal("opacity", await page.getByLabel("Opacity of the map").inputValue(), "76");
    await reach("the map", ({ tag }) => tag === "CANVAS");
    const first = await page.locator(".readout").innerText();
    checks.contains("the map says where one is", first, "Row ");
    await page.keyboard.press("ArrowDown");
    checks.ok("arrows read on", (await page.locator(".readout").innerText()) !== first);
    await reach("zoom", ({ name }) => name === "Zoom in");
    await page.keyboard.press("Enter");
    checks.ok("enlarged", await page.locator("canvas.map.free").isVisible());
    await reach("the note", ({ id }) => id === "note");
    await page.keyboard.type("by keyboard");
    await reach("the report", ({ id }) => id === "save-json");
    const [download] = await Promise.all([page.waitForEvent("download"), page.keyboard.press("Enter")]);
    checks.contains("saved", download.suggestedFilename(), ".json");
    // Without copies, the panel offers to score them.
    await choose(page, [sample("kodim12-1.jpg")]);
    await settled(page, 3);
    await page.locator("#list button").nth(2).click();
    checks.contains("no copies asked for", await page.locator("#detail").innerText(), "were not scored");
    await page.getByRole("button", { name: "Score copies" }).focus();
    await page.keyboard.press("Enter");
    checks.equal("focus stays in the panel", await page.evaluate(() => document.activeElement.id), "image");
    await page.locator("article table").waitFor();
    checks.equal("copies", await page.locator("article tbody tr").count(), 7);
    await page.getByRole("button", { name: "Remove kodim12-1.jpg" }).click();
    checks.equal("removed", await page.locator("#list li").count(), 2);
    // What a screen reader finds: landmarks, one h1, no skipped level, live regions.
    const headings = await page.locator(":is(h1, h2, h3, h4, h5):visible").evaluateAll((all) => all.map((one) => Number(one.tagName[1])));
    checks.ok(`levels ${headings}`, headings.every((level, index) => level - (headings[index - 1] ?? 0) <= 1));
    for (const role of ["banner", "main", "contentinfo", "navigation"]) checks.ok(role, (await page.getByRole(role).count()) >= 1);
    checks.equal("live regions", await page.locator("[role=status], [role=alert], [aria-live]").count(), 3);
  }));
}
