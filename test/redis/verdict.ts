/**
 * What the nodes wrote down, held against what the clients saw. Pure, and outside of the code under test: it
 * trusts the receipts that publishers got and what applications were shown, and nobody's counters.
 */

import { judge } from "../harness/ledger.ts";
import { Book } from "./book.ts";
import type { LedgerLine, Moment, TravellerReport } from "./contract.ts";

/**
 * The verdict over a run at whose end every member has been shown the last entry of its rooms.
 *
 * What a member was shown of a room falls into stretches, between which the client reported a reset. Within a
 * stretch nothing may be missing, surplus or out of order; between two, only what was reported. So entries
 * that the storage has lost count as `lost` exactly where nobody was told.
 */
export function verdictOf(lines: readonly LedgerLine[], travellers: readonly TravellerReport[]): Verdict {
  const book = new Book(lines);
  const tally = new Tally();
  let [deliveries, missed, repeated] = [0, 0, 0];
  for (const traveller of travellers) {
    for (const room of traveller.rooms) {
      const shown = judgeRoom(book, traveller, room, tally);
      deliveries += shown.length;
      const all = new Set(shown);
      repeated += shown.length - all.size;
      missed += book.acknowledged(room).filter((id) => !all.has(id)).length;
    }
    judgeEvents(book, traveller, tally);
  }
  tally.add("moved", book.moved, "by their receipts");
  tally.add("disagreed", disagreements(travellers), "between members");
  return {
    faults: tally.faults,
    examples: tally.examples,
    deliveries,
    covered: missed - tally.faults.lost,
    repeated,
    gaps: travellers.flatMap(({ name, moments }) =>
      moments.flatMap((moment) => (moment.kind === "gap" ? [{ ...moment, name }] : [])),
    ),
    reruns: travellers.flatMap((traveller) => rerunsOf(book, traveller)),
    emitted: travellers.reduce((sum, { emitted }) => sum + emitted, 0),
    durabilities: book.durabilities,
  };
}

/** Judges one member of one room; returns all that it was shown, once for each stretch. */
function judgeRoom(book: Book, { name, moments }: TravellerReport, room: string, tally: Tally): string[] {
  const where = `from ${room} at ${name}`;
  const stretches = stretchesOf(moments, room);
  for (const [index, stretch] of stretches.entries()) {
    const isAcknowledged = (id: string): boolean => book.place(room, id) !== undefined;
    const open = { start: index === 0, end: index === stretches.length - 1 };
    const verdict = judge(book.expected(room, stretch, open), stretch.filter(isAcknowledged));
    tally.add("lost", verdict.lost, where);
    // What is not expected here has a receipt for a place before or behind the stretch.
    tally.add("reordered", [...verdict.reordered, ...verdict.unexpected], where);
    tally.add("duplicated", verdict.duplicated, where);
    tally.add("duplicated", surplus(stretch.filter((id) => !isAcknowledged(id))), where);
  }
  const shown = stretches.flat();
  tally.add(
    "unexpected",
    shown.filter((id) => !book.wasTried(room, id)),
    where,
  );
  return stretches.map((stretch) => [...new Set(stretch)]).flat();
}

/** Judges what became of the events that a client emitted. */
function judgeEvents(book: Book, traveller: TravellerReport, tally: Tally): void {
  const { name, emitted, acknowledged, rejected, settledTwice } = traveller;
  const order = [...new Set(book.handled(name).map(({ id }) => id))];
  const handled = new Set(order);
  tally.add("unsettled", Array(emitted - acknowledged.length - rejected.length).fill("?"), `at ${name}`);
  tally.add("settledTwice", Array(settledTwice).fill("?"), `at ${name}`);
  tally.add(
    "rejected",
    rejected.map(({ id, error }) => `${id} ${error}`),
    `at ${name}`,
  );
  tally.add(
    "unhandled",
    acknowledged.filter(({ id }) => !handled.has(id)).map(({ id }) => id),
    `of ${name}`,
  );
  let furthest = 0;
  const late = order.filter((id) => {
    furthest = Math.max(furthest, id);
    return id < furthest;
  });
  tally.add("mishandled", late, `of ${name}`);
}

