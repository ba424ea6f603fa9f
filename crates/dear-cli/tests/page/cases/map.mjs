// The heat map: its values, what it looks like, and how it lies.

import { choose, drawn, frames, screenshot, settled, signed, withPage } from "../browser.mjs";
import { file, sample, turned } from "../pictures.mjs";
import { explain, withServer } from "../server.mjs";

const PICTURE = "kodim22-3.jpg";
/** Chromium's advice on how these tests read the canvas. */
const READING = { expected: ["willReadFrequently"] };

/** Pixels that the canvas shows, some 10,000 spread over it: RGBA, row by row. */
const pixels = async (canvas) => Buffer.from(await canvas.evaluate((node) => {
  const small = new OffscreenCanvas(100, 100).getContext("2d");
  small.imageSmoothingEnabled = false;
  small.drawImage(node, 0, 0, 100, 100);
  return btoa(String.fromCharCode.apply(null, small.getImageData(0, 0, 100, 100).data));
}), "base64");

const difference = (a, b) => a.reduce((sum, value, index) => sum + Math.abs(value - b[index]), 0) / a.length;

/** The middle of a cell in the picture. */
const middleOf = (map, row, column) => [column, row].map((index, axis) => map.offset[axis] + map.cell[axis] * (index + 0.5));

/** Where a point of the picture lies on the screen, the whole being shown. */
async function onScreen(canvas, [width, height], [x, y]) {
  const box = await canvas.evaluate((node) => {
    const { left, top } = node.getBoundingClientRect();
    return { left: left + node.clientLeft, top: top + node.clientTop, width: node.clientWidth, height: node.clientHeight };
  });
  const scale = Math.min(box.width / width, box.height / height);
  return [box.left + box.width / 2 + (x - width / 2) * scale, box.top + box.height / 2 + (y - height / 2) * scale];
}

const readout = (page) => page.locator(".readout").first().innerText();
const expected = (map, row, column) =>
  `Row ${row + 1} of ${map.rows}, column ${column + 1} of ${map.columns}: ${signed(map.values[row * map.columns + column], 3)}`;

export async function mapValues(test) {
  const { checks, dear } = test;
  await withServer(dear, [], ({ address }) => withPage(test, address, async (page) => {
    const picture = sample(PICTURE);
    const { map } = await explain(address, picture);
    await choose(page, [picture]);
    await settled(page, 1);
    const canvas = await drawn(page);
    await canvas.scrollIntoViewIfNeeded();
    let read = 0;
    for (const row of [0, 7, map.rows - 1]) {
      for (const column of [0, 12, map.columns - 1]) {
        await page.mouse.move(...(await onScreen(canvas, [map.width, map.height], middleOf(map, row, column))));
        checks.contains("value under the pointer", await readout(page), expected(map, row, column));
        read += 1;
      }
    }
    checks.equal("cells read", read, 9);
    const all = map.values;
    const mean = all.reduce((sum, value) => sum + value, 0) / all.length;
    // Cells at the border of an image whose sides the stride does not divide weigh less; these sides it divides.
    checks.ok(`mean of the map ${mean}, logit ${map.logit}`, Math.abs(mean - map.logit) < 1e-3 * Math.max(1, Math.abs(map.logit)));
    // By keyboard: from the cell of the pointer, one step each.
    await canvas.focus();
    const [row, column] = [map.rows - 1, map.columns - 1];
    await canvas.press("ArrowUp");
    checks.contains("up", await readout(page), expected(map, row - 1, column));
    await canvas.press("ArrowLeft");
    checks.contains("left", await readout(page), expected(map, row - 1, column - 1));
    await canvas.press("ArrowDown");
    await canvas.press("ArrowDown");
    checks.contains("the edge holds", await readout(page), expected(map, row, column - 1));
    checks.contains("said aloud", await page.locator("#live").textContent(), expected(map, row, column - 1));
    const value = async () => Number((await readout(page)).match(/: (\S+),/)[1].replace("−", "-"));
    await page.getByRole("button", { name: "Most generated" }).click();
    checks.equal("greatest value", (await value()).toFixed(3), Math.max(...all).toFixed(3));
    await page.getByRole("button", { name: "Most real" }).click();
    checks.equal("least value", (await value()).toFixed(3), Math.min(...all).toFixed(3));
  }));
}

