// Runs every case in a browser context of its own, and counts what was checked.

import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { launch } from "./browser.mjs";
import { Checks } from "./checks.mjs";
import * as files from "./cases/files.mjs";
import * as look from "./cases/look.mjs";
import * as map from "./cases/map.mjs";
import * as report from "./cases/report.mjs";
import * as states from "./cases/states.mjs";
import * as two from "./cases/two.mjs";
import * as words from "./cases/words.mjs";

/** Checks of a whole run: fewer mean that something was skipped. */
const EXPECTED = 411;

const { values, positionals } = parseArgs({
  options: { screenshots: { type: "string" }, only: { type: "string" }, from: { type: "string", default: "." } },
  allowPositionals: true,
});
const checks = new Checks();
const browser = await launch();
const screenshots = values.screenshots === undefined ? null : resolve(values.from, values.screenshots);
const cases = Object.entries({ ...files, ...map, ...report, ...states, ...two, ...words, ...look });
try {
  for (const [name, run] of cases) {
    if (values.only !== undefined && name !== values.only) continue;
    await checks.case(name, () => run({ dear: positionals[0], browser, checks, screenshots }));
  }
} finally {
  await browser.close();
}
process.exitCode = checks.end(values.only === undefined ? EXPECTED : 1);
