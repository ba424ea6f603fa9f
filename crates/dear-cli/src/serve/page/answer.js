// What one detector says of one image.

import { button, el } from "./dom.js";
import { scale } from "./scale.js";
import { stabilityFacts } from "./stability.js";
import { viewer } from "./viewer.js";
import * as words from "./words.js";

const PENDING = {
  waiting: () => "Waiting for its turn…",
  sending: () => "Being sent and scored…",
  busy: (answer) => `The server is busy. Asked again in ${answer.seconds} seconds.`,
  cancelled: () => "Stopped before it was scored.",
};

/** Whether there is nothing more to wait for. */
export const isSettled = (answer) => ["done", "failed", "cancelled"].includes(answer.state);

/** A line for the list of images, and which kind of mark it gets. */
export function shortly(answer, entry) {
  if (answer.state === "failed") return ["failed", words.failure(answer.failure, entry.file).title];
  if (answer.state !== "done") return [isSettled(answer) ? "failed" : "pending", PENDING[answer.state](answer)];
  const { record } = answer;
  return [record.status === "refused" ? "failed" : record.verdict, words.heading(record)];
}

/** The whole panel. `again(withCopies)` asks once more. */
export function answerPanel(answer, entry, model, again) {
  return el("section", { class: "answer", "data-state": answer.state, "aria-label": `Detector ${model.name}` },
    el("p", { class: "detector soft" }, "Detector ", el("strong", {}, model.name), " ", el("code", { title: model.sha256 }, model.sha256.slice(0, 12))),
    contents(answer, entry, again));
}

function contents(answer, entry, again) {
  if (answer.state === "failed") {
    return [trouble(words.failure(answer.failure, entry.file)), button("Try again", () => again(answer.withCopies))];
  }
  if (answer.state === "cancelled") {
    return [el("p", {}, PENDING.cancelled()), button("Score it", () => again(answer.withCopies))];
  }
  if (answer.state !== "done") return el("p", { class: "waiting" }, PENDING[answer.state](answer));
  if (answer.record.status === "refused") return trouble(words.refusal(answer.record.error));
  return [verdict(answer.record), evidence(answer), copies(answer, again)];
}

function trouble({ title, todo, detail }) {
  return el("div", { class: "verdict failed" },
    el("h4", {}, title), el("p", {}, todo), detail !== null && el("p", { class: "soft" }, `The server says: ${detail}`));
}

/** The verdict with its uncertainty, for pages and reports. */
export function verdict(record) {
  return el("div", {},
    el("div", { class: `verdict ${record.verdict}` },
      el("h4", {}, words.heading(record)),
      el("p", {}, words.reading(record)),
      el("p", {}, words.probability(record)),
      el("p", {}, words.meaning(record))),
    notice("Outside of what this detector was calibrated on", words.outside(record)),
    notice("Know before you use this score", words.warnings(record)),
    scale(record),
    el("p", { class: "soft" }, words.thresholdOrigin(record.threshold_origin)));
}

function notice(title, facts) {
  return facts.length > 0 && el("div", { class: "notice" },
    el("h5", {}, title), el("ul", {}, facts.map((fact) => el("li", {}, fact))));
}

function evidence({ record, map, mapMissing }) {
  const title = el("h4", {}, "Where it looks");
  if (map !== null) return el("div", {}, title, viewer(map, record));
  const why = mapMissing === null ? "The server gave no reason." : words.sentence([mapMissing.message, mapMissing.hint].filter(Boolean).join("; "));
  return el("div", {}, title, el("p", {}, `No heat map. ${why}`));
}

function copies({ record }, again) {
  const title = el("h4", {}, "Does the verdict last?");
  if (record.stability === null || record.stability === undefined) {
    return el("div", {}, title, el("p", {}, "Stored copies of this image were not scored."), button("Score copies", () => again(true)));
  }
  return el("div", {}, title,
    el("p", { class: "soft" }, "The same picture, stored again in a few ways, as happens on its way through the web:"),
    stabilityFacts(record));
}