export async function mapPicture(test) {
  const { checks, dear, screenshots } = test;
  await withServer(dear, [], ({ address }) => withPage(test, address, async (page) => {
    const sent = sample(PICTURE);
    const { map } = await explain(address, sent);
    await choose(page, [sent]);
    await settled(page, 1);
    const canvas = await drawn(page);
    const show = async (name) => {
      await page.getByRole("radio", { name, exact: true }).check();
      await frames(page);
      return pixels(canvas);
    };
    const slide = async (opacity) => {
      await page.getByLabel("Opacity of the map").fill(String(opacity));
      await frames(page);
      return pixels(canvas);
    };
    const both = await pixels(canvas);
    const grey = await slide(0);
    checks.ok("no opacity: a grey picture", grey.every((_, at) => at % 4 !== 0 || (grey[at] === grey[at + 1] && grey[at] === grey[at + 2])));
    const [half, full] = [await slide(50), await slide(100)];
    const [near, far] = [difference(half, grey), difference(full, grey)];
    checks.ok(`opacity shows: ${near}, ${far}`, near > 1 && far > 1.5 * near);
    await slide(75);
    const picture = await show("Picture");
    const alone = await show("Map");
    checks.ok("the picture alone", difference(picture, both) > 3);
    checks.ok("the map alone", difference(alone, both) > 3);
    // Colour: over the most generated cell red wins, over the most real one blue.
    const colour = (value) => {
      const index = map.values.findIndex((one) => Math.abs(one - value) < 1e-5);
      const middle = middleOf(map, Math.floor(index / map.columns), index % map.columns);
      return canvas.evaluate((node, [x, y, width, height]) => {
        const scale = Math.min(node.width / width, node.height / height);
        const [left, top] = [node.width / 2 + (x - width / 2) * scale, node.height / 2 + (y - height / 2) * scale];
        return [...node.getContext("2d").getImageData(Math.floor(left), Math.floor(top), 1, 1).data];
      }, [...middle, map.width, map.height]);
    };
    const [most, least] = [await colour(map.max), await colour(map.min)];
    checks.ok(`red at ${map.max}: ${most}`, map.max <= 0 || most[0] > most[2]);
    checks.ok(`blue at ${map.min}: ${least}`, map.min >= 0 || least[2] > least[0]);
    // Zoom by button, key and wheel; pan by button, drag; back to the whole.
    const whole = await show("Picture");
    const zoomed = async (what, action) => {
      await action();
      await frames(page);
      const now = await pixels(canvas);
      checks.ok(`${what} changes what is shown`, difference(now, whole) > 1);
      return now;
    };
    const by = (name) => page.getByRole("button", { name, exact: true }).click();
    const back = async () => {
      await by("Whole picture");
      await frames(page);
      // But for the outline of the cell that was clicked.
      checks.ok("the whole again", difference(await pixels(canvas), whole) < 0.5);
    };
    const once = await zoomed("the button", async () => {
      await by("Zoom in");
      await by("Zoom in");
    });
    const moved = await zoomed("moving", () => by("Move left"));
    checks.ok("moving moves", difference(once, moved) > 1);
    const box = await canvas.boundingBox();
    const middle = [box.x + box.width / 2, box.y + box.height / 2];
    await page.mouse.move(...middle);
    await page.mouse.down();
    await page.mouse.move(middle[0] - 60, middle[1] - 40, { steps: 4 });
    await page.mouse.up();
    await frames(page);
    checks.ok("dragging moves", difference(await pixels(canvas), moved) > 1);
    await back();
    await canvas.focus();
    await zoomed("the key +", () => canvas.press("+"));
    await canvas.press("0");
    await zoomed("the wheel", async () => {
      await page.mouse.move(...middle);
      await page.mouse.wheel(0, -300);
      await page.waitForTimeout(100);
    });
    await show("Picture and map");
    await screenshot(page, screenshots, "desktop-zoomed", false);
  }, READING));
}

export async function turnedPhotograph(test) {
  const { checks, dear, screenshots } = test;
  const stored = sample(PICTURE);
  await withServer(dear, [], ({ address }) => withPage(test, address, async (page) => {
    await page.locator("#stability").uncheck();
    for (const orientation of [1, 2, 3, 4, 5, 6, 7, 8]) {
      const picture = file(`turned-${orientation}.jpg`, turned(stored.bytes, orientation));
      await choose(page, [picture]);
      await settled(page, 1);
      const canvas = await drawn(page);
      await page.getByRole("radio", { name: "Picture", exact: true }).check();
      await frames(page);
      // The browser turns the file itself: an opinion of its own.
      const apart = await canvas.evaluate(async (node, base64) => {
        const image = new Image();
        image.src = `data:image/jpeg;base64,${base64}`;
        await image.decode();
        const other = document.createElement("canvas");
        [other.width, other.height] = [node.width, node.height];
        const context = other.getContext("2d");
        const scale = Math.min(node.width / image.naturalWidth, node.height / image.naturalHeight);
        const [width, height] = [image.naturalWidth * scale, image.naturalHeight * scale];
        context.drawImage(image, (node.width - width) / 2, (node.height - height) / 2, width, height);
        const data = [node, other].map((one) => one.getContext("2d").getImageData(0, 0, node.width, node.height).data);
        return data[0].reduce((sum, value, index) => sum + Math.abs(value - data[1][index]), 0) / data[0].length;
      }, picture.bytes.toString("base64"));
      // The picture that the server sends was saved as JPEG once more; another way of lying is 30 and more apart.
      checks.ok(`orientation ${orientation}: ${apart} apart from the browser's`, apart < 6);
      const text = await page.locator("#detail").innerText();
      checks.equal("the turn is said", text.includes("asks to be shown turned"), orientation > 1);
      if (orientation === 6) {
        await checkTurnedValue(checks, page, canvas, (await explain(address, picture)).map);
        await screenshot(page, screenshots, "turned", false);
      }
      await page.locator("#clear").click();
    }
  }, READING));
}

/** Turned a quarter to the right: what is stored at the bottom left is seen at the top left. */
async function checkTurnedValue(checks, page, canvas, map) {
  await canvas.scrollIntoViewIfNeeded();
  await page.mouse.move(...(await onScreen(canvas, [map.height, map.width], [4, 4])));
  checks.contains("value at the top left", await readout(page), expected(map, map.rows - 1, 0));
  await canvas.focus();
  await canvas.press("ArrowRight");
  checks.contains("one to the right", await readout(page), expected(map, map.rows - 2, 0));
  await canvas.press("ArrowDown");
  checks.contains("one down", await readout(page), expected(map, map.rows - 2, 1));
}
