// Requests in turn: at most three at once, so that a folder of images does not drown the server.

import { Failure } from "./api.js";

/** Requests in flight. */
const AT_ONCE = 3;
/** How often a busy server is asked again; with the longest wait below, for some ten minutes. */
const TRIES = 20;
/** Seconds: where a busy server names no time, and what is waited at most. */
const WAIT = { unknown: 2, most: 30 };

export class Queue {
  #waiting = [];
  #running = new Map();

  /**
   * `ask(signal)` answers or throws a Failure. `heard(state, value)` is told `sending`; `busy` with the seconds of the wait;
   * and once at last `done` with the answer, `failed` with the Failure, or `cancelled`.
   */
  add(owner, ask, heard) {
    this.#waiting.push({ owner, ask, heard });
    // Later: nobody hears of a task before all that are added together are there.
    queueMicrotask(() => this.#next());
  }

  /** Drop what waits, and break off what runs; of one owner, or of all. */
  cancel(owner = null) {
    const concerned = (task) => owner === null || task.owner === owner;
    const dropped = this.#waiting.filter(concerned);
    this.#waiting = this.#waiting.filter((task) => !concerned(task));
    for (const task of dropped) task.heard("cancelled");
    for (const [task, controller] of this.#running) if (concerned(task)) controller.abort();
  }

  /** Whether nothing waits and nothing runs. */
  get idle() {
    return this.#waiting.length === 0 && this.#running.size === 0;
  }

  #next() {
    while (this.#running.size < AT_ONCE && this.#waiting.length > 0) this.#run(this.#waiting.shift());
  }

  async #run(task) {
    const controller = new AbortController();
    this.#running.set(task, controller);
    task.heard("sending");
    const [state, value] = await outcome(task, controller.signal);
    this.#running.delete(task);
    this.#next();
    task.heard(state, value);
  }
}

async function outcome({ ask, heard }, signal) {
  for (let left = TRIES; ; left -= 1) {
    try {
      return ["done", await ask(signal)];
    } catch (error) {
      if (signal.aborted) return ["cancelled"];
      if (!(error instanceof Failure)) throw error;
      if (error.status !== 503 || left === 0) return ["failed", error];
      const seconds = Math.min(error.retryAfter ?? WAIT.unknown, WAIT.most);
      heard("busy", seconds);
      if (!(await waited(seconds, signal))) return ["cancelled"];
      heard("sending");
    }
  }
}

/** Whether the time passed without a stop. */
function waited(seconds, signal) {
  return new Promise((resolve) => {
    const stopped = () => {
      clearTimeout(timer);
      resolve(false);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stopped);
      resolve(true);
    }, 1000 * seconds);
    signal.addEventListener("abort", stopped, { once: true });
  });
}
