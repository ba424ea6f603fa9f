// The map over the picture that the network saw: opacity, zoom, pan, and the value under pointer or cursor.

import { Camera } from "./camera.js";
import { announce, button, el, freshId } from "./dom.js";
import * as maps from "./map.js";
import { comparison, decimals, logits, signed } from "./words.js";

/** Opacity at which `dear explain` draws. */
const OPACITY = 75;
const STEP = 1.5;

/** A figure for the map of a record. */
export function viewer(map, record) {
  const orientation = maps.orientationOf(record);
  const transform = maps.upright(orientation, map.width, map.height);
  const camera = new Camera(transform, maps.shownSize(orientation, map.width, map.height));
  const colours = maps.raster(map);
  const help = freshId("map-help");
  const canvas = el("canvas", {
    class: "map", tabindex: "0", role: "application", "aria-roledescription": "heat map",
    "aria-label": `Heat map of ${record.detector.name}, ${map.rows} rows and ${map.columns} columns`, "aria-describedby": help,
  });
  const readout = el("output", { class: "readout" }, "Point at the map to read its values.");
  const controls = controlsFor(freshId("show"));
  let pictures = null;
  let cursor = null;
  let pending = false;

  function redraw() {
    if (pending) return;
    pending = true;
    requestAnimationFrame(() => {
      pending = false;
      draw(canvas, camera, { map, pictures, colours, cursor, ...controls.state() });
    });
  }

  function point(cell, aloud) {
    cursor = cell;
    const value = maps.valueAt(map, cell);
    const side = value > 0 ? "speaks for generated" : value < 0 ? "speaks for real" : "speaks for neither";
    readout.replaceChildren(
      `Row ${cell.row + 1} of ${map.rows}, column ${cell.column + 1} of ${map.columns}: `,
      el("strong", { class: "value" }, signed(value, decimals([value], [0], 3))),
      `, ${side}`,
    );
    if (aloud) announce(readout.textContent);
    redraw();
  }

  function visit(cell) {
    const [x, y, width, height] = maps.cellBox(map, cell);
    camera.reveal(x + width / 2, y + height / 2);
    point(cell, true);
  }

  const act = Object.fromEntries(["enlarge", "move", "reset"].map((name) => [name, (...given) => {
    camera[name](...given);
    canvas.classList.toggle("free", !camera.whole);
    redraw();
  }]));

  controls.element.addEventListener("input", redraw);
  listenToPointer(canvas, camera, act, (x, y) => point(maps.cellAt(map, ...camera.toPicture(x, y)), false));
  listenToKeys(canvas, act, {
    step: (x, y) => {
      const [columns, rows] = camera.direction(x, y);
      const from = cursor ?? maps.strongest(map, Math.sign(map.logit) || 1);
      visit({
        row: Math.min(Math.max(from.row + rows, 0), map.rows - 1),
        column: Math.min(Math.max(from.column + columns, 0), map.columns - 1),
      });
    },
  });
  canvas.addEventListener("focus", () => {
    if (cursor === null && canvas.matches(":focus-visible")) visit(maps.strongest(map, Math.sign(map.logit) || 1));
  });
  new ResizeObserver(() => {
    fit(canvas, camera);
    redraw();
  }).observe(canvas);
  maps.picture(map).then((image) => {
    pictures = { colour: image, grey: maps.grey(image) };
    canvas.dataset.ready = "true";
    redraw();
  }, () => readout.replaceChildren("The picture cannot be shown; the map is."));

  const [width, height] = maps.shownSize(orientation, map.width, map.height);
  canvas.style.setProperty("aspect-ratio", `${width} / ${height}`);
  return el("figure", { class: "viewer" },
    controls.element,
    canvas,
    el("div", { class: "row tools" }, tools(act, () => canvas.clientWidth / 4),
      el("span", { class: "group" },
        button("Most generated", () => visit(maps.strongest(map, 1))),
        button("Most real", () => visit(maps.strongest(map, -1))))),
    el("figcaption", {}, readout, legend(map, record),
      el("p", { id: help, class: "soft" },
        "Keys on the map: arrows read cell by cell, + and − zoom, 0 shows the whole picture. Drag to move an enlarged picture; ",
        "the wheel zooms once the map is clicked.")));
}

