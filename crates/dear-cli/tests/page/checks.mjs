// Counts what was checked, and remembers what was wrong.

export class Checks {
  #passed = 0;
  #failed = [];
  #case = "";

  /** One group of checks; what it throws is a failure of the group. */
  async case(name, run) {
    const [before, start] = [this.#passed, performance.now()];
    this.#case = name;
    try {
      await run();
    } catch (error) {
      this.#fail(error.stack);
    }
    console.log(`${name}: ${this.#passed - before} checks, ${((performance.now() - start) / 1000).toFixed(1)} s`);
  }

  ok(what, holds) {
    if (holds) this.#passed += 1;
    else this.#fail(what);
  }

  equal(what, found, expected) {
    const texts = [found, expected].map((value) => JSON.stringify(value));
    this.ok(`${what}: found ${texts[0]}, expected ${texts[1]}`, texts[0] === texts[1]);
  }

  contains(what, text, part) {
    this.ok(`${what}: found ${JSON.stringify(text)}, expected ${JSON.stringify(part)} in it`, text.includes(part));
  }

  /** Prints the sum; the exit code. */
  end(expected) {
    console.log(`${this.#passed} checks passed, ${this.#failed.length} failed`);
    if (this.#passed + this.#failed.length < expected) {
      console.error(`${this.#passed + this.#failed.length} checks ran, expected at least ${expected}`);
      return 1;
    }
    return this.#failed.length === 0 ? 0 : 1;
  }

  #fail(what) {
    this.#failed.push(what);
    console.error(`FAILED ${this.#case}: ${what}`);
  }
}
