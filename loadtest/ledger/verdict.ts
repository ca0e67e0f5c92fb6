/**
 * What was published and emitted, held against what applications saw. Pure, and outside of the code under
 * test: it trusts acknowledgements, and what was shown, and nobody's counters.
 */

import { publisherOf, quietMs } from "../contract.ts";
import { type Arrival, type Book, type ClientStory, type Entry, entryKey, type Run } from "./book.ts";
import { Histogram, type Percentiles } from "./histogram.ts";

/**
 * Judges both directions, for all clients whose report is complete. Of another nobody knows what it has seen,
 * and the run is invalid anyway.
 */
export function verdictOf(book: Book, options: JudgeOptions): Verdict {
  const { lateAfterMs, judgesByEntries = false, killsUnknown = false } = options;
  const examples = new Examples();
  const clients = book.clients().filter(({ isComplete }) => isComplete);
  const shown = new Set<string>();
  for (const { arrivals } of clients) for (const { key } of arrivals) shown.add(key);
  const rooms = Map.groupBy(book.entries.values(), ({ room }) => room);
  const down = new Direction(lateAfterMs);
  const up = new Direction(lateAfterMs);
  for (const client of clients) {
    judgeArrivals(book, rooms, client, down, examples);
    if (judgesByEntries) judgeEventsByEntries(book, client, shown, up, examples);
    else judgeEvents(book, client, up, examples, killsUnknown);
  }
  // What those published whose report is incomplete is not known.
  if (judgesByEntries && clients.length < book.clients().length) down.madeUp = 0;
  return {
    toClients: down.result(),
    toServers: up.result(),
    gapsReported: sum(clients, ({ moments }) => moments.filter(({ kind }) => kind === "gap").length),
    examples: examples.texts,
  };
}

/** True when nothing was lost, duplicated, reordered, late or wrong, in either direction. */
export function holds({ toClients, toServers }: Verdict): boolean {
  return [toClients, toServers].every((found) => faultNames.every((name) => found[name] === 0));
}

/**
 * Owed is what was acknowledged to its publisher between the moment at which the client had been told that it
 * is a member, and its end. It has to have been shown, once, in the order of its publisher, and in that of
 * the receipts where there are some.
 */
function judgeArrivals(
  book: Book,
  rooms: ReadonlyMap<string, readonly Entry[]>,
  story: ClientStory,
  direction: Direction,
  examples: Examples,
): void {
  const who = `client ${story.client}`;
  const seen = new Set<string>();
  const order = new Order();
  for (const arrival of story.arrivals) {
    const entry = book.entries.get(arrival.key);
    if (entry === undefined || entry.room !== arrival.room) {
      direction.madeUp += 1;
      examples.add("made up", `${who}: ${arrival.key} in ${arrival.room}`);
    } else if (seen.has(arrival.key)) {
      direction.duplicated += 1;
      examples.add("duplicated", `${who}: ${arrival.key} again at ${arrival.at}`);
    } else {
      seen.add(arrival.key);
      if (!order.takes(arrival, entry)) {
        direction.reordered += 1;
        examples.add("reordered", `${who}: ${arrival.key} at ${arrival.at} comes behind a later one`);
      }
      if (direction.arrived(arrival.at - entry.intendedAt))
        examples.add("late", `${who}: ${arrival.key} after ${Math.round(arrival.at - entry.intendedAt)} ms`);
    }
  }
  const since = story.arrivedAt ?? Number.POSITIVE_INFINITY;
  const until = (story.end?.at ?? 0) - quietMs;
  for (const room of story.rooms) {
    for (const entry of rooms.get(room) ?? []) {
      const { acknowledgedAt = Number.POSITIVE_INFINITY, calledAt } = entry;
      if (acknowledgedAt > until || calledAt < since) continue;
      direction.owed += 1;
      if (seen.has(entry.key)) continue;
      if (isReported(story, entry)) direction.reported += 1;
      else if (mayStillCome(book, story) && order.isAhead(entry)) {
        direction.undelivered += 1;
        examples.add("undelivered", `${who}: ${entry.key} of ${room}, and nothing behind it`);
      } else {
        direction.lost += 1;
        direction.lostAt.push(entry.calledAt);
        examples.add("lost", `${who}: ${entry.key} of ${room}, published at ${Math.round(entry.calledAt)}`);
      }
    }
  }
}

/**
 * Whether what is missing at the end of all that a client was shown was perhaps only late. Who was away might
 * have been shown it, and so might everybody where what was acknowledged is stored.
 */
function mayStillCome(book: Book, { end }: ClientStory): boolean {
  return end?.connected === false || book.isDurable;
}

