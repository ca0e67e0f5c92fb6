/** Virtual time: what is due runs in the order of its time, and of its arrival where the times are equal. */

import { assert } from "../errors.ts";

export class Schedule {
  #now = 0;
  #arrivals = 0;
  readonly #due: { readonly at: number; readonly arrival: number; readonly run: () => void }[] = [];

  get now(): number {
    return this.#now;
  }

  after(delayMs: number, run: () => void): void {
    this.#arrivals += 1;
    const entry = { at: this.#now + delayMs, arrival: this.#arrivals, run };
    const place = this.#due.findLastIndex(({ at }) => at <= entry.at);
    this.#due.splice(place + 1, 0, entry);
  }

  /** Time of the next thing that is due. */
  get next(): number | undefined {
    return this.#due[0]?.at;
  }

  /** Moves on to the next thing that is due and runs it. */
  step(): void {
    const entry = this.#due.shift();
    assert(entry !== undefined, "something is due");
    this.#now = entry.at;
    entry.run();
  }

  /** Moves time on without running anything. */
  advanceTo(at: number): void {
    assert(at >= this.#now && (this.next === undefined || at <= this.next), "nothing due is jumped over");
    this.#now = at;
  }
}
