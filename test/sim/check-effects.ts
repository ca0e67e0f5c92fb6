/** G5, and what a receipt says: what handlers and nodes publish is stored once, where it was meant to go. */

import { roomKey, namespaceKey } from "../../src/protocol/stream-key.ts";
import { storeRefusals } from "./error-code.ts";
import type { Report } from "./checkers.ts";
import type { Emitted } from "./check-outcomes.ts";
import type { Fact, History } from "./history.ts";
import { keptAppends } from "./rewound-store.ts";

export type EffectEvidence = {
  readonly history: History;
  readonly emitted: readonly Emitted[];
  readonly rooms: readonly string[];
  readonly handlerTimeoutMs: number;
};

type Appended = Extract<Fact, { kind: "appended" }>;

export function checkEffects(evidence: EffectEvidence, report: Report): void {
  const { history, emitted, rooms } = evidence;
  const appended = history.of("appended");
  checkReceipts(history, appended, report);
  const kept = keptAppends(history);
  checkOnce(evidence, kept, report);
  const stored = new Map<string, Appended[]>();
  for (const entry of appended) stored.set(entry.id, [...(stored.get(entry.id) ?? []), entry]);
  for (const { id, plan, settled } of emitted) {
    const [end] = settled;
    if (end?.error !== "") continue;
    const { session } = end;
    const isOfThis = ({ by }: Appended) => by === "" || by.startsWith(`${session} `);
    for (const [part, keys] of expectedParts(plan, rooms, session).entries()) {
      const found = (stored.get(`${id}#${part}`) ?? []).filter(isOfThis);
      const missing = keys.find((key) => !found.some((entry) => entry.key === key));
      if (missing !== undefined)
        report("G5", `${id} (${plan}) succeeded without ${id}#${part} in ${missing}`);
      if (found.some(({ key }) => !keys.includes(key))) report("G5", `${id}#${part} went astray`);
    }
    const part = (name: string) => kept.filter((entry) => entry.id === name && isOfThis(entry));
    checkOrder(part(`${id}#0`), part(`${id}#1`), report);
  }
}

/**
 * Nothing comes out of nowhere, and nothing is stored twice in a stream, however often the handler ran. But
 * what a page had not sent yet when it was copied is sent by each of its copies, in a session of its own.
 */
function checkOnce(
  { history, handlerTimeoutMs }: EffectEvidence,
  appended: readonly Appended[],
  report: Report,
) {
  const overdue = overdueRuns(history, handlerTimeoutMs);
  const ran = new Set(history.of("run").map(({ id }) => id));
  const places = new Map<string, number>();
  const orphaned = orphanedRuns(history);
  for (const { stream, id, by } of appended) {
    const [event = "", part] = id.split("#");
    if (part !== undefined && !ran.has(event)) report("G5", `${id} was stored, and ${event} never ran`);
    const name = `${stream} ${id} ${by}`;
    const count = (places.get(name) ?? 0) + 1;
    places.set(name, count);
    if (count > 1 && !overdue.has(event) && !orphaned.has(event))
      report("G5", `${name} was stored ${count} times`);
  }
}

/** Of one run's entries in one stream the first one stands first. */
function checkOrder(first: readonly Appended[], second: readonly Appended[], report: Report): void {
  for (const { stream, offset, id } of second) {
    const before = first.find((entry) => entry.stream === stream);
    if (before !== undefined && before.offset > offset) report("G2", `${id} stands in front of ${before.id}`);
  }
}

/** What a receipt names is there at that moment, and is what was published. */
function checkReceipts(history: History, appended: readonly Appended[], report: Report): void {
  const entries = new Set(
    appended.map((entry) => `${entry.stream}:${entry.epoch}:${entry.offset} ${entry.id}`),
  );
  for (const { id, stream, epoch, offset } of history.of("receipt")) {
    if (!entries.has(`${stream}:${epoch}:${offset} ${id}`))
      report("G2", `the receipt of ${id} names ${stream}:${offset}, which is something else`);
  }
  for (const { id, error } of history.of("unpublished")) {
    if (!storeRefusals.has(error)) report("G2", `${id} was not published: ${error}`);
  }
}

/** What a handler publishes after its time is up is on its own account, without the event's key. */
function overdueRuns(history: History, handlerTimeoutMs: number): Set<string> {
  const started = new Map<string, number>();
  const overdue = new Set<string>();
  for (const { at, fact } of history.lines) {
    if (fact.kind !== "run" && fact.kind !== "ran") continue;
    const name = `${fact.node} ${fact.session} ${fact.id}`;
    if (fact.kind === "run") started.set(name, at);
    else if (at - (started.get(name) ?? at) >= handlerTimeoutMs) overdue.add(fact.id);
  }
  return overdue;
}

/**
 * With a session its keys end, though a handler of it may still be running, or be about to: where a clock is
 * ahead, a session can expire while its client is there.
 */
function orphanedRuns(history: History): Set<string> {
  const running = new Map<string, string>();
  const orphaned = new Set<string>();
  const ended = new Set<string>();
  for (const { fact } of history.lines) {
    if (fact.kind === "run" && ended.has(fact.session)) orphaned.add(fact.id);
    if (fact.kind === "run") running.set(`${fact.node} ${fact.id}`, fact.session);
    if (fact.kind === "ran") running.delete(`${fact.node} ${fact.id}`);
    if (fact.kind !== "ended") continue;
    ended.add(fact.session);
    for (const [name, session] of running) {
      if (session === fact.session) orphaned.add(name.slice(name.indexOf(" ") + 1));
    }
  }
  return orphaned;
}

/** The streams that each part of a handler's work goes to, by their keys. */
function expectedParts(plan: string, rooms: readonly string[], session: string): string[][] {
  const [kind = "", room = ""] = plan.split(/[: ]/);
  const key = roomKey("/", room);
  switch (kind) {
    case "publish":
    case "mail":
    case "quietly":
    case "others":
      return [[key]];
    case "emit":
      return [[key], [key]];
    case "slow":
      return [[key], [namespaceKey("/")]];
    case "long":
      return [[namespaceKey("/")]];
    case "self":
      return [[roomKey("/", session)]];
    case "both":
    case "bothbut":
      return [rooms.map((name) => roomKey("/", name))];
    default:
      return [];
  }
}
