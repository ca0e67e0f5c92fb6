/** Sees from outside what the two sides of a pair have done since the last look. */

import type { Pair } from "../../src/protocol/testing/pair.ts";

export class PairWitness {
  readonly #pair: Pair;
  readonly #tell: (words: string) => void;
  readonly #outcomes = new Set<string>();
  readonly #chunks = new Map<number, number>();
  readonly #ends = new Map<string, string>();
  #entries = 0;
  #shown = 0;
  #violations = 0;
  #refused = 0;
  #confirmed = 0;

  constructor(pair: Pair, tell: (words: string) => void) {
    this.#pair = pair;
    this.#tell = tell;
  }

  look(): void {
    this.#lookAtStore();
    const { shown, violations, refused, confirmed } = this.#pair;
    const names = this.#pair.shownNames;
    for (; this.#shown < shown.length; this.#shown += 1) {
      const name = String(names[this.#shown]);
      this.#tell(name.startsWith("gap ") ? `client reports a ${name}` : `client shows ${name}`);
    }
    for (; this.#violations < violations.length; this.#violations += 1)
      this.#tell(`client closes: ${violations[this.#violations]}`);
    for (; this.#refused < refused.length; this.#refused += 1)
      this.#tell(`server closes: ${refused[this.#refused]}`);
    if (confirmed > this.#confirmed) this.#tell(`server knows that all up to ${confirmed} was shown`);
    this.#confirmed = confirmed;
    for (const [name, end] of Object.entries(this.#pair.outcomes)) {
      if (end !== "pending" && this.#ends.get(name) !== end) this.#tell(`client settles ${name}: ${end}`);
      this.#ends.set(name, end);
    }
  }

  #lookAtStore(): void {
    const { outcomes, uploads, log } = this.#pair.store;
    for (const [sequence, { status }] of outcomes) {
      const name = `${sequence} ${status}`;
      if (!this.#outcomes.has(name)) this.#tell(`store records the outcome of ${sequence}: ${status}`);
      this.#outcomes.add(name);
    }
    for (const [sequence, chunks] of uploads) {
      if (chunks.length > (this.#chunks.get(sequence) ?? 0))
        this.#tell(`store has ${chunks.length} chunks of ${sequence}`);
      this.#chunks.set(sequence, chunks.length);
    }
    const head = this.#pair.store.head;
    for (const { offset, payload } of log) {
      if (offset > this.#entries) this.#tell(`store has ${payload.slice(0, 40)} as entry ${offset}`);
    }
    this.#entries = head;
  }
}
