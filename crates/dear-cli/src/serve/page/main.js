// The page: images come in, requests go out in turn, answers are shown.

import { isSettled, latest } from "./answer.js";
import { Failure, explain, health, models as askModels, useKey } from "./api.js";
import { cardBanner, detectorFacts } from "./card.js";
import { detailPanel } from "./detail.js";
import { announce, button, el } from "./dom.js";
import { intake } from "./intake.js";
import { listItem } from "./list.js";
import { Queue } from "./queue.js";
import * as report from "./report.js";
import { failure, isUnstable } from "./words.js";

const byId = (id) => document.getElementById(id);
const queue = new Queue();
const page = {
  server: { version: "unknown" },
  /** What the server has. */
  models: [],
  /** Those in use: one, or two side by side. */
  chosen: [],
  /** `{name, file, how, answers (by the detector's hash), item}`. */
  entries: [],
  /** Files that came before the server's answer: `[files, how]`. */
  early: [],
  selected: null,
  /** The panel of the selected one. */
  detail: null,
};

async function start() {
  byId("where").textContent = `this server (${location.host})`;
  intake(byId("files"), byId("drop"), take, notice);
  for (const [id, action] of [["cancel", () => queue.cancel()], ["retry", () => retry()]]) {
    byId(id).addEventListener("click", () => {
      byId("results-title").focus(); // the button goes
      action();
    });
  }
  byId("clear").addEventListener("click", clear);
  byId("save-json").addEventListener("click", () => report.saveJson(about()));
  byId("save-page").addEventListener("click", () => report.savePage(about()));
  byId("print").addEventListener("click", () => report.print(about()));
  byId("key").addEventListener("submit", (event) => {
    event.preventDefault();
    const key = byId("key-value").value.trim();
    if (!/^[\x21-\x7e]*$/.test(key)) return askKey("strange"); // no header carries it
    useKey(key);
    connect(true);
  });
  await connect();
}

/** Ask the server what it has, perhaps with a new key; and send again what it refused for want of one. */
async function connect(tried = false) {
  try {
    page.server = await health();
    byId("version").textContent = `dear ${page.server.version}. Works without the internet.`;
    page.models = await askModels();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    if (error.kind === "unauthorized") return askKey(tried ? "refused" : "wanted");
    const { title, todo } = failure(error, null, false);
    return notice(`${title}. ${todo}`, button("Try again", () => connect()));
  }
  if (!byId("key").hidden) byId("files").focus();
  byId("key").hidden = true;
  quiet();
  choose(page.chosen.length > 0 ? page.chosen.map(({ sha256 }) => sha256) : [page.models[0].sha256]);
  retry("unauthorized");
  for (const [files, how] of page.early.splice(0)) take(files, how);
}

/** Why a key is asked for. */
const KEY = {
  wanted: "This server asks for a key. Whoever runs it has it.",
  refused: "The server did not accept this key. Check it, or ask whoever runs the server.",
  strange:
    "The key has a blank or a character that no key has. Type it as it was given to you: a program for mail or text may have " +
    "changed a dash, for example.",
};

function askKey(why = "wanted") {
  const form = byId("key");
  if (!form.hidden && why === "wanted") return;
  byId("key-why").textContent = KEY[why];
  form.hidden = false;
  byId("key-value").value = "";
  byId("key-value").focus();
}

/** Use these detectors. */
function choose(hashes) {
  const known = hashes.map((hash) => page.models.find(({ sha256 }) => sha256 === hash) ?? page.models[0]);
  page.chosen = [...new Set(known)];
  byId("detectors").replaceChildren(...choices());
  byId("cards").replaceChildren(...page.chosen.map(cardBanner).filter(Boolean));
  byId("models").replaceChildren(...page.models.map((model) =>
    el("details", { open: page.models.length === 1 }, el("summary", {}, model.name), detectorFacts(model))));
  for (const entry of page.entries) {
    for (const model of page.chosen) if (!entry.answers.has(model.sha256)) ask(entry, model);
    entry.item.update(page.chosen);
  }
  if (page.selected !== null) show(page.selected);
  summarise();
}

/** Choices of the detector, where there are several. */
function choices() {
  if (page.models.length < 2) return [];
  const [first, second] = page.chosen.map(({ sha256 }) => sha256);
  const option = (value, text, chosen) => el("option", { value, selected: value === chosen }, text);
  const named = (chosen, without) => page.models
    .filter(({ sha256 }) => sha256 !== without)
    .map(({ sha256, name }) => option(sha256, `${name} (${sha256.slice(0, 8)})`, chosen));
  const chosen = (index) => (event) => {
    const hashes = [first, second];
    hashes[index] = event.target.value;
    choose(hashes.filter(Boolean));
    byId(event.target.id)?.focus();
  };
  return [
    el("label", { class: "group" }, "Detector", el("select", { id: "first", onchange: chosen(0) }, named(first, second))),
    el("label", { class: "group" }, "beside",
      el("select", { id: "second", onchange: chosen(1) }, option("", "no second one", second ?? ""), named(second, first))),
  ];
}

function take(files, how) {
  quiet();
  if (page.chosen.length === 0) {
    page.early.push([files, how]);
    return notice(byId("key").hidden ? "Waiting for the server…" : "Type the API key first; the images are scored then.");
  }
  const added = files.map((file) => {
    const entry = { name: nameOf(file, how), file, how, answers: new Map() };
    entry.item = listItem(entry, (one) => {
      show(one);
      byId("image").focus();
    });
    page.entries.push(entry);
    byId("list").append(entry.item.element);
    for (const model of page.chosen) ask(entry, model);
    entry.item.update(page.chosen);
    return entry;
  });
  announce(`${added.length} ${added.length === 1 ? "image" : "images"} added.`);
  if (page.selected === null) show(added[0]);
  summarise();
}

