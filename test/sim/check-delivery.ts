/** G2 and G3: what every session was shown of every stream that it was a member of. */

import type { Report } from "./checkers.ts";
import { type Interval, Memberships } from "./check-memberships.ts";
import { type Keeping, type Stored, StoredStreams } from "./check-streams.ts";
import type { Fact, History } from "./history.ts";

type Gap = { readonly from: number; readonly to: number };

/** What a session has been shown of one stream. */
type Seen = {
  readonly shown: Set<number>;
  readonly gaps: Gap[];
  /** Everything up to here was shown, was not for this session, or was reported. */
  passed: number;
  /** Memberships that began in front of what an earlier one had passed: their history came again. */
  readonly restarts: Set<Interval>;
};

export type DeliveryEvidence = {
  readonly history: History;
  readonly keeping: Keeping;
  /** Pages that are connected at the end and were given the time to be shown everything. */
  readonly livePages: readonly string[];
  /** A room whose members are excepted from some entries, and which nobody leaves. */
  readonly exceptedRoom: string;
};

export function checkDelivery(evidence: DeliveryEvidence, report: Report): void {
  const record = new Record(evidence, report);
  for (const { at, fact } of evidence.history.lines) record.read(fact, at);
  record.finish(new Set(evidence.livePages));
}

class Record {
  readonly #report: Report;
  readonly #streams: StoredStreams;
  readonly #members: Memberships;
  readonly #exceptedRoom: string;
  /** By session and stream. */
  readonly #seen = new Map<string, Map<number, Seen>>();
  readonly #sessionOfPage = new Map<string, string>();
  readonly #connectedAt = new Map<string, number>();
  /** Which event a sequence was, and what its handlers have published. */
  readonly #ending = new Set<string>();
  readonly #eventOf = new Map<string, string>();
  readonly #published = new Map<string, Stored[]>();

  constructor({ keeping, exceptedRoom }: DeliveryEvidence, report: Report) {
    this.#report = report;
    this.#exceptedRoom = exceptedRoom;
    this.#streams = new StoredStreams(keeping, report);
    this.#members = new Memberships(this.#streams, report);
  }

  read(fact: Fact, at: number): void {
    switch (fact.kind) {
      case "appended":
        this.#streams.appended(fact, at);
        this.#ownRoom(fact);
        this.#effect({ ...fact, at });
        return;
      case "run":
        this.#eventOf.set(`${fact.session} ${fact.sequence}`, fact.id);
        return;
      case "settled":
        if (fact.error === "") this.#answered(fact);
        return;
      case "trimmed":
        this.#streams.trimmed(fact);
        return;
      case "opened":
        this.#members.opened(fact, at);
        return;
      case "joined":
        this.#members.joined(fact, at);
        return;
      case "left":
        this.#members.left(fact, at);
        return;
      case "ending":
        this.#ending.add(fact.session);
        return;
      case "ended":
        this.#members.ended(fact.session);
        return;
      case "connect":
        this.#sessionOfPage.set(fact.page, fact.session);
        this.#connectedAt.set(fact.page, at);
        return;
      case "resumed":
        this.#resumed(fact.session);
        return;
      case "cursor":
        this.#cursor(fact);
        return;
      case "shown":
        if (fact.stream !== 0) this.#shown(fact);
        return;
      case "gap":
        this.#gap(fact);
        return;
      default:
    }
  }

  /** Whoever is connected at the end has been shown everything, up to the heads. */
  finish(livePages: ReadonlySet<string>): void {
    for (const [page, session] of this.#sessionOfPage) {
      if (!livePages.has(page)) continue;
      for (const [stream, intervals] of this.#members.of(session)) {
        const interval = intervals.at(-1);
        if (interval === undefined || interval.to !== undefined) continue;
        const head = this.#streams.head(stream);
        const missing = this.#missing(session, stream, { from: interval.floor + 1, to: head });
        if (missing !== undefined) this.#report("G2", `${session} was never shown ${placeName(missing)}`);
        if (interval.consumer !== "") this.#complete(interval, stream, head);
      }
    }
  }

