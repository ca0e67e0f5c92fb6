/** The one source of chance of a run: everything that could go one way or another asks here. */

export class Seeded {
  readonly #seed: number;
  #state: number;

  constructor(seed: number) {
    this.#seed = seed;
    this.#state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) >>> 0;
    for (let round = 0; round < 4; round++) this.next();
  }

  /** From 0 up to, and without, 1 (mulberry32). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number, both ends included. */
  whole(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1));
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** @throws for an empty list: there is nothing to choose from. */
  pick<T>(list: readonly T[]): T {
    const item = list[this.whole(0, list.length - 1)];
    if (item === undefined) throw new Error("nothing to pick from");
    return item;
  }

  /** Mostly small, sometimes up to `most`: times between things that happen by themselves. */
  waiting(mean: number, most: number): number {
    return Math.min(most, -Math.log(1 - this.next()) * mean);
  }

  /**
   * A generator of its own that depends on the seed and the name alone, not on what was drawn before: who
   * draws from one goes on as before when somebody else is left out.
   */
  named(name: string): Seeded {
    let hash = 0x811c9dc5 ^ this.#seed;
    for (let index = 0; index < name.length; index++) {
      hash = Math.imul(hash ^ name.charCodeAt(index), 0x01000193);
    }
    return new Seeded(hash ^ (hash >>> 15));
  }

  /** A generator of its own, so that one part's draws do not shift another's. */
  fork(): Seeded {
    return new Seeded(this.whole(0, 2 ** 31));
  }
}
