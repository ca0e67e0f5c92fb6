/**
 * A row of the table "what happens" (README): one body, run against stock Socket.IO, which shows the fault,
 * and against Holdfast, which does not. The body observes; what each kind of server must show is said beside
 * it.
 */

import { test, type TestContext } from "vitest";
import { judge, type Verdict } from "../harness/ledger.ts";
import type { TestClient } from "../harness/client.ts";
import type { Kind, ServerChild } from "../harness/server.ts";

/** Declares one test per kind, named "G2 half-open link: stock loses". */
export function row<Observation>(name: string, options: Row<Observation>): void {
  const { body, outcomes, timeoutMs = 30_000, concurrent = false, skipReason } = options;
  for (const [kind, outcome] of Object.entries(outcomes) as [Kind, Outcome<Observation>][]) {
    test(`${name}: ${kind} ${outcome.verb}`, { timeout: timeoutMs, concurrent }, async (context) => {
      context.skip(skipReason !== undefined, skipReason);
      outcome.check(await body(context, kind));
    });
  }
}

/**
 * The verdict over what a client received from a room of which entries `1` … `count` were published. On stock
 * Socket.IO, which does nothing later, a round trip ends the wait; on Holdfast all entries must come first,
 * and the round trip after them would show a surplus.
 */
export async function received(
  server: ServerChild,
  client: TestClient,
  room: string,
  count: number,
): Promise<Verdict<number>> {
  if (server.kind === "Holdfast") await client.receives(room, count);
  await client.roundTrip();
  return judge(range(1, count), client.received(room));
}

/** The numbers from `first` to `last`, both included. */
export function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_none, index) => first + index);
}

// --- types ---

export type Row<Observation> = {
  /** Throws or times out when the scene cannot be set; judges nothing. */
  readonly body: (context: TestContext, kind: Kind) => Promise<Observation>;
  readonly outcomes: Readonly<Partial<Record<Kind, Outcome<Observation>>>>;
  readonly timeoutMs?: number;
  /** Runs beside the other concurrent tests of its file; for bodies that mostly wait for time to pass. */
  readonly concurrent?: boolean;
  /** Why the row cannot run here; printed with the skipped test. */
  readonly skipReason?: string | undefined;
};

export type Outcome<Observation> = {
  /** What this kind of server does, as the end of the test's name. */
  readonly verb: string;
  readonly check: (observation: Observation) => void;
};
