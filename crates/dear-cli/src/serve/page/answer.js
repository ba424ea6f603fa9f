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

/** The last request of an answer: that for copies, where they were asked for after the image was scored. */
export const latest = (answer) => answer.copies ?? answer;

/** Whether there is nothing more to wait for. */
export const isSettled = (answer) => ["done", "failed", "cancelled"].includes(latest(answer).state);

/** A line for the list of images, and which kind of mark it gets. */
export function shortly(answer, entry) {
  if (answer.state === "failed") return ["failed", words.failure(answer.failure, entry.file, answer.withCopies).title];
  if (answer.state !== "done") return [isSettled(answer) ? "failed" : "pending", PENDING[answer.state](answer)];
  const { record } = answer;
  return [record.status === "refused" ? "failed" : record.verdict, words.heading(record)];
}

/** Why an image has no score, for reports. */
export const unscored = (answer) => (answer.state === "cancelled" ? PENDING.cancelled() : "Not scored yet.");

/** The whole panel. `again(withCopies)` asks once more. */
export function answerPanel(answer, entry, model, again) {
  return el("section", { class: "answer", "data-state": answer.state, "aria-label": `Detector ${model.name}` },
    el("p", { class: "detector soft" }, "Detector ", el("strong", {}, model.name), " ", el("code", { title: model.sha256 }, model.sha256.slice(0, 12))),
    contents(answer, entry, again));
}

function contents(answer, entry, again) {
  if (answer.state === "failed") {
    const without = answer.failure.kind === "too_long" && answer.withCopies;
    return [
      trouble(words.failure(answer.failure, entry.file, answer.withCopies)),
      el("div", { class: "row" },
        without && button("Score it without copies", () => again(false)), button("Try again", () => again(answer.withCopies))),
    ];
  }
  if (answer.state === "cancelled") {
    return [el("p", {}, PENDING.cancelled()), button("Score it", () => again(answer.withCopies))];
  }
  if (answer.state !== "done") return el("p", { class: "waiting" }, PENDING[answer.state](answer));
  if (answer.record.status === "refused") return trouble(words.refusal(answer.record.error));
  return [verdict(answer.record), evidence(answer), copies(answer, entry, again)];
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

/** The panel's last part, which is drawn by itself while copies are asked for: the map above it keeps its place and the focus. */
export function copies({ record, copies: asked }, entry, again) {
  const part = (...children) => el("div", { class: "copies" }, el("h4", {}, "Does the verdict last?"), children);
  if (record.stability) {
    return part(
      el("p", { class: "soft" }, "The same picture, stored again in a few ways, as happens on its way through the web:"),
      stabilityFacts(record));
  }
  if (asked !== undefined && !isSettled(asked)) return part(el("p", { class: "waiting" }, PENDING[asked.state](asked)));
  return part(
    el("p", {}, words.copiesMissing(asked, entry.file)),
    button(asked === undefined ? "Score copies" : "Try copies again", () => again(true)));
}
