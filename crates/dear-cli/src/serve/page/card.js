// A detector's card and limits, as its file states them.

import { el, terms } from "./dom.js";
import { isDefaultThreshold, sentence, signed } from "./words.js";

const unsaid = "not stated in the detector's file";

/** Everything that is known of a detector. */
export function detectorFacts(model) {
  const sides = model.sides === null ? null : `shorter side from ${model.sides[0]} to ${model.sides[1]} pixels`;
  const formats = model.formats === null ? null : `formats ${model.formats.join(", ")}`;
  const range = [sides, formats].filter(Boolean).join("; ");
  const band = model.uncertain === null ? "none: it decides at the threshold" : model.uncertain.map((end) => signed(end)).join(" to ");
  const origin = isDefaultThreshold(model.threshold_origin) ? `${model.threshold_origin}; not set on images` : model.threshold_origin;
  return terms([
    ["Must be known", model.card === null || model.card === "" ? null : sentence(model.card)],
    ["Architecture", model.architecture || unsaid],
    ["Licence of the weights", model.licence || unsaid],
    ["Trained on", model.trained_on ?? unsaid],
    ["Calibrated on", range || `${unsaid}: no warning is given for unusual images`],
    ["Smallest image", `${model.min_side} pixels a side`],
    ["Sees", model.view === "native" ? "the whole image, not resized" : model.view],
    ["Threshold", `${signed(model.threshold)} – ${origin}`],
    ["Undecided band", band],
    ["Probability", model.calibrated ? "calibrated, for a mix of half generated images" : "none: not calibrated"],
    ["Heat map", model.has_map ? "yes" : "no: this kind of detector has none"],
    ["Engine", engineWords(model.engine)],
    ["SHA-256", el("code", {}, model.sha256)],
  ]);
}

export function engineWords(engine) {
  if (typeof engine === "string") return engine;
  const fallback = engine.fallback ? ` (an ONNX Runtime was passed over: ${engine.fallback})` : "";
  return `${engine.name} ${engine.version}, ${engine.provider} on ${engine.device}, ${engine.precision}, ${engine.threads} threads${fallback}`;
}

/** The card of a detector in use, always in sight. */
export function cardBanner(model) {
  if (model.card === null || model.card === "") return null;
  return el("p", { class: "banner" }, el("strong", {}, `Detector ${model.name}: `), sentence(model.card));
}