let pasted = 0;
/** Browsers call every pasted picture the same. */
function nameOf(file, how) {
  if (how !== "pasted" || file.name !== "image.png") return file.name;
  pasted += 1;
  return `pasted-${pasted}.png`;
}

/** Have one detector score one image. What it said without copies stays while they are asked for, and if they do not come. */
function ask(entry, model, withCopies = byId("stability").checked) {
  const { sha256 } = model;
  const before = entry.answers.get(sha256);
  const kept = before?.state === "done" && before.record.logit !== null ? { ...before, withCopies } : null;
  const hear = (found) => {
    const replaces = kept === null || (found.state === "done" && found.record.logit !== null);
    entry.answers.set(sha256, replaces ? { withCopies, ...found } : { ...kept, copies: withoutScore(found) });
  };
  hear({ state: "waiting" });
  const request = (signal) => explain(entry.file, entry.name, { detector: sha256, stability: withCopies, signal });
  queue.add(entry, request, (state, value) => {
    if (!page.entries.includes(entry)) return;
    hear(answerOf(state, value));
    if (state === "failed" && value.kind === "unauthorized") askKey();
    entry.item.update(page.chosen);
    if (page.selected === entry) page.detail.update(sha256);
    summarise();
  });
}

function answerOf(state, value) {
  const at = new Date().toISOString();
  if (state === "done") return { state, record: value.record, map: value.map, mapMissing: value.map_missing, at };
  if (state === "failed") return { state, failure: value, at };
  return state === "busy" ? { state, seconds: value } : { state };
}

/** A refused record in place of copies is a failure of theirs alone. */
function withoutScore(found) {
  if (found.state !== "done") return found;
  const { kind, message, hint = null } = found.record.error;
  return { state: "failed", failure: new Failure(kind, message, { status: 200, hint }), at: found.at };
}

/** Ask again for what failed, or what failed for one reason. */
function retry(kind = null) {
  for (const entry of page.entries) {
    for (const model of page.chosen) {
      const answer = entry.answers.get(model.sha256);
      const withCopies = remedy(answer);
      if (withCopies !== null && (kind === null || latest(answer).failure?.kind === kind)) again(entry, model, withCopies);
    }
  }
}

/** Whether to ask for copies when a request is made again; null where that makes no sense. */
function remedy(answer) {
  const { state, failure: found } = latest(answer);
  if (!["failed", "cancelled"].includes(state)) return null;
  if (found?.kind !== "too_long") return answer.withCopies;
  // It would take too long again with copies; and where only they are missing, there is nothing else to ask for.
  return answer.copies === undefined ? false : null;
}

function again(entry, model, withCopies) {
  ask(entry, model, withCopies);
  entry.item.update(page.chosen);
  if (page.selected === entry) {
    page.detail.update(model.sha256);
    if (!document.activeElement.isConnected || document.activeElement === document.body) byId("image").focus();
  }
  summarise();
}

function remove(entry) {
  const index = page.entries.indexOf(entry);
  page.entries.splice(index, 1);
  queue.cancel(entry);
  entry.item.element.remove();
  const next = page.entries[Math.min(index, page.entries.length - 1)] ?? null;
  if (page.selected === entry) show(next);
  if (next === null) byId("files").focus();
  else next.item.focus();
  summarise();
}

function clear() {
  queue.cancel();
  page.entries = [];
  byId("list").replaceChildren();
  show(null);
  byId("files").focus();
  summarise();
}

/** Show an image's panel beside the list. */
function show(entry) {
  page.selected = entry;
  for (const one of page.entries) one.item.mark(one === entry);
  page.detail = entry === null ? null : detailPanel(entry, page.chosen, { again, remove });
  byId("detail").replaceChildren(...(page.detail === null ? [] : [page.detail.element]));
}

/** Verdicts in the summary. */
const JUDGED = { generated: "with signs of generation", real: "without such signs", uncertain: "undecided" };

/** The counts, and which buttons make sense. */
function summarise() {
  const answers = page.entries.flatMap((entry) => page.chosen.map((model) => entry.answers.get(model.sha256)));
  const open = answers.filter((answer) => !isSettled(answer)).length;
  const count = (test) => answers.filter((answer) => answer.state === "done" && test(answer.record)).length;
  const judged = Object.entries(JUDGED).map(([verdict, words]) => {
    const unstable = count((record) => record.verdict === verdict && isUnstable(record));
    return [count((record) => record.verdict === verdict), unstable === 0 ? words : `${words} (${unstable} not stable)`];
  });
  const parts = [
    ...judged,
    [answers.filter(isSettled).length - count(({ verdict }) => verdict !== null), "not scored"],
  ].filter(([number]) => number > 0).map(([number, words]) => `${number} ${words}`);
  const images = page.entries.length === 1 ? "1 image" : `${page.entries.length} images`;
  const of = page.chosen.length > 1 ? `${images}, ${page.chosen.length} detectors` : images;
  const text = open > 0 ? `${answers.length - open} of ${answers.length} done.` : `${of}: ${parts.join(", ")}.`;
  if (byId("summary").textContent !== text) byId("summary").textContent = text;
  byId("results").hidden = byId("export").hidden = page.entries.length === 0;
  byId("cancel").hidden = open === 0;
  byId("retry").hidden = !answers.some((answer) => remedy(answer) !== null);
}

/** What a report is about. */
function about() {
  return {
    entries: page.entries,
    models: page.chosen,
    server: page.server,
    note: byId("note").value.trim(),
  };
}

function notice(text, ...more) {
  byId("notice").replaceChildren(text, ...more.flatMap((one) => [" ", one]));
  byId("notice").hidden = false;
}

function quiet() {
  byId("notice").hidden = true;
}

start();
