// A line on which scores lie: threshold, uncertain band, the image's score, and those of its copies.

import { el, svg } from "./dom.js";
import { logits as writer } from "./words.js";

/** Logits that the line shows at least on both sides of the threshold, so that lines of several images look alike. */
const LEAST = 5;

/** A figure of a record; with `copies`, also theirs and the spread. */
export function scale(record, copies = false) {
  const written = writer(record);
  const found = copies ? record.stability : null;
  const logits = (found?.copies ?? []).map((copy) => copy.logit).filter((logit) => logit !== null);
  const marks = [record.logit, ...(record.uncertain ?? []), ...logits];
  const reach = Math.max(LEAST, 1.15 * Math.max(...marks.map((mark) => Math.abs(mark - record.threshold))));
  const at = (logit) => `${(50 + (50 * (logit - record.threshold)) / reach).toFixed(2)}%`;
  const [low, high] = record.uncertain ?? [record.threshold, record.threshold];
  const line = svg("svg", { class: "scale", height: "64", width: "100%", role: "img", "aria-label": sentence(record, found, written) },
    svg("rect", { class: "side-real", x: "0", y: "28", width: at(low), height: "8" }),
    svg("rect", { class: "side-generated", x: at(high), y: "28", width: `${100 - parseFloat(at(high))}%`, height: "8" }),
    record.uncertain && svg("rect", { class: "band", x: at(low), y: "22", width: `${parseFloat(at(high)) - parseFloat(at(low))}%`, height: "20" }),
    svg("line", { class: "threshold", x1: at(record.threshold), x2: at(record.threshold), y1: "18", y2: "46" }),
    label(`threshold ${written(record.threshold)}`, at(record.threshold), 60, "soft"),
    found && svg("line", { class: "spread", x1: at(found.spread[0]), x2: at(found.spread[1]), y1: "32", y2: "32" }),
    logits.map((logit) => svg("circle", { class: "copy", cx: at(logit), cy: "32", r: "5" })),
    svg("svg", { class: "score", x: at(record.logit), y: "32", width: "1", height: "1", overflow: "visible" },
      svg("path", { d: "M0-8 8 0 0 8-8 0Z" })),
    label(`score ${written(record.logit)}`, at(record.logit), 13, "strong"));
  return el("div", { class: "score-line" },
    line,
    el("div", { class: "row spread soft" }, el("span", {}, "← no signs found"), el("span", {}, "signs of generation →")));
}

/** Text over a mark, kept within the line. */
function label(text, place, y, kind) {
  const share = parseFloat(place);
  const anchor = share < 15 ? "start" : share > 85 ? "end" : "middle";
  return svg("text", { class: kind, x: place, y, "text-anchor": anchor }, text);
}

function sentence(record, found, written) {
  const band = record.uncertain === null ? "" : `, undecided from ${written(record.uncertain[0])} to ${written(record.uncertain[1])}`;
  const spread = found ? `, copies from ${written(found.spread[0])} to ${written(found.spread[1])}` : "";
  return `Score ${written(record.logit)}, threshold ${written(record.threshold)}${band}${spread}`;
}
