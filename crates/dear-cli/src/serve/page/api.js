// The service, as docs/serve.md describes it. Whatever goes wrong becomes a Failure.

/** The API key, in memory only. */
let key = null;

export function useKey(value) {
  key = value;
}

/** Why the service gave no answer. `kind` is the service's word, or `unreachable`, `lost`, `strange`. */
export class Failure extends Error {
  constructor(kind, message, more = {}) {
    super(message);
    this.kind = kind;
    Object.assign(this, { status: null, hint: null, limit: null, got: null, retryAfter: null }, more);
  }
}

export const health = () => json("/healthz");

export const models = async () => (await json("/v1/models")).models;

/**
 * Score the bytes of a file: `{record, map, map_missing}`.
 * The file is sent as it is; nothing of the page has touched its pixels.
 */
export function explain(file, name, { detector, stability, signal }) {
  const form = new FormData();
  form.append("image", file, name);
  const query = new URLSearchParams({ detector, stability, provenance: true });
  return json(`/v1/explain?${query}`, { method: "POST", body: form, signal });
}

async function json(path, options = {}) {
  const headers = { Accept: "application/json" };
  if (key !== null) headers.Authorization = `Bearer ${key}`;
  let response, text;
  try {
    response = await fetch(path, { ...options, headers, cache: "no-store", credentials: "omit" });
    text = await response.text();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw await broken(options.body !== undefined, error);
  }
  const body = parsed(text);
  if (response.ok && body !== null) return body;
  throw refused(response, body);
}

/** A connection that broke: the server is gone, or it did not take the upload. */
async function broken(sent, error) {
  const alive = sent && (await fetch("/healthz", { cache: "no-store" }).then((answer) => answer.ok, () => false));
  return new Failure(alive ? "lost" : "unreachable", error.message);
}

function refused(response, body) {
  const { kind, message, hint = null, limit = null, got = null } = body?.error ?? {};
  const after = Number(response.headers.get("Retry-After"));
  return new Failure(kind ?? (response.ok ? "strange" : `${response.status}`), message ?? `status ${response.status}`, {
    status: response.status, hint, limit, got, retryAfter: after > 0 ? after : null,
  });
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
