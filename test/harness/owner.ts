/**
 * Who owns what a test starts: vitest's test context, or anything else that says when it is over. Children,
 * relays, clients and namespaces take their owner first, so that nothing can be started without an end.
 */

/** The part of vitest's test context (`test("…", async (context) => …)`) that ownership needs. */
export type Owner = {
  onTestFinished(end: () => void | Promise<void>): void;
  onTestFailed(show: () => void | Promise<void>): void;
};

/**
 * An owner outside of a test, such as a benchmark, or one that a `beforeAll` shares among tests.
 * Call `end` when it is over; what it owns ends in the reverse order of its start.
 */
export class Scope implements Owner {
  readonly #ends: (() => void | Promise<void>)[] = [];
  readonly #shows: (() => void | Promise<void>)[] = [];

  onTestFinished(end: () => void | Promise<void>): void {
    this.#ends.push(end);
  }

  onTestFailed(show: () => void | Promise<void>): void {
    this.#shows.push(show);
  }

  /** Prints what was to be seen in case of a failure. */
  async show(): Promise<void> {
    for (const show of this.#shows) await show();
  }

  /** Ends everything, also when one end fails; then the first error is thrown. */
  async end(): Promise<void> {
    const errors: unknown[] = [];
    for (let end = this.#ends.pop(); end !== undefined; end = this.#ends.pop()) {
      try {
        await end();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }
}
