// Chromium, and pages in it that are watched.

import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { mkdir } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { chromium } from "playwright-core";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
/** Milliseconds after which something that should appear counts as missing. */
const PATIENCE = 20_000;

export function launch() {
  const found = process.env.PATH.split(delimiter).map((folder) => join(folder, "chromium")).find(existsSync);
  const executablePath = process.env.CHROMIUM ?? found;
  if (executablePath === undefined) throw new Error("no chromium on the PATH: install it, or set CHROMIUM");
  // Its sandbox refuses to run as root, as in a container; what is opened are this repository's own pages.
  return chromium.launch({ executablePath, args: process.getuid() === 0 ? ["--no-sandbox"] : [] });
}

/**
 * Opens a server's page, has `use` work with it, and checks that nothing went wrong underneath: no request to any other
 * place, no violation of the page's policy, no error but those of `expected` statuses.
 */
export async function withPage({ browser, checks }, address, use, { expected = [], ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, acceptDownloads: true, ...options });
  context.setDefaultTimeout(PATIENCE);
  const [strange, errors] = [[], []];
  context.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(`${address}/`) && !/^(data|blob):/.test(url)) strange.push(url);
  });
  const page = await context.newPage();
  page.on("console", (message) => {
    const known = expected.some((part) => message.text().includes(part));
    if (["error", "warning"].includes(message.type()) && !known) errors.push(message.text());
  });
  page.on("pageerror", (error) => errors.push(error.stack));
  page.on("dialog", (dialog) => {
    errors.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  await page.addInitScript(() => {
    window.violations = [];
    document.addEventListener("securitypolicyviolation", (event) => window.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
  });
  try {
    await page.goto(`${address}/`);
    await use(page);
    checks.equal("violations of the policy", await page.evaluate(() => window.violations), []);
    checks.equal("requests to other places", strange, []);
    checks.equal("errors of the console", errors, []);
  } finally {
    await context.close();
  }
}

/** Choose files as a person does by the button. */
export const choose = (page, files) =>
  page.setInputFiles("#files", files.map(({ name, mimeType, buffer }) => ({ name, mimeType, buffer })));

/** Files in a DataTransfer of the page, for drops and pastes. */
export const transfer = (page, files, texts = {}) =>
  page.evaluateHandle(([list, words]) => {
    const data = new DataTransfer();
    for (const [name, type, base64] of list) {
      data.items.add(new File([Uint8Array.from(atob(base64), (one) => one.charCodeAt(0))], name, { type }));
    }
    for (const [type, text] of Object.entries(words)) data.setData(type, text);
    return data;
  }, [files.map(({ name, bytes }) => [name, name.endsWith(".jpg") ? "image/jpeg" : "image/png", bytes.toString("base64")]), texts]);

/** Until all images have their answer. */
export async function settled(page, count) {
  await page.waitForFunction((expected) => {
    const lines = [...document.querySelectorAll("#list .line")];
    return document.querySelectorAll("#list li").length === expected && lines.length > 0 && lines.every((line) => !line.classList.contains("pending"));
  }, count);
}

/** Until the heat map is drawn with its picture; its canvas. */
export async function drawn(page) {
  const canvas = page.locator("canvas.map[data-ready=true]").first();
  await canvas.waitFor();
  await frames(page);
  return canvas;
}

/** Two frames later all is drawn. */
export const frames = (page) => page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(null)))));

/** A number as the page writes it. */
export const signed = (value, digits = 2) => {
  const text = Math.abs(value).toFixed(digits);
  return Number(text) === 0 ? text : `${value < 0 ? "−" : "+"}${text}`;
};

/** Show the second detector beside the first. */
export const beside = (page) => page.locator("#second").selectOption({ index: 1 });

/** What axe has to say against what is shown now. */
export async function accessibility(page) {
  await page.evaluate(AXE);
  const { violations, passes } = await page.evaluate((tags) => window.axe.run(document, { runOnly: { type: "tag", values: tags } }), RULES);
  if (passes.length < 10) throw new Error(`axe applied ${passes.length} rules only`);
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.target.join(" ")} ${node.any[0]?.message ?? ""}`).join("; ")}`);
}

export async function screenshot(page, folder, name, fullPage = true) {
  if (folder === null) return;
  await mkdir(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage });
}
