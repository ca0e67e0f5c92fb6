/**
 * What is left of a run when parts of it are taken away: each fault, each emit of a page and each publish of
 * a node is the n-th of a row of its own and can be left out, and the plan's numbers can be made smaller.
 * What stays draws as before, since everything draws from a generator of its own name.
 *
 * As text: `pages=2,endMs=9000,crash:2,c0:3-5.9,n00:` is two pages, an earlier end, of all crashes the second
 * alone, of the emits of `c0` four, and none of what `n00` publishes. Rows that are not named are whole.
 */

import type { Plan } from "./plan.ts";

/** First and last, both included. */
type Range = readonly [first: number, last: number];

export class Less {
  /** By names of the plan; `delivery.` before those of its options. */
  readonly settings = new Map<string, number>();
  /** What is kept of a row; a row that is not here is whole. */
  readonly kept = new Map<string, readonly number[]>();
  /** How far each row has come in this run, and what of it has happened. */
  readonly taken = new Map<string, number[]>();
  readonly #counts = new Map<string, number>();

  /** @throws {TypeError} for a text that is none. */
  static parse(text: string): Less {
    const less = new Less();
    for (const part of text === "" ? [] : text.split(",")) {
      const [, name = "", sign = "", value = ""] = /^([\w.]+)([=:])([\d.-]*)$/.exec(part) ?? [];
      if (sign === "=" && value !== "") less.settings.set(name, Number(value));
      else if (sign === ":") less.kept.set(name, numbersOf(value));
      else throw new TypeError(`--less does not know ${part}`);
    }
    return less;
  }

  /** The same with something more taken away. */
  with(name: string, value: number | readonly number[]): Less {
    const less = new Less();
    for (const [key, kept] of this.kept) less.kept.set(key, kept);
    for (const [key, setting] of this.settings) less.settings.set(key, setting);
    if (typeof value === "number") less.settings.set(name, value);
    else less.kept.set(name, value);
    return less;
  }

  /** The next of a row has its turn: its number, and whether it is to happen. */
  next(row: string): { readonly turn: number; readonly happens: boolean } {
    const turn = (this.#counts.get(row) ?? 0) + 1;
    this.#counts.set(row, turn);
    const happens = this.kept.get(row)?.includes(turn) ?? true;
    if (!happens) return { turn, happens };
    const taken = this.taken.get(row);
    if (taken === undefined) this.taken.set(row, [turn]);
    else taken.push(turn);
    return { turn, happens };
  }

  /**
   * The plan with its numbers replaced; `rooms` is their number, and yes or no is 1 or 0.
   *
   * @throws {TypeError} for what no plan has.
   */
  reduce(plan: Plan): Plan {
    const reduced: Record<string, unknown> = { ...plan };
    const delivery: Record<string, unknown> = { ...plan.delivery };
    for (const [name, value] of this.settings) {
      const [, option] = name.split("delivery.");
      const target = option === undefined ? reduced : delivery;
      const key = option ?? name;
      const was = target[key];
      if (key === "rooms") target[key] = plan.rooms.slice(0, value);
      else if (typeof was === "boolean") target[key] = value !== 0;
      else if (typeof was === "number") target[key] = value;
      else if (key !== "endMs") throw new TypeError(`--less: no plan has ${name}`);
    }
    return { ...reduced, delivery } as unknown as Plan;
  }

  text(): string {
    const settings = [...this.settings].map(([name, value]) => `${name}=${value}`);
    const rows = [...this.kept].map(([row, turns]) => `${row}:${rangesOf(turns)}`);
    return [...settings, ...rows].join(",");
  }
}

function numbersOf(text: string): number[] {
  return (text === "" ? [] : text.split(".")).flatMap((range) => {
    const [first = 0, last = first] = range.split("-").map(Number);
    return Array.from({ length: Math.min(turnsMax, last - first + 1) }, (_, index) => first + index);
  });
}

function rangesOf(turns: readonly number[]): string {
  const ranges: Range[] = [];
  for (const turn of turns) {
    const before = ranges.at(-1);
    if (before !== undefined && before[1] + 1 === turn) ranges[ranges.length - 1] = [before[0], turn];
    else ranges.push([turn, turn]);
  }
  return ranges.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(".");
}

const turnsMax = 100_000;
