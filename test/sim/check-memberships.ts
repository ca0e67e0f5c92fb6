/** Who is a member of which stream, from where to where; and that every join begins where it asked to. */

import type { Report } from "./checkers.ts";
import type { StoredStreams } from "./check-streams.ts";
import type { Fact } from "./history.ts";

/** From where to where a session was a member; `to` is undefined while it is. */
export type Interval = {
  readonly base: number;
  /** Where the stream stood; what is in front of it is history. */
  readonly head: number;
  readonly consumer: string;
  readonly joinedAt: number;
  to: number | undefined;
  leftAt: number;
};

type Joined = Extract<Fact, { kind: "joined" }>;

export class Memberships {
  readonly #report: Report;
  readonly #streams: StoredStreams;
  /** By session and stream. */
  readonly #intervals = new Map<string, Map<number, Interval[]>>();
  readonly #streamOfRoom = new Map<string, number>();
  readonly #sessionsOfConsumer = new Map<string, Set<string>>();

  constructor(streams: StoredStreams, report: Report) {
    this.#streams = streams;
    this.#report = report;
  }

  /** By stream, those that were left included. */
  of(session: string): ReadonlyMap<number, readonly Interval[]> {
    return this.#intervals.get(session) ?? none;
  }

  intervals(session: string, stream: number): readonly Interval[] {
    return this.#intervals.get(session)?.get(stream) ?? [];
  }

  knows(session: string): boolean {
    return this.#intervals.has(session);
  }

  streamOf(room: string): number | undefined {
    return this.#streamOfRoom.get(room);
  }

  /** Every session that has read a stream with this consumer's cursor. */
  sessionsOf(consumer: string, stream: number): ReadonlySet<string> {
    return this.#sessionsOfConsumer.get(`${stream} ${consumer}`) ?? new Set();
  }

  opened({ session, stream, base }: Extract<Fact, { kind: "opened" }>, at: number): void {
    if (this.#intervals.has(session)) this.#report("G6", `session ${session} was opened twice`);
    const head = this.#streams.head(stream);
    if (base !== head) this.#report("G2", `session ${session} begins at ${base} where the head is ${head}`);
    this.#begin(session, stream, { base, head, consumer: "", joinedAt: at });
  }

  /** A session is a member of its own room from its beginning. */
  ownRoom(session: string, stream: number): void {
    if (this.intervals(session, stream).length === 0)
      this.#begin(session, stream, { base: 0, head: 0, consumer: "", joinedAt: 0 });
  }

  joined(fact: Joined, at: number): void {
    const { session, stream, room, base, consumer } = fact;
    this.#streamOfRoom.set(room, stream);
    const name = `${session} joined ${room} from ${fact.from}`;
    const last = this.intervals(session, stream).at(-1);
    if (consumer !== "") {
      const sessions = this.#sessionsOfConsumer.get(`${stream} ${consumer}`) ?? new Set();
      this.#sessionsOfConsumer.set(`${stream} ${consumer}`, sessions.add(session));
    }
    const reads = fact.from.startsWith("cursor ") ? fact.from.slice("cursor ".length) : "";
    if (last !== undefined && last.to === undefined) {
      // Joining again changes nothing, unless it is to read with another cursor.
      if (reads === "" || reads === last.consumer) {
        if (base !== last.base) this.#report("G2", `${name} again, and moved from ${last.base} to ${base}`);
        return;
      }
      this.#end(last, stream, at);
    }
    if (consumer !== reads)
      this.#report("G2", `${name}, and reads with the cursor of ${consumer || "nobody"}`);
    const expected = this.#baseOf(fact);
    if (base !== expected) this.#report("G2", `${name} begins behind ${base} instead of ${expected}`);
    this.#begin(session, stream, { base, head: fact.head, consumer, joinedAt: at });
  }

  left({ session, room }: Extract<Fact, { kind: "left" }>, at: number): void {
    const stream = this.#streamOfRoom.get(room);
    const last = stream === undefined ? undefined : this.intervals(session, stream).at(-1);
    if (stream !== undefined && last !== undefined) this.#end(last, stream, at);
  }

  /** A process that holds a session which another has ended hears of it with its next write, and shows on. */
  ended(session: string): void {
    for (const [stream, intervals] of this.of(session)) {
      const last = intervals.at(-1);
      if (last !== undefined) this.#end(last, stream, Number.POSITIVE_INFINITY);
    }
  }

  #begin(session: string, stream: number, begin: Omit<Interval, "to" | "leftAt">): void {
    const streams = this.#intervals.get(session) ?? new Map<number, Interval[]>();
    this.#intervals.set(session, streams);
    const intervals = streams.get(stream) ?? [];
    streams.set(stream, intervals);
    intervals.push({ ...begin, to: undefined, leftAt: Number.POSITIVE_INFINITY });
  }

  #end(interval: Interval, stream: number, at: number): void {
    if (interval.to !== undefined) return;
    interval.to = this.#streams.head(stream);
    interval.leftAt = at;
  }

  /** The offset behind which a new member is owed everything. */
  #baseOf({ stream, from, low, head, consumer }: Joined): number {
    const [kind, detail = ""] = from.split(" ");
    switch (kind) {
      case "last":
        return Math.max(low - 1, head - Number(detail));
      case "after":
        return Math.min(Number(detail), head);
      case "cursor": {
        const cursor = this.#streams.cursor(stream, consumer);
        if (cursor !== undefined) return cursor;
        this.#streams.createCursor(stream, consumer, low - 1);
        return low - 1;
      }
      default:
        return head;
    }
  }
}

const none: ReadonlyMap<number, readonly Interval[]> = new Map();
