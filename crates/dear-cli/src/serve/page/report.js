// What was found, for the record: one JSON document, and a page for paper. Both name files and detectors by their hashes.

import { latest, unscored, verdict } from "./answer.js";
import { detectorFacts, engineWords } from "./card.js";
import { fileFacts, recordOf } from "./detail.js";
import { el, save, terms } from "./dom.js";
import { orientationOf } from "./map.js";
import { PROVENANCE_TITLE, provenanceFacts } from "./provenance.js";
import { stabilityFacts } from "./stability.js";
import { still } from "./viewer.js";
import { PASTED, comparison, copiesMissing, failure, refusal, sentence } from "./words.js";

/** Version of the JSON document. */
const SCHEMA = 1;
/** Longest side of a report's pictures, in pixels. */
const LONGEST = 720;

/** `about` has `entries`, `models` (those in use), `server` (the answer of `/healthz`) and `note`. */
export function documentOf({ entries, models, server, note }) {
  return {
    schema: SCHEMA,
    kind: "dear page report",
    created: new Date().toISOString(),
    server: { address: location.origin, version: server.version },
    note: note === "" ? null : note,
    detectors: models,
    images: entries.map((entry) => ({
      name: entry.name,
      sha256: recordOf(entry)?.sha256 ?? null,
      bytes: entry.file.size,
      received: entry.how,
      answers: models.map((model) => answerOf(entry.answers.get(model.sha256), model)),
    })),
  };
}

function answerOf(answer, model) {
  const { failure: found } = latest(answer);
  return {
    detector_sha256: model.sha256,
    state: answer.state,
    scored_at: answer.at ?? null,
    copies_asked: answer.withCopies,
    copies_state: answer.copies?.state ?? null,
    failure: found ? { kind: found.kind, status: found.status, message: found.message } : null,
    record: answer.record ?? null,
    map: answer.map ? withoutPicture(answer.map) : null,
    map_missing: answer.mapMissing ?? null,
  };
}

/** What the map was, without its picture and its values, which the same file and detector give again. */
function withoutPicture({ picture: _, values: __, ...summary }) {
  return summary;
}

const fileName = (created, ending) => `dear-report-${created.slice(0, 19).replaceAll(":", "-")}Z.${ending}`;

export function saveJson(about) {
  const found = documentOf(about);
  save(fileName(found.created, "json"), "application/json", `${JSON.stringify(found, null, 2)}\n`);
}

/** What the page has loaded: the server may be gone by now. */
function styleOfContents() {
  const sheet = [...document.styleSheets].find(({ href }) => href?.endsWith("/page/content.css"));
  return [...sheet.cssRules].map((rule) => rule.cssText).join("\n");
}

export async function savePage(about) {
  const found = documentOf(about);
  const style = styleOfContents();
  const body = el("body", {}, el("main", {}, await reportOf(about, found)));
  // The element writes its own markup, so every text in it is escaped.
  const page =
    `<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta name="viewport" content="width=device-width, initial-scale=1">\n` +
    `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">\n` +
    `<title>Report of dear, ${found.created}</title>\n<style>\n${style}\n</style>\n</head>\n${body.outerHTML}\n</html>\n`;
  save(fileName(found.created, "html"), "text/html", page);
}

/** Print the report in place of the page. */
export async function print(about) {
  const paper = document.getElementById("paper");
  paper.replaceChildren(await reportOf(about, documentOf(about)));
  await Promise.all([...paper.querySelectorAll("img")].map((image) => image.decode()));
  document.documentElement.classList.add("printing");
  window.addEventListener("afterprint", () => {
    document.documentElement.classList.remove("printing");
    paper.replaceChildren();
  }, { once: true });
  window.print();
}

async function reportOf({ entries, models }, found) {
  const images = [];
  for (const [index, entry] of entries.entries()) images.push(await imageOf(entry, models, index + 1));
  return el("div", { class: "report" },
    el("h1", {}, "Was this picture generated?"),
    el("p", {}, "What detectors found in image files. A score is one clue among several, not a proof."),
    terms([
      ["Written (UTC)", found.created],
      ["Server", `dear ${found.server.version} at ${found.server.address}`],
      ["Images", String(entries.length)],
      ["Note", found.note],
    ]),
    images,
    el("section", {}, el("h2", {}, "Detectors"),
      models.map((model) => el("section", {}, el("h3", {}, model.name), detectorFacts(model)))));
}

async function imageOf(entry, models, number) {
  const record = recordOf(entry);
  const answers = [];
  for (const model of models) answers.push(await answerFor(entry.answers.get(model.sha256), entry, model));
  return el("section", { class: "image" },
    el("h2", {}, `${number}. ${entry.name}`),
    entry.how === "pasted" && el("p", { class: "notice" }, PASTED),
    fileFacts(entry, record),
    answers,
    record?.provenance && el("section", {}, el("h3", {}, PROVENANCE_TITLE), provenanceFacts(record.provenance, { level: 4, open: true })));
}

async function answerFor(answer, entry, model) {
  const title = el("h3", {}, `Detector ${model.name} `, el("code", {}, model.sha256));
  const banner = model.card ? el("p", { class: "notice" }, sentence(model.card)) : null;
  if (answer.state === "failed") return el("section", {}, title, banner, trouble(failure(answer.failure, entry.file, answer.withCopies)));
  if (answer.state !== "done") return el("section", {}, title, banner, el("p", {}, unscored(answer)));
  const { record, map } = answer;
  if (record.status === "refused") return el("section", {}, title, banner, trouble(refusal(record.error)));
  return el("section", {}, title, banner,
    verdict(record),
    map && el("div", { class: "pictures" }, await Promise.all([["picture", "What the detector saw"], ["both", `Blue speaks for real, red for generated. ${comparison(record)}`]]
      .map(async ([show, text]) => el("figure", {},
        el("img", { src: await still(map, orientationOf(record), show, LONGEST), alt: "" }), el("figcaption", {}, text))))),
    record.stability ? stabilityFacts(record) : el("p", {}, copiesMissing(answer.copies, entry.file)),
    terms([
      ["Scored (UTC)", answer.at], ["Logit", String(record.logit)], ["Engine", engineWords(record.engine)], ["View", record.view],
      ["Decoding", Object.entries(record.decode ?? {}).map(([option, value]) => `${option} ${value}`).join(", ")],
    ]));
}

function trouble({ title, todo, detail }) {
  return [el("h4", {}, title), el("p", {}, todo), detail && el("p", {}, `The server says: ${detail}`)];
}
