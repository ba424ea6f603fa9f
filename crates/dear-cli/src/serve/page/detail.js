// One image: what is known of the file, and the detectors' answers side by side.

import { answerPanel, copies } from "./answer.js";
import { button, el, terms } from "./dom.js";
import { PROVENANCE_TITLE, provenanceFacts } from "./provenance.js";
import { PASTED, bytes } from "./words.js";

/** The panel of an image. `update(sha256)` draws one detector's answer anew. */
export function detailPanel(entry, models, { again, remove }) {
  const facts = el("div", {});
  const columns = el("div", { class: models.length > 1 ? "columns two" : "columns" });
  const provenance = el("section", { class: "answer", "aria-label": PROVENANCE_TITLE });
  const panels = new Map();
  /** What the panels show. */
  const shown = new Map();

  function update(sha256) {
    const model = models.find((one) => one.sha256 === sha256);
    if (model === undefined) return;
    const answer = entry.answers.get(sha256);
    const repeat = (withCopies) => again(entry, model, withCopies);
    if (answer.copies !== undefined && shown.get(sha256) === answer.record) {
      panels.get(sha256).querySelector(".copies").replaceWith(copies(answer, entry, repeat));
      return;
    }
    const panel = answerPanel(answer, entry, model, repeat);
    panels.get(sha256)?.replaceWith(panel);
    panels.set(sha256, panel);
    shown.set(sha256, answer.record);
    common();
  }

  /** What any detector's record says of the file. */
  function common() {
    const record = recordOf(entry);
    facts.replaceChildren(fileFacts(entry, record));
    provenance.hidden = !record?.provenance;
    if (record?.provenance && provenance.childElementCount === 0) {
      provenance.append(el("h4", {}, PROVENANCE_TITLE), ...provenanceFacts(record.provenance, { level: 5, open: false }));
    }
  }

  for (const model of models) {
    update(model.sha256);
    columns.append(panels.get(model.sha256));
  }
  const element = el("article", { "aria-label": entry.name },
    el("div", { class: "row spread" },
      el("h3", { id: "image", tabindex: "-1" }, entry.name), button("Remove", () => remove(entry), { "aria-label": `Remove ${entry.name}` })),
    entry.how === "pasted" && el("p", { class: "notice" }, PASTED),
    facts,
    models.length > 1 && el("p", { class: "notice calm" },
      "Scores of two detectors cannot be compared with each other: each has its own scale. Compare what each says at its own threshold."),
    columns,
    provenance);
  return { element, update };
}

/** A record of the image, whichever detector's. */
export function recordOf(entry) {
  return [...entry.answers.values()].map((answer) => answer.record).find((record) => record) ?? null;
}

/** Size, format and hash. */
export function fileFacts(entry, record) {
  const size = record?.width ? `${record.width} × ${record.height} pixels` : null;
  return terms([
    ["File", [size, record?.format?.toUpperCase(), bytes(entry.file.size)].filter(Boolean).join(", ")],
    ["SHA-256", record?.sha256 ? el("code", {}, record.sha256) : null],
  ]);
}
