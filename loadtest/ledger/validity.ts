/**
 * Why a run proves nothing, if it does not: the generator was the bottleneck, there was less load than
 * planned, clocks disagree, or clients were never put to the test.
 */

import type { Talk } from "../contract.ts";
import type { Book, ClientStory } from "./book.ts";
import { Histogram } from "./histogram.ts";

export function objectionsTo(book: Book, expectations: Expectations): readonly string[] {
  const clients = book.clients();
  return [
    ...attendance(clients, expectations),
    ...(expectations.listensOnly === true ? [] : generator(clients, expectations)),
    ...publishers(book, expectations),
    ...clocks(book),
    ...faults(clients, expectations),
    ...gaps(clients, expectations),
    ...(expectations.isTarget === true ? refusals(book, clients) : []),
  ];
}

/** How late clients emitted, against their own schedule. */
export function emissionLag(clients: readonly ClientStory[]): Histogram {
  const lag = new Histogram();
  for (const { emits } of clients)
    for (const { intendedAt, emittedAt } of emits) lag.record(emittedAt - intendedAt);
  return lag;
}

function attendance(stories: readonly ClientStory[], { clients }: Expectations): string[] {
  const missing = clients - stories.length;
  const torn = stories.filter(({ isComplete }) => !isComplete);
  const strangers = stories.filter(({ arrivedAt }) => arrivedAt === undefined);
  return [
    ...(missing > 0 ? [`${missing} of ${clients} clients reported nothing`] : []),
    ...(torn.length > 0 ? [`the reports of ${torn.length} clients are incomplete`] : []),
    ...(strangers.length > 0
      ? [`${strangers.length} clients never became members of their rooms${reasonsOf(strangers)}`]
      : []),
  ];
}

/** Events that an application turned away, and whether anything was published at all. */
function refusals(book: Book, stories: readonly ClientStory[]): string[] {
  const refused = stories.filter(
    ({ arrivedAt, answers }) => arrivedAt !== undefined && answers.some(isRefusal),
  );
  const count = refused.reduce((sum, { answers }) => sum + answers.filter(isRefusal).length, 0);
  const isPublished = [...book.entries.values()].some(({ acknowledgedAt }) => acknowledgedAt !== undefined);
  return [
    ...(count > 0
      ? [`the application refused ${count} ${count === 1 ? "event" : "events"}${reasonsOf(refused)}`]
      : []),
    ...(book.refusedPublishes > 0 ? [`${book.refusedPublishes} publishes failed: ${book.refusal}`] : []),
    ...(isPublished ? [] : ["nothing was published: no entry was acknowledged"]),
  ];
}

function isRefusal({ how }: { readonly how: number }): boolean {
  return how === -1;
}

function reasonsOf(stories: readonly ClientStory[]): string {
  const told = complaintsOf(stories);
  return told === "" ? "" : `: ${told}`;
}

/** What these clients were told most often, for the one who has to find out. */
export function complaintsOf(stories: readonly ClientStory[]): string {
  const counts = new Map<string, number>();
  for (const { moments } of stories)
    for (const moment of moments)
      if ((moment.kind === "refused" || moment.kind === "error") && moment.text !== undefined)
        counts.set(moment.text, (counts.get(moment.text) ?? 0) + 1);
  const most = [...counts].sort(([, one], [, other]) => other - one).slice(0, 3);
  return most.map(([text, count]) => `${text} (${count})`).join("; ");
}

function generator(clients: readonly ClientStory[], { lagMsMax = usualLagMsMax }: Expectations): string[] {
  const lag = emissionLag(clients);
  if (lag.count === 0) return ["no client emitted anything"];
  const p99 = lag.at(0.99);
  return p99 > lagMsMax
    ? [`the generator was the bottleneck: p99 of its lag behind the schedule is ${Math.round(p99)} ms`]
    : [];
}

/** Counted by server, so that one that published too much does not make up for another. */
function publishers(book: Book, { talks, lagMsMax = usualLagMsMax }: Expectations): string[] {
  const counts = new Map<string, number>();
  const lag = new Histogram();
  for (const { publisher, calledAt, intendedAt } of book.entries.values()) {
    counts.set(publisher, (counts.get(publisher) ?? 0) + 1);
    if (talks.some((talk) => talk.publisher === publisher)) lag.record(calledAt - intendedAt);
  }
  const planned = new Map<string, number>();
  for (const { publisher, rate, from, until } of talks)
    planned.set(publisher, (planned.get(publisher) ?? 0) + (rate * (until - from)) / 1_000);
  const short = [...planned].flatMap(([publisher, plan]) => {
    const count = counts.get(publisher) ?? 0;
    return count < plan * publishedShareMin - 1
      ? [`${publisher} published ${count} entries, ${Math.round(plan)} were planned`]
      : [];
  });
  const p99 = lag.at(0.99);
  const late = p99 > lagMsMax;
  return late
    ? [...short, `the servers published late: p99 of their lag behind the schedule is ${Math.round(p99)} ms`]
    : short;
}

function clocks({ start }: Book): string[] {
  if (start === undefined) return ["the clients never started"];
  const { skewMs, roundTripMs } = start;
  return Math.abs(skewMs) > skewMsMax + roundTripMs / 2
    ? [`the clocks of ledger and clients differ by ${Math.round(skewMs)} ms`]
    : [];
}

function faults(stories: readonly ClientStory[], { testedShareMin }: Expectations): string[] {
  const tested = stories.filter(({ moments }) => moments.some(({ kind }) => kind === "disconnect")).length;
  return tested < Math.floor(stories.length * testedShareMin)
    ? [`only ${tested} of ${stories.length} clients lost their connection: the others were never tested`]
    : [];
}

function gaps(stories: readonly ClientStory[], { gapsExpected = false }: Expectations): string[] {
  const told = stories.some(({ moments }) => moments.some(({ kind }) => kind === "gap"));
  return gapsExpected && !told
    ? ["no gap was reported: nobody was away for longer than entries are kept"]
    : [];
}

/** A schedule that is kept to within this is not the bottleneck of what is measured in seconds. */
const usualLagMsMax = 250;
const publishedShareMin = 0.98;
const skewMsMax = 20;

// --- types ---

export type Expectations = {
  readonly clients: number;
  readonly talks: readonly Talk[];
  /** The share of all clients that has to have lost its connection. */
  readonly testedShareMin: number;
  /** Somebody has to be told of a gap. */
  readonly gapsExpected?: boolean;
  /** How late clients may emit, and publishers publish, at the 99th percentile. */
  readonly lagMsMax?: number;
  /** A deployment that is not ours: it may refuse what clients do. */
  readonly isTarget?: boolean;
  /** Clients emit nothing. */
  readonly listensOnly?: boolean;
};
