/** What a row is, and what rows of several files measure alike. */

import { setTimeout as pause } from "node:timers/promises";
import { until } from "../test/harness/until.ts";
import type { Latencies } from "./load-program.ts";
import type { Setup, Trial } from "./trial.ts";

export function figure(value: number, unit: string, better: Figure["better"]): Figure {
  return { value, unit, better };
}

/** From the client that asks for a publish to each of ten members, who may be at another process. */
export async function timedPublish(trial: Trial, size: Size): Promise<Figures> {
  await trial.load("timedPublishes", { members: 10, perSecond: 50 });
  await trial.joined(11);
  await trial.load("startTimed");
  await pause(size.warmUpMs + size.forMs);
  const some = async () => (await trial.load<Latencies>("latencies")).count > 0;
  await until(some, { deadlineMs: 10_000, what: "a publish to arrive" });
  const { p50Ms, p99Ms } = await trial.load<Latencies>("latencies");
  return { p50: figure(p50Ms, "ms", "lower"), p99: figure(p99Ms, "ms", "lower") };
}

// --- types ---

export type Size = { readonly warmUpMs: number; readonly forMs: number; readonly share: number };
export type Figure = {
  readonly value: number;
  readonly unit: string;
  readonly better: "higher" | "lower";
};
export type Figures = Readonly<Record<string, Figure>>;
export type Side = "ours" | "control";
export type Row = {
  readonly name: string;
  /** What is compared with what; one Holdfast on SQLite with one stock server where nothing is said. */
  readonly setups?: Readonly<Record<Side, Setup>>;
  readonly run: (trial: Trial, size: Size) => Promise<Figures>;
};
