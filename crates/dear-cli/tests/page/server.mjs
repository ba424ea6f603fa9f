// The real server on a free port, and its answers asked for without the page.

import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const STARTED = /listening on (http:\/\/127\.0\.0\.1:\d+)/;

/** `{address, stop()}` of `dear serve` with these arguments, on any free port where none is named. */
export async function serve(dear, given = [], port = "0") {
  const folder = await mkdtemp(join(tmpdir(), "dear-page-"));
  const options = ["serve", "--port", port, "--engine", "builtin", "--jobs", join(folder, "serve.sqlite"), ...given];
  const child = spawn(dear, options, { stdio: ["ignore", "ignore", "pipe"] });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const stop = async () => {
    child.kill("SIGTERM");
    await ended;
    await rm(folder, { recursive: true });
  };
  const address = await new Promise((resolve, reject) => {
    let said = "";
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`dear serve ended with ${code}: ${said}`)));
    child.stderr.setEncoding("utf8").on("data", (text) => {
      said += text;
      const found = STARTED.exec(said)?.[1];
      if (found !== undefined) resolve(found);
    });
  });
  return { address, stop };
}

/** Runs `use` beside a server, and ends it. */
export async function withServer(dear, given, use) {
  const server = await serve(dear, given);
  try {
    return await use(server);
  } finally {
    await server.stop();
  }
}

/** The answer of `/v1/explain` for a file, as any program gets it. */
export async function explain(address, { name, bytes }, detector = null) {
  const form = new FormData();
  form.append("image", new Blob([bytes]), name);
  const query = new URLSearchParams({ stability: true, provenance: true, ...(detector === null ? {} : { detector }) });
  const answer = await fetch(`${address}/v1/explain?${query}`, { method: "POST", body: form });
  return answer.json();
}

export const models = async (address) => (await (await fetch(`${address}/v1/models`)).json()).models;
