/**
 * What has a key of the application's own is stored once (G5); what is volatile is never stored, and comes at
 * most once.
 */

import { storeRefusals } from "./error-code.ts";
import type { Report } from "./checkers.ts";
import type { Fact, History } from "./history.ts";

export function checkKeys(history: History, report: Report): void {
  const stored = new Map<string, Stored>();
  /** What the store has lost may still be told by an answer that was under way. */
  const lost = new Map<string, Stored[]>();
  const first = new Set<string>();
  for (const { at, fact } of history.lines) {
    if (fact.kind === "rewound") {
      for (const [key, entry] of stored) {
        if (entry.at <= fact.to) continue;
        stored.delete(key);
        first.delete(key);
        lost.set(key, [...(lost.get(key) ?? []), entry]);
      }
    }
    if (fact.kind === "appended" && /^k\d+x?$/.test(fact.id)) {
      const key = `order-${/\d+/.exec(fact.id)?.[0] ?? ""}`;
      const before = stored.get(key);
      if (before !== undefined) report("G5", `${key} was stored as ${before.id} and as ${fact.id}`);
      stored.set(key, { id: fact.id, place: `${fact.stream}:${fact.offset}`, at });
    }
    if (fact.kind === "ordered" && !isOfLost(fact, lost.get(fact.key) ?? []))
      checkOrdered(fact, stored.get(fact.key), first, report);
  }
}

type Stored = { readonly id: string; readonly place: string; readonly at: number };
type Ordered = Extract<Fact, { kind: "ordered" }>;

function isOfLost({ id, error, stream, offset }: Ordered, lost: readonly Stored[]): boolean {
  if (error === "key_conflict") return lost.some((entry) => entry.id !== id);
  return error === "" && lost.some((entry) => entry.id === id && entry.place === `${stream}:${offset}`);
}

function checkOrdered(
  { key, id, error, stream, offset, duplicate }: Ordered,
  stored: { readonly id: string; readonly place: string } | undefined,
  first: Set<string>,
  report: Report,
): void {
  const name = `${key} as ${id}`;
  switch (error) {
    case "":
      if (stored?.id !== id) report("G5", `${name} has a receipt, and stored is ${stored?.id ?? "nothing"}`);
      else if (stored.place !== `${stream}:${offset}`)
        report("G5", `the receipt of ${name} names ${stream}:${offset} instead of ${stored.place}`);
      if (!duplicate && first.has(key)) report("G5", `${name} was new twice`);
      if (!duplicate) first.add(key);
      return;
    case "key_conflict":
      if (stored === undefined || stored.id === id)
        report("G5", `${name} was refused, and conflicts with nothing`);
      return;
    default:
      if (!storeRefusals.has(error)) report("G5", `${name} ended with ${error}`);
  }
}

/** Volatile events, both ways. */
export function checkVolatile(history: History, report: Report): void {
  const sent = new Set<string>();
  const taken = new Set<string>();
  for (const { fact } of history.lines) {
    if (fact.kind === "flash") sent.add(fact.id);
    if (fact.kind === "appended" && sent.has(fact.id)) report("G2", `${fact.id} is volatile and was stored`);
    if (fact.kind !== "flashed") continue;
    const name = `${fact.at} ${fact.id}`;
    if (!sent.has(fact.id)) report("G2", `${name} was never sent`);
    if (taken.has(name)) report("G2", `${name} came twice`);
    taken.add(name);
  }
}
