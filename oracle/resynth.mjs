// The oracle of models/resynth-x2.onnx and resynth-x4.onnx: TensorFlow.js itself on the original networks.
//
//     cd oracle && npm install
//     node resynth.mjs x4 ../crates/dear/tests/fixtures/resynth.json
//     node resynth.mjs x2 ../crates/dear/tests/fixtures/resynth_x2.json
//
// The input is a small patch with a gradient, an edge, a disc and noise, made by an integer generator,
// so the fixture can be made again anywhere.

import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import * as tf from "@tensorflow/tfjs";

const PACKAGES = { x2: "@upscalerjs/esrgan-slim", x4: "@upscalerjs/esrgan-medium" };
const [WHICH, FIXTURE] = process.argv.slice(2);
const PACKAGE = PACKAGES[WHICH];
if (!PACKAGE || !FIXTURE) throw new Error("usage: node resynth.mjs x2|x4 FIXTURE");
const SEED = 20260924;
const WIDTH = 24;
const HEIGHT = 20;

/** Numerical Recipes' 32-bit linear congruential generator; the high bits are the good ones. */
function generator(seed) {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 16) % below;
  };
}

function patch() {
  const draw = generator(SEED);
  const rows = [];
  for (let y = 0; y < HEIGHT; y++) {
    const row = [];
    for (let x = 0; x < WIDTH; x++) {
      const edge = 2 * x + y > 40 ? 70 : 0;
      const disc = (x - 7) ** 2 + (y - 12) ** 2 <= 20 ? -60 : 0;
      const base = [70 + 4 * x + edge + disc, 90 + 5 * y + disc, 150 - 3 * x + 2 * y - edge];
      row.push(base.map((value) => Math.min(255, Math.max(0, value + draw(17) - 8))));
    }
    rows.push(row);
  }
  return rows;
}

/** A layers model from the files of the package, without a web server. */
function fromPackage(folder) {
  const model = JSON.parse(readFileSync(join(folder, "model.json")));
  const specs = model.weightsManifest.flatMap((group) => group.weights);
  const files = model.weightsManifest.flatMap((group) => group.paths);
  const data = Buffer.concat(files.map((file) => readFileSync(join(folder, file))));
  const weightData = data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength);
  return tf.io.fromMemory({ modelTopology: model.modelTopology, weightSpecs: specs, weightData });
}

const require = createRequire(import.meta.url);
const packageFolder = join(dirname(require.resolve(PACKAGE)), "../../../../..");
const manifest = JSON.parse(readFileSync(join(packageFolder, "package.json")));
if (manifest.name !== PACKAGE) throw new Error(`not the package: ${packageFolder}`);

await tf.setBackend("cpu");
const model = await tf.loadLayersModel(fromPackage(join(packageFolder, `models/${WHICH}`)));
const input = patch();
const output = tf.tidy(() => {
  const image = tf.tensor4d([input]).div(255);
  return model.predict(image).clipByValue(0, 1).squeeze([0]).arraySync();
});
const fixture = {
  versions: { "@tensorflow/tfjs": tf.version.tfjs, [PACKAGE]: manifest.version },
  backend: tf.getBackend(),
  scale: Number(WHICH.slice(1)),
  seed: SEED,
  input,
  output: output.map((row) => row.map((pixel) => pixel.map((value) => Number(value.toFixed(6))))),
};
writeFileSync(FIXTURE, JSON.stringify(fixture) + "\n");