/** The client was told that it would not be shown this entry. */
function isReported({ moments }: ClientStory, { place }: Entry): boolean {
  if (place === undefined) return false;
  return moments.some(
    (moment) =>
      moment.kind === "gap" &&
      moment.stream === place.stream &&
      // Without an end before its beginning: not known how much.
      (moment.from > moment.to || (moment.from <= place.offset && place.offset <= moment.to)),
  );
}

/** Every emitted event has to have been handled, once, in order, and answered rightly. */
function judgeEvents(
  book: Book,
  story: ClientStory,
  direction: Direction,
  examples: Examples,
  killsUnknown: boolean,
): void {
  const who = `client ${story.client}`;
  const runs = Map.groupBy(book.runsOf(story.client), ({ id }) => id);
  const answers = Map.groupBy(story.answers, ({ id }) => id);
  let furthest = 0;
  for (const id of runs.keys()) {
    if (id < furthest) {
      direction.reordered += 1;
      examples.add("reordered", `${who}: event ${id} is handled behind ${furthest}`);
    }
    furthest = Math.max(furthest, id);
  }
  for (const { id, intendedAt } of story.emits) {
    direction.owed += 1;
    const [first, ...again] = runs.get(id) ?? [];
    if (first === undefined && mayStillCome(book, story) && id > furthest) {
      direction.undelivered += 1;
      examples.add("undelivered", `${who}: event ${id} was not handled yet, and none behind it`);
    } else if (first === undefined) {
      direction.lost += 1;
      direction.lostAt.push(intendedAt);
      examples.add("lost", `${who}: event ${id}, emitted at ${intendedAt}, was never handled`);
    } else {
      for (const [index, run] of again.entries()) {
        const before = index === 0 ? first : again[index - 1];
        if (isAllowedAgain(book, before, run, killsUnknown)) direction.reruns += 1;
        else {
          direction.duplicated += 1;
          examples.add("duplicated", `${who}: event ${id} is handled at ${first.server} and ${run.server}`);
        }
      }
    }
    const [answer, ...more] = answers.get(id) ?? [];
    direction.duplicated += more.length;
    // Who waited for it may have gone with its page.
    if (first !== undefined && (answer === undefined || answer.how === -1)) {
      direction.unanswered += 1;
      examples.add("unanswered", `${who}: event ${id} was handled at ${first.server}, its reply is missing`);
    }
    if (answer?.how === 0) {
      direction.wrong += 1;
      examples.add("wrong", `${who}: the reply to event ${id} is another's`);
    }
    if (answer?.how === 1 && direction.arrived(answer.at - intendedAt))
      examples.add("late", `${who}: the reply to ${id} after ${Math.round(answer.at - intendedAt)} ms`);
  }
}

/**
 * Where servers report nothing, the entry that an event publishes shows that it was handled, and an entry
 * that is shown twice that it was handled twice, which `judgeArrivals` finds. One that neither was answered
 * nor shown to anybody is lost; a refusal is an answer.
 */
function judgeEventsByEntries(
  book: Book,
  story: ClientStory,
  shown: ReadonlySet<string>,
  direction: Direction,
  examples: Examples,
): void {
  const who = `client ${story.client}`;
  const answers = Map.groupBy(story.answers, ({ id }) => id);
  const says = new Set(story.says.map(({ id }) => id));
  const furthest = Math.max(0, ...story.answers.map(({ id }) => id));
  for (const { id, intendedAt } of story.emits) {
    direction.owed += 1;
    const [answer, ...more] = answers.get(id) ?? [];
    direction.duplicated += more.length;
    const wasShown = says.has(id) && shown.has(entryKey(publisherOf(story.client), id));
    if (answer === undefined && !wasShown && mayStillCome(book, story) && id > furthest) {
      direction.undelivered += 1;
      examples.add("undelivered", `${who}: event ${id} has no reply yet, and none behind it`);
    } else if ((answer === undefined || answer.how === 2) && !wasShown) {
      direction.lost += 1;
      direction.lostAt.push(intendedAt);
      examples.add("lost", `${who}: event ${id}, emitted at ${intendedAt}, has no reply, and nobody saw it`);
    } else if (answer === undefined) {
      direction.unanswered += 1;
      examples.add("unanswered", `${who}: event ${id} was shown to others, its reply is missing`);
    }
    if (answer?.how === 1 && direction.arrived(answer.at - intendedAt))
      examples.add("late", `${who}: the reply to ${id} after ${Math.round(answer.at - intendedAt)} ms`);
  }
}

/**
 * A process that was killed between an effect and its record leaves an event that must run again, under the
 * key that it had: what is promised is that the key is the same, by which effects are told apart.
 */
