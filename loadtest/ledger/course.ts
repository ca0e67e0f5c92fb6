/** How a run went over time: deliveries and connections each second, and how long each client was away. */

import type { Book, ClientStory } from "./book.ts";
import { isTurn } from "./book.ts";
import { Histogram, type Percentiles } from "./histogram.ts";

export function courseOf(book: Book): Course {
  const clients = book.clients();
  const startedAt = book.start?.startedAt ?? 0;
  const seconds = 1 + Math.ceil((lastMoment(clients) - startedAt) / 1_000);
  const counts = () => Array.from({ length: Math.max(1, seconds) }, () => 0);
  const [deliveries, published, connected] = [counts(), counts(), counts()];
  const count = (row: number[], at: number) => {
    const place = Math.floor((at - startedAt) / 1_000);
    if (place >= 0 && place < row.length) row[place] = (row[place] ?? 0) + 1;
  };
  const worst = counts();
  for (const { arrivals, moments } of clients) {
    for (const { at, key } of arrivals) {
      count(deliveries, at);
      const place = Math.floor((at - startedAt) / 1_000);
      const latencyMs = at - (book.entries.get(key)?.intendedAt ?? at);
      if (place >= 0 && place < worst.length) worst[place] = Math.max(worst[place] ?? 0, latencyMs);
    }
    addConnected(connected, moments.filter(isTurn), startedAt);
  }
  for (const { calledAt } of book.entries.values()) count(published, calledAt);
  const absences = clients.flatMap(absencesOf);
  const lengths = new Histogram();
  for (const { forMs } of absences) lengths.record(forMs);
  return {
    deliveries,
    published,
    connected,
    worstLatencyMs: worst.map(Math.round),
    absences: absences.map(({ client, at, forMs }) => [
      client,
      Math.round(at - startedAt),
      Math.round(forMs),
    ]),
    absenceMs: lengths.summary(),
    reconnects: clients.map(({ moments }) => moments.filter(({ kind }) => kind === "disconnect").length),
    downgrades: clients.filter(({ moments }) => moments.some(({ kind }) => kind === "downgrade")).length,
    stillAway: clients.filter(({ end }) => end?.connected === false).length,
  };
}

/** The stretches in which a client's application had no connection, after its first one. */
function absencesOf({ client, moments }: ClientStory): readonly Absence[] {
  const absences: Absence[] = [];
  let since: number | undefined;
  for (const { kind, at } of moments) {
    if (kind === "disconnect") since ??= at;
    if (kind !== "connect" || since === undefined) continue;
    absences.push({ client, at: since, forMs: at - since });
    since = undefined;
  }
  return absences;
}

/** Counts the client in every second at whose end it was connected. */
function addConnected(
  row: number[],
  turns: readonly { readonly kind: string; readonly at: number }[],
  startedAt: number,
): void {
  let [next, isConnected] = [0, false];
  for (let second = 0; second < row.length; second += 1) {
    const until = startedAt + (second + 1) * 1_000;
    for (; (turns[next]?.at ?? Number.POSITIVE_INFINITY) < until; next += 1)
      isConnected = turns[next]?.kind === "connect";
    if (isConnected) row[second] = (row[second] ?? 0) + 1;
  }
}

function lastMoment(clients: readonly ClientStory[]): number {
  let last = 0;
  for (const { arrivals, moments, answers } of clients) {
    for (const list of [arrivals, moments, answers]) last = Math.max(last, list.at(-1)?.at ?? 0);
  }
  return last;
}

// --- types ---

type Absence = { readonly client: number; readonly at: number; readonly forMs: number };

export type Course = {
  /** One figure for each second of the run. */
  readonly deliveries: readonly number[];
  readonly published: readonly number[];
  readonly connected: readonly number[];
  readonly worstLatencyMs: readonly number[];
  /** Client, milliseconds after the start, length in milliseconds. */
  readonly absences: readonly (readonly [client: number, atMs: number, forMs: number])[];
  readonly absenceMs: Percentiles;
  /** How often each client lost its connection. */
  readonly reconnects: readonly number[];
  /** Clients that found a server without Holdfast. */
  readonly downgrades: number;
  /** Clients that were not connected at the end. */
  readonly stillAway: number;
};
