// What the file says of its origin. Beside the score, never part of it.

import { el, terms } from "./dom.js";
import { sentence } from "./words.js";

const QUESTIONS = [
  ["c2pa", "Content Credentials (C2PA)", "a signed statement of what made or changed the file"],
  ["source_type", "Source type (IPTC)", "a label in the file's metadata"],
  ["generator", "Traces of a generator", "prompts and settings that generator programs leave"],
  ["camera", "Camera (EXIF)", "camera, lens, software and time"],
];

const STATES = { found: ["✓", "Found"], not_found: ["○", "Not found"], could_not_check: ["?", "Could not check"] };

const DECLARES = {
  generated: "The file declares itself generated.",
  partly_generated: "The file declares itself partly generated, or edited with a generator.",
  captured: "The file declares itself captured by a camera or scanner.",
};

export const PROVENANCE_TITLE = "What the file says about itself";

/** What goes into the panel, under headings of a level; `open` shows all details, as a report does. */
export function provenanceFacts(provenance, { level, open }) {
  return [
    el("p", { class: "soft" },
      "Beside the score, not part of it. Such data can be forged and is often stripped on the way: finding nothing says nothing ",
      "about the picture, and a declaration is a claim of whoever wrote the file, not a proof."),
    el("ul", { class: "findings" }, QUESTIONS.map(([key, title, what]) => finding(provenance[key], el(`h${level}`, {}, title, el("span", { class: "soft" }, ` – ${what}`)), open))),
  ];
}

function finding({ state, summary, declares, details }, title, open) {
  const [sign, word] = STATES[state];
  return el("li", { class: `finding ${state.replaceAll("_", "-")}` },
    title,
    el("p", { class: "state" }, el("span", { "aria-hidden": "true", class: "sign" }, sign), ` ${word}`),
    declares !== null && el("p", { class: `declares ${declares === "captured" ? "" : "notice"}` }, DECLARES[declares]),
    summary !== null && el("p", {}, sentence(summary)),
    details.length > 0 && el("details", { open }, el("summary", {}, `Details (${details.length})`),
      terms(details.map(({ name, value }) => [name, value]))));
}
