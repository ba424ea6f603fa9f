// Detectors for tests: `mini` with other documents.

import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { withServer } from "./server.mjs";

const MINI = new URL("../../../../models/mini.onnx", import.meta.url);

const CALIBRATION = {
  map: { method: "temperature", temperature: 2 }, losses: [], loss_before: 0.7, loss_after: 0.6, false_alarms: null, misses: null,
  subsets: [], data: "a test", data_sha256: "00", real: 20, fake: 20, by_scene: false, refused: 0, conditions: ["clean"], seed: 0, engine: "none",
};

/** Runs `use` with `mini` and a detector of other numbers, so that the same pictures lie within its band and outside of its range. */
export function withTwo(test, use) {
  return withDetectors(test, {
    mini: {},
    careful: {
      threshold: { value: 0.5, origin: "at most 5 % of real images of a test accused", uncertain: [-20, 20] },
      calibration: CALIBRATION,
      valid_input: { min_side: 48, sides: [512, 2048], formats: ["png"], trained_on: "nothing: a test" },
      card: "a detector for tests that never decides",
    },
  }, use);
}

/** Runs `use` with detectors that are `mini` but for some entries of their documents, by name. */
export async function withDetectors({ dear }, changes, use) {
  const folder = await mkdtemp(join(tmpdir(), "dear-page-"));
  const paths = [];
  try {
    for (const [name, change] of Object.entries(changes)) {
      paths.push(join(folder, `${name}.onnx`));
      await writeFile(paths.at(-1), detector((document) => Object.assign(document, { name }, change)));
    }
    await withServer(dear, paths.flatMap((path) => ["--detector", path]), use);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** The detector `mini` with another document, which is an entry of the ONNX file's outermost message. */
function detector(edit) {
  const model = readFileSync(MINI);
  const key = Buffer.from("\n\x04dear\x12", "latin1");
  const at = model.indexOf(key);
  const [length, start] = varint(model, at + key.length);
  const document = JSON.parse(model.subarray(start, start + length));
  edit(document);
  const text = Buffer.from(JSON.stringify(document));
  const value = Buffer.concat([key, written(text.length), text]);
  // Before the key stand the entry's tag (one byte) and its length (as many bytes as that of the old entry).
  const entry = at - written(start + length - at).length - 1;
  return Buffer.concat([model.subarray(0, entry + 1), written(value.length), value, model.subarray(start + length)]);
}

function varint(bytes, at) {
  let value = 0;
  for (let shift = 0; ; shift += 7, at += 1) {
    value += (bytes[at] & 0x7f) * 2 ** shift;
    if (bytes[at] < 0x80) return [value, at + 1];
  }
}

function written(value) {
  const bytes = [];
  for (; value >= 0x80; value >>>= 7) bytes.push((value & 0x7f) | 0x80);
  return Buffer.from([...bytes, value]);
}
