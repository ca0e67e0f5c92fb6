/**
 * Makes a failing run small: takes away faults, pages, nodes, events and time for as long as the same verdict
 * remains. What is left is told by its text (see `less.ts`), so that it can be run again.
 */

import type { Violation } from "./checkers.ts";
import type { Less } from "./less.ts";
import type { Plan } from "./plan.ts";

export type Trial = {
  readonly violations: readonly Violation[];
  /** What has happened in each row. */
  readonly taken: ReadonlyMap<string, readonly number[]>;
  readonly plan: Plan;
};

export type Shrinking = {
  readonly run: (less: Less) => Promise<Trial>;
  /** Whether there is no time left to try more. */
  readonly isOver: () => boolean;
  /** Told of every success. */
  readonly tell: (less: Less, runs: number) => void;
};

export type Shrunk = { readonly less: Less; readonly runs: number };

/**
 * Returns the smallest run that was found; the whole one when nothing can be taken away. `from` has to fail.
 *
 * @throws when it does not.
 */
export async function shrink(from: Less, shrinking: Shrinking): Promise<Shrunk> {
  const trial = await shrinking.run(from);
  const [first] = trial.violations;
  if (first === undefined) throw new Error("a run that holds cannot be shrunk");
  const shrinker = new Shrinker(shrinking, { less: from, trial, verdict: verdictOf(first) });
  let before: string | undefined;
  while (before !== shrinker.text && !shrinking.isOver()) {
    before = shrinker.text;
    await shrinker.earlierEnd();
    await shrinker.wholeRows();
    await shrinker.parts();
    await shrinker.quieter();
  }
  return { less: shrinker.less, runs: shrinker.runs };
}

/** What a violation is about, without the names and numbers that differ from run to run. */
export function verdictOf({ guarantee, what }: Violation): string {
  if (guarantee === "liveness") return guarantee;
  const words = what
    .replace(/\([^)]*\)/g, "")
    .split(/[\s,:]+/)
    .filter((word) => /^[a-z]+$/i.test(word));
  return [guarantee, ...words.slice(0, 8)].join(" ");
}

class Shrinker {
  readonly #shrinking: Shrinking;
  readonly #verdict: string;
  less: Less;
  runs = 1;
  #trial: Trial;

  constructor(shrinking: Shrinking, start: { less: Less; trial: Trial; verdict: string }) {
    this.#shrinking = shrinking;
    this.#verdict = start.verdict;
    this.less = start.less;
    this.#trial = start.trial;
  }

  get text(): string {
    return this.less.text();
  }

  /** Halves the time again and again, then parts of it. */
  async earlierEnd(): Promise<void> {
    let tooEarly = 0;
    for (let round = 0; round < endRounds; round++) {
      const end = this.less.settings.get("endMs") ?? this.#trial.plan.durationMs;
      const endMs = Math.round((tooEarly + end) / 2);
      if (endMs >= end || !(await this.#try(this.less.with("endMs", endMs)))) tooEarly = endMs;
    }
  }

  /** All of a kind at once: a fault, what a page emits, what a node publishes. */
  async wholeRows(): Promise<void> {
    const rows = [...this.#trial.taken.keys()];
    const faults = rows.filter((row) => /^[a-z]+[A-Za-z]*$/.test(row) && !places.includes(row));
    const without = faults.reduce((less, row) => less.with(row, []), this.less);
    if (faults.length > 1) await this.#try(without);
    for (const row of rows) {
      if (!places.includes(row) && this.#left(row).length > 0) await this.#try(this.less.with(row, []));
    }
    for (const row of places) {
      for (const turn of this.#left(row)) {
        const rest = this.#left(row).filter((other) => other !== turn);
        if (rest.length > 0) await this.#try(this.less.with(row, rest));
      }
    }
  }

  /** Of everything that is left: halves, quarters, and so on down to single ones. */
  async parts(): Promise<void> {
    let size = Math.ceil(this.#atoms().length / 2);
    while (size >= 1) {
      let at = 0;
      for (let atoms = this.#atoms(); at < atoms.length; atoms = this.#atoms()) {
        if (this.#shrinking.isOver()) return;
        if (!(await this.#try(this.#without(atoms.slice(at, at + size))))) at += size;
      }
      size = size === 1 ? 0 : Math.ceil(size / 2);
    }
  }

  /** Numbers of the plan that make a run easier to follow. */
  async quieter(): Promise<void> {
    for (const [name, value] of quietSettings) {
      const was = (this.#trial.plan as Record<string, unknown>)[name];
      const isSo = name === "rooms" ? this.#trial.plan.rooms.length === value : Number(was) === value;
      if (!isSo) await this.#try(this.less.with(name, value));
    }
  }

  #left(row: string): readonly number[] {
    return this.#trial.taken.get(row) ?? [];
  }

  #atoms(): (readonly [row: string, turn: number])[] {
    const rows = [...this.#trial.taken].filter(([row]) => !places.includes(row));
    return rows.flatMap(([row, turns]) => turns.map((turn) => [row, turn] as const));
  }

  #without(atoms: readonly (readonly [row: string, turn: number])[]): Less {
    let { less } = this;
    for (const row of new Set(atoms.map(([name]) => name))) {
      const out = new Set(atoms.flatMap(([name, turn]) => (name === row ? [turn] : [])));
      const rest = this.#left(row).filter((turn) => !out.has(turn));
      less = less.with(row, rest);
    }
    return less;
  }

  /** Keeps a candidate that fails for the same reason. */
  async #try(less: Less): Promise<boolean> {
    if (this.#shrinking.isOver()) return false;
    this.runs += 1;
    const trial = await this.#shrinking.run(less);
    if (!trial.violations.some((violation) => verdictOf(violation) === this.#verdict)) return false;
    this.less = less;
    this.#trial = trial;
    this.#shrinking.tell(less, this.runs);
    return true;
  }
}

/** Rows of which something has to stay. */
const places = ["page", "node"];

const quietSettings: readonly (readonly [name: string, value: number])[] = [
  ["rooms", 1],
  ["large", 0],
  ["aside", 0],
  ["deadlines", 0],
  ["trims", 0],
  ["announcementLost", 0],
  ["announcementLate", 0],
  ["announcementTwice", 0],
  ["skewMs", 0],
  ["storeLatencyMs", 1],
  ["latencyMs", 5],
  ["charactersPerMs", 100_000],
  ["bufferCharacters", 65_536],
];

const endRounds = 7;
