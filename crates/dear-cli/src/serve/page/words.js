// What a record says, in plain words that it can answer for: a detector's reading at its threshold, never a fact about the
// picture.

/** `+1.84`, `−0.50`: with a true minus, as it is printed. */
export function signed(value, digits = 2) {
  const text = Math.abs(value).toFixed(digits);
  if (Number(text) === 0) return text;
  return `${value < 0 ? "−" : "+"}${text}`;
}

/** Decimals, `least` or more, with which no score looks like a bound that it is not. Twenty are beyond any logit of a network. */
export function decimals(scores, bounds, least = 2) {
  let digits = least;
  const alike = (score, bound) => score !== bound && signed(score, digits) === signed(bound, digits);
  while (digits < 20 && scores.some((score) => bounds.some((bound) => alike(score, bound)))) digits += 1;
  return digits;
}

/** Writes the logits of a record: all with as many decimals as its verdicts need to be understood. */
export function logits({ logit, threshold, uncertain, stability: found }) {
  const copies = (found?.copies ?? []).map((copy) => copy.logit).filter((one) => one !== null);
  const digits = decimals([logit, ...copies], [threshold, ...(uncertain ?? [])]);
  return (value) => signed(value, digits);
}

/** A share as a percentage; certainty is never shown. */
export function percent(share) {
  if (share > 0.999) return "above 99.9 %";
  if (share < 0.001) return "below 0.1 %";
  return `${(100 * share).toFixed(1)} %`;
}

export function bytes(count) {
  if (count < 1000) return `${count} bytes`;
  if (count < 1e6) return `${(count / 1e3).toFixed(1)} kB`;
  return `${(count / 1e6).toFixed(1)} MB`;
}

/** The heading for each verdict. */
export const VERDICTS = {
  generated: "Signs of generation",
  real: "No signs of generation found",
  uncertain: "Undecided",
};

const MEANINGS = {
  generated:
    "This is one detector's reading, not a proof. Detectors also accuse real photographs, most of all edited, enlarged or " +
    "often saved ones.",
  real:
    "This does not show that the picture is real. Detectors miss many generated images, most of all from generators that " +
    "they were not trained on.",
  uncertain: "The score speaks for neither side. Treat it as no result.",
};

export function heading(record) {
  if (record.status === "refused") return refusal(record.error).title;
  return VERDICTS[record.verdict] + (isUnstable(record) ? ", but not stable" : "");
}

/** Whether a copy gets another verdict. */
export const isUnstable = (record) => record.stability?.standing === "unstable";

export const meaning = (record) => MEANINGS[record.verdict];

/** Where the score lies. */
export function reading(record) {
  const { name } = record.detector;
  const written = logits(record);
  const score = `Detector ${name} gives this image a score of ${written(record.logit)}.`;
  const threshold = written(record.threshold);
  if (record.uncertain === null) {
    const sides = { generated: "above", real: "below", uncertain: "exactly at" };
    return `${score} That is ${sides[record.verdict]} its threshold of ${threshold}.`;
  }
  const sides = { generated: "above", real: "below", uncertain: "within" };
  const [low, high] = record.uncertain.map(written);
  return `${score} That is ${sides[record.verdict]} the band from ${low} to ${high} in which it does not decide (threshold ${threshold}).`;
}

/** Whether nobody set the threshold on images; the library's word for that begins so. */
export const isDefaultThreshold = (origin) => origin.startsWith("default");

export function thresholdOrigin(origin) {
  const said = `Threshold: ${origin}.`;
  if (!isDefaultThreshold(origin)) return said;
  return `${said} It was not set on images, so it promises nothing about false alarms.`;
}

export function probability(record) {
  if (record.probability === null) return "No probability: this detector is not calibrated.";
  return (
    `Calibrated probability that it was generated: ${percent(record.probability)}, for a mix of half generated images. ` +
    "Where generated images are rarer than that, it is lower."
  );
}

/** In what the image lies outside of the detector's range, one fact each. */
export const outside = (record) => (record.outside ?? []).map(sentence);

/** What else should be known of a scored image. The record's warning ends with what `outside` says. */
export function warnings(record) {
  const said = (record.outside ?? []).map((fact) => `outside of the detector's range: ${fact}`);
  const other = (record.warning ?? "").slice(0, -said.join("; ").length || undefined);
  const facts = other.split("; ").filter((fact) => fact !== "").map(sentence);
  const { orientation, oriented } = record.treatment ?? {};
  if (orientation > 1 && oriented === false) {
    facts.push(
      `The file asks to be shown turned (EXIF orientation ${orientation}). The detector saw it as it is stored; here it is shown turned.`,
    );
  }
  return facts;
}

/** What the map's mean, which is the score, is compared with: not always 0, where its colours change. */
export function comparison(record) {
  const written = logits(record);
  const threshold = written(record.threshold);
  const band = record.uncertain === null ? "" : `, undecided from ${record.uncertain.map(written).join(" to ")}`;
  const not = record.threshold === 0 ? "" : ", not with 0";
  const colour = record.threshold > 0 ? "red throughout can lie below" : "blue throughout can lie above";
  return (
    `The colours are around logit 0. The mean of the map is compared with the threshold ${threshold}${not}${band}.` +
    (record.threshold === 0 ? "" : ` So a map that is ${colour} the threshold.`)
  );
}

const copies = (count) => `${count} ${count === 1 ? "copy" : "copies"}`;