  /** To a client that was away while a room was left and joined again, that is one membership. */
  #resumed(session: string): void {
    for (const [stream, intervals] of this.#members.of(session)) {
      const last = intervals.at(-1);
      const { passed, restarts } = this.#seenOf(session, stream);
      if (last === undefined || intervals.length < 2 || restarts.has(last)) continue;
      // The client stands where it was shown something last, or where its membership before began.
      last.floor = Math.max(passed, ...intervals.map(({ base }) => base));
    }
  }

  #ownRoom({ key, stream }: Extract<Fact, { kind: "appended" }>): void {
    const [, room = ""] = key.split("r:");
    if (this.#members.knows(room)) this.#members.ownRoom(room, stream);
  }

  #shown({ session, stream, offset, id, page }: Extract<Fact, { kind: "shown" }>): void {
    const name = `${page} ${session} ${stream}:${offset} ${id}`;
    const entry = this.#streams.entry(stream, offset);
    if (entry?.id !== id) {
      this.#report("G2", `${name} was shown, which is not what is stored`);
      return;
    }
    if (this.#excepts(entry, session) === "surely")
      this.#report("G2", `${name} was shown to whom it excepts`);
    const elsewhere = this.#elsewhere(session, entry);
    const isAgain = this.#members.intervals(session, stream).filter(({ base }) => base < offset).length > 1;
    if (elsewhere !== undefined && !isAgain) this.#report("G2", `${name} was shown in ${elsewhere} as well`);
    const intervals = this.#intervalsAt(session, stream, entry);
    if (intervals.length === 0) this.#report("G2", `${name} was shown to one who is not a member`);
    this.#pass({ session, stream, from: offset, to: offset }, `${name} was shown`, intervals);
    this.#seenOf(session, stream).shown.add(offset);
  }

  #gap({ page, session, stream, from, to, reason }: Extract<Fact, { kind: "gap" }>): void {
    const name = `${page} ${session} was told of a gap (${reason}) in ${stream} from ${from} to ${to}`;
    // Judged together with the session's end.
    if (reason === "session_lost") return;
    if (reason !== "retention") {
      this.#report("G3", name);
      return;
    }
    const low = this.#streams.low(stream);
    if (to >= low) this.#report("G3", `${name}, but ${low} is still there`);
    if (from > to) this.#report("G3", `${name}, which is none`);
    const intervals = this.#members.intervals(session, stream).filter(({ base }) => base < from);
    if (intervals.length === 0) this.#report("G3", `${name}, and is not a member`);
    this.#pass({ session, stream, from, to }, name, intervals);
    this.#seenOf(session, stream).gaps.push({ from, to });
  }

  /** The session goes on behind `to`: nothing in front of `from` may be missing, and nothing comes twice. */
  #pass(
    { session, stream, from, to }: Gap & { readonly session: string; readonly stream: number },
    name: string,
    intervals: readonly Interval[],
  ): void {
    const seen = this.#seenOf(session, stream);
    if (from <= seen.passed) {
      // Whoever leaves a room and joins it with history is shown that history, again if need be.
      const restart = this.#members
        .intervals(session, stream)
        .slice(1)
        .find((again) => again.base < from && !seen.restarts.has(again));
      if (restart === undefined) this.#report("G2", `${name} after ${seen.passed}`);
      else seen.restarts.add(restart);
      seen.passed = restart?.base ?? seen.passed;
    }
    // What a membership is still shown after the next one has begun may be of either.
    const gaps = intervals.map(({ base }) =>
      this.#missing(session, stream, { from: Math.max(seen.passed, base) + 1, to: from - 1 }),
    );
    const [missing] = gaps;
    if (missing !== undefined && !gaps.includes(undefined))
      this.#report("G2", `${name} without ${placeName(missing)}`);
    seen.passed = Math.max(seen.passed, to);
  }

  /** A cursor passes only what was shown to its consumer, or could not be. */
  #cursor(fact: Extract<Fact, { kind: "cursor" }>): void {
    const { stream, consumer, offset } = fact;
    const before = this.#streams.cursor(stream, consumer);
    if (!this.#streams.moveCursor(fact) || before === undefined) return;
    const missing = this.#unseenBy(consumer, stream, { from: before + 1, to: offset });
    if (missing !== undefined)
      this.#report("G2", `the cursor of ${consumer} passed ${placeName(missing)}, which was not shown`);
  }

  #effect(entry: Stored): void {
    const [event = "", part] = entry.id.split("#");
    if (part === undefined) return;
    const entries = this.#published.get(event) ?? [];
    this.#published.set(event, entries);
    entries.push(entry);
  }

  /** On one connection the reply comes after the entries that the handler has published. */
  #answered({ page, session, sequence }: Extract<Fact, { kind: "settled" }>): void {
    // Whoever is sent away is not sent the entries any more, and is told that the session is lost.
    if (this.#ending.has(session)) return;
    const event = this.#eventOf.get(`${session} ${sequence}`) ?? "";
    const connectedAt = this.#connectedAt.get(page) ?? 0;
    for (const entry of this.#published.get(event) ?? []) {
      const { stream, offset, at } = entry;
      const interval = this.#intervalsAt(session, stream, entry).at(-1);
      if (at <= connectedAt || interval === undefined || interval.to !== undefined) continue;
      if (offset <= interval.head) continue;
      const missing = this.#missing(session, stream, { from: offset, to: offset });
      if (missing !== undefined)
        this.#report("G2", `${page} got the answer to ${event} before ${placeName(missing)}`);
    }
  }

  /** All that a consumer was ever owed was shown to it, in one of its sessions. */
  #complete({ consumer }: Interval, stream: number, head: number): void {
    const from = (this.#streams.cursor(stream, consumer) ?? 0) + 1;
    const missing = this.#unseenBy(consumer, stream, { from, to: head });
    if (missing !== undefined) this.#report("G2", `${consumer} was never shown ${placeName(missing)}`);
  }

  #unseenBy(consumer: string, stream: number, { from, to }: Gap): Stored | undefined {
    const sessions = [...this.#members.sessionsOf(consumer, stream)];
    for (let offset = from; offset <= to; offset++) {
      const isSeen = sessions.some(
        (id) => this.#missing(id, stream, { from: offset, to: offset }) === undefined,
      );
      if (!isSeen) return this.#streams.entry(stream, offset);
    }
    return undefined;
  }

  /** The first entry of a stretch that the session was to be shown, and was neither shown nor told of. */
  #missing(session: string, stream: number, { from, to }: Gap): Stored | undefined {
    const { shown, gaps } = this.#seenOf(session, stream);
    for (let offset = from; offset <= to; offset++) {
      if (shown.has(offset) || gaps.some((gap) => gap.from <= offset && offset <= gap.to)) continue;
      const entry = this.#streams.entry(stream, offset);
      if (entry === undefined || this.#excepts(entry, session) !== "no") continue;
      if (this.#elsewhere(session, entry) === undefined) return entry;
    }
    return undefined;
  }

  /** Whether an entry is kept from a session: by its id surely, by a room as it is a member at delivery. */
  #excepts({ except, at }: Stored, session: string): "surely" | "maybe" | "no" {
    if (except.includes(session)) return "surely";
    const stream = this.#members.streamOf(this.#exceptedRoom);
    if (!except.includes(this.#exceptedRoom) || stream === undefined) return "no";
    const [interval] = this.#members.intervals(session, stream);
    if (interval === undefined) return "no";
    return interval.joinedAt + joinHeardMs < at && interval.leftAt === Number.POSITIVE_INFINITY
      ? "surely"
      : "maybe";
  }

  /** The other place where the session was shown the same event. */
  #elsewhere(session: string, { also }: Stored): string | undefined {
    const place = also.find(([stream, offset]) => this.#seen.get(session)?.get(stream)?.shown.has(offset));
    return place?.join(":");
  }

  /** The memberships under which an entry may be shown. */
  #intervalsAt(session: string, stream: number, { offset, at }: Stored): readonly Interval[] {
    return this.#members
      .intervals(session, stream)
      .filter(
        ({ base, to, leftAt }) =>
          offset > base && (to === undefined || offset <= to || at <= leftAt + leaveHeardMs),
      );
  }

  #seenOf(session: string, stream: number): Seen {
    const streams = this.#seen.get(session) ?? new Map<number, Seen>();
    this.#seen.set(session, streams);
    const seen = streams.get(stream) ?? {
      shown: new Set<number>(),
      gaps: [],
      passed: 0,
      restarts: new Set<Interval>(),
    };
    streams.set(stream, seen);
    return seen;
  }
}

function placeName({ stream, offset, id }: Stored): string {
  return `${stream}:${offset} ${id}`;
}

/** A node hears of the leave a moment after the store has it, and meanwhile of what others publish. */
const leaveHeardMs = 100;
/** The same for a join. */
const joinHeardMs = 1_000;