/** Events of a client that a handler was called for more than once. */
function rerunsOf(book: Book, { name: client, acknowledged }: TravellerReport): Rerun[] {
  const calls = Map.groupBy(book.handled(client), ({ id }) => id);
  const knownAt = new Map(acknowledged.map(({ id, at }) => [id, at]));
  return [...calls]
    .filter(([, runs]) => runs.length > 1)
    .map(([id, runs]) => {
      const startedAt = runs[0]?.at ?? 0;
      const times = runs.map(({ pid, at }) => ({ pid, afterMs: Math.round(at - startedAt) }));
      return { client, id, runs: times, knownAfterMs: Math.round((knownAt.get(id) ?? Infinity) - startedAt) };
    });
}

/** Rooms of which members were shown different things, acknowledged or not. */
function disagreements(travellers: readonly TravellerReport[]): string[] {
  const rooms = [...new Set(travellers.flatMap((traveller) => traveller.rooms))];
  return rooms.filter((room) => {
    const members = travellers.filter((traveller) => traveller.rooms.includes(room));
    // Whoever was told of a reset has seen something else than the others, and knows it.
    const whole = members
      .map(({ moments }) => stretchesOf(moments, room))
      .filter(({ length }) => length === 1);
    return new Set(whole.map(([stretch = []]) => stretch.join(" "))).size > 1;
  });
}

/** What was shown of a room, cut where a reset was reported. */
function stretchesOf(moments: readonly Moment[], room: string): string[][] {
  const stretches: string[][] = [[]];
  for (const moment of moments) {
    if (moment.kind === "connect" || moment.room !== room) continue;
    if (moment.kind === "entry") stretches.at(-1)?.push(moment.id);
    else if (moment.reason === "reset") stretches.push([]);
  }
  return stretches;
}

/** What is in the list for the second time, or the third. */
function surplus(ids: readonly string[]): string[] {
  const seen = new Set<string>();
  return ids.filter((id) => seen.size === seen.add(id).size);
}

/** Counts faults, and keeps a few of each for the person who has to find out. */
class Tally {
  readonly faults = { ...noFaults };
  readonly examples: string[] = [];

  add(name: keyof Faults, found: readonly unknown[], where: string): void {
    if (found.length === 0) return;
    this.faults[name] += found.length;
    this.examples.push(`${name}: ${found.length} ${where}, such as ${found.slice(0, 5).join(", ")}`);
  }
}

// --- types ---

export type Faults = {
  /** Acknowledged to the publisher, not shown to a member, and not reported to it as missing. */
  lost: number;
  duplicated: number;
  /** Shown in another order than that of the receipts. */
  reordered: number;
  /** Shown, and nobody has published it. */
  unexpected: number;
  /** Rooms of which two members without a reset were shown different things, acknowledged or not. */
  disagreed: number;
  /** Entries whose receipts name different places in one history. */
  moved: number;
  /** Events of clients without a terminal state, with two, and with a refusal. */
  unsettled: number;
  settledTwice: number;
  rejected: number;
  /** Acknowledged, and no handler was called. */
  unhandled: number;
  /** First handed to a handler after an event that was emitted later. */
  mishandled: number;
};

/** For `expect(verdict.faults).toEqual(noFaults)`. */
export const noFaults: Readonly<Faults> = {
  lost: 0,
  duplicated: 0,
  reordered: 0,
  unexpected: 0,
  disagreed: 0,
  moved: 0,
  unsettled: 0,
  settledTwice: 0,
  rejected: 0,
  unhandled: 0,
  mishandled: 0,
};

/**
 * An event for which a handler was called again, after so many milliseconds. That is no fault as such: the
 * first process had lost the session, or its life, before it had recorded an outcome.
 */
export type Rerun = {
  readonly client: string;
  readonly id: number;
  readonly runs: readonly { readonly pid: number; readonly afterMs: number }[];
  /** When the client had the outcome, counted from the first call as well. */
  readonly knownAfterMs: number;
};

export type Verdict = {
  readonly faults: Faults;
  /** What a person wants to see of the faults. */
  readonly examples: readonly string[];
  /** How many arrivals the verdict is about; a test asserts it, so that an empty run cannot pass. */
  readonly deliveries: number;
  /** Acknowledged entries that a member was not shown, as it was told. */
  readonly covered: number;
  /**
   * Shown again behind a reset. That is no fault as such: what the storage has lost with its receipt, or
   * before it had one, is published again by whoever still waits for it.
   */
  readonly repeated: number;
  readonly gaps: readonly (Extract<Moment, { kind: "gap" }> & { readonly name: string })[];
  readonly reruns: readonly Rerun[];
  readonly emitted: number;
  /** The classes that the receipts named. */
  readonly durabilities: readonly string[];
};