/** What became of the copies, or null where they were not scored. */
export function stability(record) {
  const found = record.stability;
  if (found === null || found === undefined) return null;
  const scored = found.copies.filter((copy) => copy.logit !== null).length;
  const missing = found.copies.length - scored;
  const gap = missing === 0 ? "" : `, ${copies(missing)} could not be scored`;
  const written = logits(record);
  const spread = `Scores go from ${written(found.spread[0])} to ${written(found.spread[1])}.`;
  const over = missing === 0 ? `Stable: all ${copies(scored)} get` : `Stable over the ${copies(scored)} that could be scored:`;
  return {
    stable: `${over} the same verdict${gap}. ${spread}`,
    unstable:
      `Unstable: ${found.turned} of ${copies(scored)} ${found.turned === 1 ? "gets" : "get"} another verdict${gap}. ${spread} What happens to a picture on its ` +
      "way is enough to change what the detector says, so do not rely on it.",
    could_not_check: "Could not check: no copy could be scored.",
  }[found.standing];
}

const REFUSALS = {
  empty: ["The file is empty", "It has no bytes. Copy or download it again."],
  not_an_image: [
    "This file is not an image",
    "Its bytes are those of no known picture format; the ending of its name does not count. Check that it is the right file. " +
      "What was saved from a web page may be the page instead of the picture.",
  ],
  unsupported: [
    "This kind of image cannot be read",
    "Look for the same picture as JPEG, PNG or WebP. If you convert it yourself, say so in your note: converting changes traces.",
  ],
  truncated: ["The file ends too early", "A part of it is missing. Download or copy it again."],
  too_large: ["The picture is too large", "It has more pixels than this server reads. Ask whoever runs it, or use \"dear scan\"."],
  corrupt: ["The file is damaged", "Its bytes contradict each other. Download or copy it again."],
  unreadable: ["The file cannot be read", "Copy it again, then choose it once more."],
  size: [
    "The picture has the wrong size for this detector",
    "Look for a larger version. Do not enlarge it yourself: that changes what the detector looks at.",
  ],
  engine: ["The detector could not work on this picture", "Another picture may do; whoever runs this server finds the reason below."],
  memory: ["The picture needs more memory than this server gives", "Ask whoever runs it, or use \"dear scan\"."],
  non_finite: ["The detector gave no usable number", "Another detector may; the report names file and detector for whoever looks into it."],
};

/** Why a file was not scored: title, what to do, and the service's own words. */
export function refusal(error) {
  const [title, todo] = REFUSALS[error.kind] ?? ["The file was not scored", "The service says why:"];
  return { title, todo, detail: sentence([error.message, error.hint].filter(Boolean).join("; ")) };
}

const FAILURES = {
  unreachable: ["The server cannot be reached", "Check that \"dear serve\" is still running, then try again. Your list stays here."],
  lost: [
    "The connection broke while the file was sent",
    "The file may be larger than the server takes, or it was changed or moved since you chose it. Choose it again.",
  ],
  unauthorized: ["The server asks for an API key", "Type the key at the top of the page; the image is then sent again."],
  forbidden: ["The server does not serve this page", "Open the page by the address that \"dear serve\" prints."],
  not_found: ["The detector is no longer there", "The server was started anew with other detectors. Reload the page."],
  timeout: ["The file took too long to arrive", "The connection to the server is slow or broke. Try again."],
  busy: ["The server stays busy", "It was asked many times. Try again later."],
  bad_request: ["The server did not understand the request", "Reload the page and try again."],
  strange: ["The answer cannot be read", "Something other than dear answers at this address. Reload the page."],
};

/** Why there is no answer, likewise; `withCopies` says what was asked for. */
export function failure(found, file, withCopies) {
  if (found.kind === "too_large") {
    const limit = found.limit === null ? "" : `; this server takes at most ${bytes(found.limit)}`;
    const todo =
      `It has ${bytes(file.size)}${limit}. Whoever runs it can raise --max-upload. Do not shrink the picture: that changes ` +
      "what the detector looks at.";
    return { title: "The file is too large", todo, detail: null };
  }
  if (found.kind === "too_long") {
    // The service's hint is for programs.
    const todo = withCopies
      ? "Stored copies take several times as long as the image alone. Score it without them, or ask whoever runs the server to raise --score-timeout."
      : "Whoever runs the server can raise --score-timeout. Do not shrink the picture: that changes what the detector looks at.";
    return { title: "It takes too long to score", todo, detail: sentence(found.message) };
  }
  const [title, todo] = FAILURES[found.kind] ?? ["The server could not score it", "Try again; if it stays so, look at the server's messages."];
  const detail = found.status === null ? null : sentence([found.message, found.hint].filter(Boolean).join("; "));
  return { title, todo, detail };
}

/** Why there are no scores of stored copies. `asked` is what became of the request for them, where there was one beside the image's own. */
export function copiesMissing(asked, file) {
  if (asked === undefined) return "Stored copies of this image were not scored.";
  if (asked.state === "cancelled") return "Copies were not scored: stopped.";
  if (asked.state !== "failed") return "Stored copies of this image are not scored yet.";
  if (asked.failure.kind === "too_long") {
    return "Copies were not scored: it takes too long, several times as long as the image alone. Whoever runs the server can raise --score-timeout.";
  }
  const { title, todo } = failure(asked.failure, file, true);
  return `Copies were not scored: ${title[0].toLowerCase()}${title.slice(1)}. ${todo}`;
}

export const PASTED =
  "This was pasted. A pasted picture is usually a fresh copy: the original file's traces, metadata and hash are gone. Drop the " +
  "original file if you have it.";

/** A line of the library as a sentence. */
export function sentence(text) {
  if (text === "") return text;
  const first = text[0].toUpperCase() + text.slice(1);
  return /[.!?]$/.test(first) ? first : `${first}.`;
}