function isAllowedAgain(book: Book, before: Run | undefined, again: Run, killsUnknown: boolean): boolean {
  if (before === undefined || before.key !== again.key) return false;
  // Somebody else may have killed it. Its name is that of one process.
  if (killsUnknown) return before.server !== again.server;
  return book.happenings.some(
    ({ killed = [], at }) => killed.includes(before.server) && at >= before.at - clockSlackMs,
  );
}

/** What of one room or publisher may come next. */
class Order {
  readonly #publishers = new Map<string, number>();
  readonly #streams = new Map<string, number>();

  /** False when a later one has been shown before it. */
  takes({ publisher, sequence }: Arrival, { place, room }: Entry): boolean {
    const key = `${publisher}/${room}`;
    const last = this.#publishers.get(key) ?? 0;
    this.#publishers.set(key, Math.max(last, sequence));
    if (place === undefined) return sequence > last;
    const stream = `${place.stream} ${place.epoch}`;
    const before = this.#streams.get(stream) ?? 0;
    this.#streams.set(stream, Math.max(before, place.offset));
    return sequence > last && place.offset > before;
  }

  /** Whether nothing behind this entry has been shown. */
  isAhead({ publisher, sequence, place, room }: Entry): boolean {
    if (place === undefined) return sequence > (this.#publishers.get(`${publisher}/${room}`) ?? 0);
    return place.offset > (this.#streams.get(`${place.stream} ${place.epoch}`) ?? 0);
  }
}

class Direction {
  owed = 0;
  lost = 0;
  undelivered = 0;
  duplicated = 0;
  reordered = 0;
  unanswered = 0;
  wrong = 0;
  madeUp = 0;
  reported = 0;
  reruns = 0;
  readonly lostAt: number[] = [];
  #late = 0;
  readonly #latencies = new Histogram();
  readonly #lateAfterMs: number;

  constructor(lateAfterMs: number) {
    this.#lateAfterMs = lateAfterMs;
  }

  /** True when that was late. */
  arrived(latencyMs: number): boolean {
    this.#latencies.record(latencyMs);
    const isLate = latencyMs > this.#lateAfterMs;
    if (isLate) this.#late += 1;
    return isLate;
  }

  result(): DirectionVerdict {
    const { owed, lost, undelivered, duplicated, reordered, unanswered, wrong, madeUp } = this;
    const counts = { owed, lost, undelivered, duplicated, reordered, unanswered, wrong, madeUp };
    const { reported, reruns } = this;
    return {
      ...counts,
      reported,
      reruns,
      late: this.#late,
      lostAt: this.lostAt,
      latencyMs: this.#latencies.summary(),
    };
  }
}

/** A few of each kind of fault, for the person who has to find out. */
class Examples {
  readonly texts: string[] = [];
  readonly #counts = new Map<string, number>();

  add(fault: string, text: string): void {
    const count = (this.#counts.get(fault) ?? 0) + 1;
    this.#counts.set(fault, count);
    if (count <= examplesOfEach) this.texts.push(`${fault}: ${text}`);
  }
}

function sum<T>(list: readonly T[], of: (one: T) => number): number {
  return list.reduce((total, one) => total + of(one), 0);
}

const examplesOfEach = 8;
/** The conductor writes down a kill as soon as it has sent it. */
const clockSlackMs = 50;

export const faultNames = [
  "lost",
  "duplicated",
  "reordered",
  "late",
  "undelivered",
  "unanswered",
  "wrong",
  "madeUp",
] as const;

// --- types ---

export type JudgeOptions = {
  readonly lateAfterMs: number;
  /** No server tells what it handled; clients publish themselves. */
  readonly judgesByEntries?: boolean;
  /** Servers may have been killed, and nobody would have told the ledger. */
  readonly killsUnknown?: boolean;
};

export type DirectionVerdict = {
  /** How many deliveries, or events, the verdict is about. */
  readonly owed: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly reordered: number;
  readonly late: number;
  /** Not shown, or not handled, and nothing behind it either: when the run ended it might still have come. */
  readonly undelivered: number;
  /** Handled, and the client had no reply, or an error. */
  readonly unanswered: number;
  readonly wrong: number;
  /** Shown, and nobody published it. */
  readonly madeUp: number;
  /** Not shown, as the client was told. */
  readonly reported: number;
  /** Handled again under the same key, because a process was killed before it had recorded the outcome. */
  readonly reruns: number;
  /** When each of the lost ones was published, or due. */
  readonly lostAt: readonly number[];
  readonly latencyMs: Percentiles;
};

export type Verdict = {
  readonly toClients: DirectionVerdict;
  readonly toServers: DirectionVerdict;
  readonly gapsReported: number;
  readonly examples: readonly string[];
};