function controlsFor(group) {
  const choice = (value, text, checked) =>
    el("label", { class: "check" }, el("input", { type: "radio", name: group, value, checked }), ` ${text}`);
  const slider = el("input", { type: "range", min: "0", max: "100", step: "1", value: OPACITY, "aria-label": "Opacity of the map" });
  const shown = el("span", { class: "soft" }, `${OPACITY} %`);
  slider.addEventListener("input", () => { shown.textContent = `${slider.value} %`; });
  const element = el("div", { class: "row controls" },
    el("fieldset", { class: "row" }, el("legend", { class: "unseen" }, "Show"),
      choice("both", "Picture and map", true), choice("picture", "Picture"), choice("map", "Map")),
    el("label", { class: "row slider" }, "Opacity", slider, shown));
  const state = () => ({
    show: element.querySelector("input:checked").value,
    opacity: Number(slider.value) / 100,
  });
  return { element, state };
}

function tools(act, stride) {
  const tool = (text, name, action) => button(text, action, { "aria-label": name, title: name, class: "tool" });
  return [
    el("span", { class: "group" },
      tool("+", "Zoom in", () => act.enlarge(STEP)),
      tool("−", "Zoom out", () => act.enlarge(1 / STEP)),
      button("Whole picture", () => act.reset())),
    el("span", { class: "group" },
      tool("←", "Move left", () => act.move(stride(), 0)),
      tool("↑", "Move up", () => act.move(0, stride())),
      tool("↓", "Move down", () => act.move(0, -stride())),
      tool("→", "Move right", () => act.move(-stride(), 0))),
  ];
}

function legend(map, record) {
  const { threshold } = record;
  const within = Math.abs(threshold) <= map.full;
  const named = `threshold ${logits(record)(threshold)}`;
  const mark = el("div", { class: "mark" });
  mark.style.setProperty("left", `${50 + (50 * threshold) / map.full}%`);
  return el("div", { class: "legend" },
    el("div", { class: "ramp", role: "img", "aria-label": `Colours from blue over none to red${within ? `, ${named} marked` : ""}` }, within && mark),
    el("div", { class: "row spread" },
      el("span", {}, `${signed(-map.full)} real`), el("span", {}, "0"), el("span", {}, `${signed(map.full)} generated`)),
    el("p", { class: "soft" },
      "Blue parts speak for a real picture, red parts for a generated one; the score is the mean over all cells. ",
      `Values here go from ${signed(map.min)} to ${signed(map.max)}; beyond ${signed(map.full)} the colour grows no stronger. `,
      "Colours show what moved the score, not which parts were generated."),
    el("p", { class: "soft" },
      `${comparison(record)} ${within ? "The line across the colours is the threshold." : "The threshold is beyond the ends of these colours."}`));
}

/** Give the canvas as many pixels as the screen shows. */
function fit(canvas, camera) {
  const density = window.devicePixelRatio || 1;
  [canvas.width, canvas.height] = [canvas.clientWidth, canvas.clientHeight].map((side) => Math.max(1, Math.round(side * density)));
  camera.resize(canvas.clientWidth || 1, canvas.clientHeight || 1);
}

