// How stored copies of the image are judged.

import { el } from "./dom.js";
import { scale } from "./scale.js";
import { VERDICTS, logits, percent, sentence, stability } from "./words.js";

/** What goes into the panel, for pages and reports. */
export function stabilityFacts(record) {
  const found = record.stability;
  return [
    el("p", { class: found.standing === "unstable" ? "notice" : null }, stability(record)),
    found.standing === "could_not_check" ? null : scale(record, true),
    table(record),
  ];
}

function table(record) {
  const written = logits(record);
  const calibrated = record.probability !== null;
  const row = (name, score, verdict, probability, turned) =>
    el("tr", { class: turned ? "turned" : null },
      el("th", { scope: "row" }, name),
      el("td", { class: "number" }, score === null ? "–" : written(score)),
      calibrated && el("td", { class: "number" }, probability === null ? "–" : percent(probability)),
      el("td", {}, verdict));
  const rows = record.stability.copies.map((copy) => {
    const turned = copy.verdict !== null && copy.verdict !== record.verdict;
    const verdict = copy.verdict === null ? `Could not check: ${sentence(copy.error ?? "")}` : VERDICTS[copy.verdict];
    return row(copy.name, copy.logit, turned ? `${verdict} (differs)` : verdict, copy.probability, turned);
  });
  return el("table", {},
    el("thead", {}, el("tr", {},
      el("th", { scope: "col" }, "Copy"), el("th", { scope: "col", class: "number" }, "Score"),
      calibrated && el("th", { scope: "col", class: "number" }, "Probability"), el("th", { scope: "col" }, "Verdict"))),
    el("tbody", {}, row("the image itself", record.logit, VERDICTS[record.verdict], record.probability, false), rows));
}
