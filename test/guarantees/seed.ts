/**
 * Chance that can be repeated: the seed is printed when the test fails, and taken from `HOLDFAST_SEED` if
 * set.
 */

import { randomInt } from "node:crypto";
import type { Owner } from "../harness/owner.ts";

export class Chance {
  readonly seed: number;
  #state: number;

  constructor(owner: Owner) {
    this.seed = Number(process.env["HOLDFAST_SEED"] ?? randomInt(2 ** 31));
    this.#state = this.seed;
    owner.onTestFailed(() => console.error(`--- to repeat the choices: HOLDFAST_SEED=${this.seed}`));
  }

  /** From 0 up to but not including 1 (mulberry32). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from `least` to `most`, both included. */
  between(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1));
  }

  pick<T>(choices: readonly [T, ...T[]]): T {
    return choices[this.between(0, choices.length - 1)] ?? choices[0];
  }
}
