/** From the figures of several rounds to one line: medians, and the median of the ratios of each round. */

import type { Figure, Figures } from "./row.ts";

/** Compares round by round: neighbours in time have seen the same machine. */
export function compare(
  { name, durability }: { readonly name: string; readonly durability: string },
  ours: readonly Figures[],
  control: readonly Figures[],
): readonly Comparison[] {
  const [first = {}] = ours;
  return Object.entries(first).map(([what, { unit, better }]) => {
    const values = (rounds: typeof ours): number[] =>
      rounds.map((figures) => figures[what]?.value ?? Number.NaN);
    const [our, stock] = [values(ours), values(control)];
    const ratios = our.map((value, round) => value / (stock[round] ?? Number.NaN));
    return {
      name: `${name}: ${what}`,
      ours: rounded(median(our)),
      control: rounded(median(stock)),
      ratio: rounded(median(ratios)),
      unit,
      better,
      durability,
      rounds: ours.length,
      min: rounded(Math.min(...ratios)),
      max: rounded(Math.max(...ratios)),
      oursRange: rangeOf(our),
      controlRange: rangeOf(stock),
    };
  });
}

/** The middle one, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  const [lower, upper] = [sorted[sorted.length % 2 === 0 ? half - 1 : half], sorted[half]];
  return ((lower ?? Number.NaN) + (upper ?? Number.NaN)) / 2;
}

function rangeOf(values: readonly number[]): readonly [number, number] {
  return [rounded(Math.min(...values)), rounded(Math.max(...values))];
}

function rounded(value: number): number {
  return Number(value.toPrecision(4));
}

// --- types ---

export type Comparison = {
  readonly name: string;
  /** Medians of Holdfast and of its control, which is stock Socket.IO where the name says nothing else. */
  readonly ours: number;
  readonly control: number;
  /** Median of `ours / control` of each round; `min` and `max` are those of the rounds. */
  readonly ratio: number;
  readonly unit: string;
  readonly better: Figure["better"];
  /** Of Holdfast's receipts; stock gives none. */
  readonly durability: string;
  readonly rounds: number;
  readonly min: number;
  readonly max: number;
  /** Least and most of the rounds on either side. */
  readonly oursRange: readonly [number, number];
  readonly controlRange: readonly [number, number];
};