function draw(canvas, camera, { map, pictures, colours, cursor, show, opacity }) {
  const context = canvas.getContext("2d");
  const density = canvas.width / (canvas.clientWidth || 1);
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, canvas.width, canvas.height);
  const matrix = camera.matrix();
  context.setTransform(new DOMMatrix().scaleSelf(density).multiplySelf(matrix));
  if (show === "map" || pictures === null) {
    context.fillStyle = "#f4f4f4";
    context.fillRect(0, 0, map.width, map.height);
  } else {
    // Enlarged pixels keep their edges.
    context.imageSmoothingEnabled = camera.scale < 3;
    context.drawImage(show === "picture" ? pictures.colour : pictures.grey, 0, 0, map.width, map.height);
  }
  context.imageSmoothingEnabled = true;
  if (show !== "picture") {
    context.globalAlpha = opacity;
    context.drawImage(colours, 0, 0, map.width, map.height);
    context.globalAlpha = 1;
  }
  if (cursor !== null) outline(context, map, cursor, camera.scale);
}

/** Two lines, one of which stands out on any ground. */
function outline(context, map, cursor, scale) {
  const [x, y, width, height] = maps.cellBox(map, cursor);
  for (const [colour, line] of [["#000", 4], ["#fff", 2]]) {
    context.strokeStyle = colour;
    context.lineWidth = line / scale;
    context.strokeRect(x, y, width, height);
  }
}

function listenToPointer(canvas, camera, act, read) {
  const held = new Map();
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left - canvas.clientLeft, event.clientY - box.top - canvas.clientTop];
  };
  canvas.addEventListener("pointerdown", (event) => {
    held.set(event.pointerId, place(event));
    if (!camera.whole) canvas.setPointerCapture(event.pointerId);
    read(...place(event));
  });
  canvas.addEventListener("pointermove", (event) => {
    const now = place(event);
    const before = held.get(event.pointerId);
    if (before === undefined) return read(...now);
    const other = [...held].find(([id]) => id !== event.pointerId)?.[1];
    held.set(event.pointerId, now);
    if (other === undefined) return act.move(now[0] - before[0], now[1] - before[1]);
    const apart = ([x, y]) => Math.hypot(x - other[0], y - other[1]) || 1;
    return act.enlarge(apart(now) / apart(before), [(now[0] + other[0]) / 2, (now[1] + other[1]) / 2]);
  });
  const release = (event) => held.delete(event.pointerId);
  for (const name of ["pointerup", "pointercancel", "pointerleave"]) canvas.addEventListener(name, release);
  canvas.addEventListener("dblclick", (event) => act.enlarge(STEP * STEP, place(event)));
  canvas.addEventListener("wheel", (event) => {
    // Unasked, the wheel scrolls the page.
    if (!event.ctrlKey && document.activeElement !== canvas) return;
    event.preventDefault();
    act.enlarge(STEP ** (-Math.sign(event.deltaY) / 2), place(event));
  }, { passive: false });
}

function listenToKeys(canvas, act, { step }) {
  const keys = {
    ArrowLeft: () => step(-1, 0), ArrowRight: () => step(1, 0), ArrowUp: () => step(0, -1), ArrowDown: () => step(0, 1),
    "+": () => act.enlarge(STEP), "=": () => act.enlarge(STEP), "-": () => act.enlarge(1 / STEP), 0: () => act.reset(),
  };
  canvas.addEventListener("keydown", (event) => {
    const action = keys[event.key];
    if (action === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    action();
  });
}

/** Picture and map as JPEG in a `data:` address, upright, for a report. */
export async function still(map, orientation, show, longest) {
  const image = await maps.picture(map);
  const [width, height] = maps.shownSize(orientation, map.width, map.height);
  const camera = new Camera(maps.upright(orientation, map.width, map.height), [width, height]);
  const scale = Math.min(1, longest / Math.max(width, height));
  const canvas = el("canvas", { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) });
  const context = canvas.getContext("2d");
  camera.resize(canvas.width, canvas.height);
  context.setTransform(camera.matrix());
  context.drawImage(show === "picture" ? image : maps.grey(image), 0, 0, map.width, map.height);
  if (show !== "picture") {
    context.globalAlpha = OPACITY / 100;
    context.drawImage(maps.raster(map), 0, 0, map.width, map.height);
  }
  return canvas.toDataURL("image/jpeg", 0.9);
}
