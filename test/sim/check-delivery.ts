/** G2 and G3: what every session was shown of every stream that it was a member of. */

import type { Report } from "./checkers.ts";
import type { Fact, History } from "./history.ts";

type Appended = Extract<Fact, { kind: "appended" }>;

/** From where to where a session was a member; `to` is undefined while it is. */
type Interval = { readonly base: number; to: number | undefined; leftAt: number };

type Seen = {
  readonly shown: Map<number, string>;
  readonly gaps: { readonly from: number; readonly to: number }[];
  last: number;
};

export function checkDelivery(history: History, report: Report, livePages: readonly string[]): void {
  const record = new Record(report);
  for (const { at, fact } of history.lines) record.read(fact, at);
  record.finish(new Set(livePages));
}

class Record {
  readonly #report: Report;
  readonly #entries = new Map<number, Map<number, Appended>>();
  readonly #heads = new Map<number, number>();
  readonly #lows = new Map<number, number>();
  readonly #streamOfKey = new Map<string, number>();
  readonly #rooms = new Map<string, number>();
  /** By session and stream. */
  readonly #members = new Map<string, Map<number, Interval[]>>();
  readonly #seen = new Map<string, Map<number, Seen>>();
  /** What a session was shown, whatever the stream. */
  readonly #ids = new Map<string, Map<string, number>>();
  readonly #sessionOfPage = new Map<string, string>();
  readonly #appendedAt = new Map<string, number>();
  #now = 0;

  constructor(report: Report) {
    this.#report = report;
  }

  read(fact: Fact, at: number): void {
    this.#now = at;
    switch (fact.kind) {
      case "appended":
        this.#appended(fact);
        return;
      case "opened":
        this.#join(fact.session, fact.stream, fact.base);
        return;
      case "joined":
        this.#rooms.set(`${fact.session} ${fact.room}`, fact.stream);
        this.#join(fact.session, fact.stream, fact.base);
        return;
      case "left":
        this.#leave(fact.session, this.#rooms.get(`${fact.session} ${fact.room}`));
        return;
      case "trimmed":
        this.#lows.set(fact.stream, fact.low);
        return;
      case "connect":
        this.#connected(fact);
        return;
      case "shown":
        this.#shown(fact);
        return;
      case "gap":
        this.#gap(fact);
        return;
      default:
    }
  }

  /** Whoever is connected at the end has been shown everything. */
  finish(livePages: ReadonlySet<string>): void {
    for (const [page, session] of this.#sessionOfPage) {
      if (!livePages.has(page)) continue;
      for (const [stream, intervals] of this.#members.get(session) ?? []) {
        for (const interval of intervals) this.#complete(session, stream, interval);
      }
    }
  }

  #appended(fact: Appended): void {
    const entries = this.#entries.get(fact.stream) ?? new Map<number, Appended>();
    this.#entries.set(fact.stream, entries);
    if (entries.has(fact.offset)) this.#report("store", `stream ${fact.stream} has ${fact.offset} twice`);
    entries.set(fact.offset, fact);
    this.#appendedAt.set(`${fact.stream}:${fact.offset}`, this.#now);
    this.#heads.set(fact.stream, fact.offset);
    this.#streamOfKey.set(fact.key, fact.stream);
    // A session is a member of its own room from its beginning.
    for (const session of this.#members.keys()) {
      if (fact.key.endsWith(session)) this.#join(session, fact.stream, 0);
    }
  }

  #join(session: string, stream: number, base: number): void {
    const streams = this.#members.get(session) ?? new Map<number, Interval[]>();
    this.#members.set(session, streams);
    const intervals = streams.get(stream) ?? [];
    streams.set(stream, intervals);
    const last = intervals.at(-1);
    if (last === undefined || last.to !== undefined) intervals.push({ base, to: undefined, leftAt: 0 });
  }

  #leave(session: string, stream: number | undefined): void {
    if (stream === undefined) return;
    const last = this.#members.get(session)?.get(stream)?.at(-1);
    if (last === undefined || last.to !== undefined) return;
    last.to = this.#heads.get(stream) ?? 0;
    last.leftAt = this.#now;
  }

  #connected({ page, session }: Extract<Fact, { kind: "connect" }>): void {
    const before = this.#sessionOfPage.get(page);
    if (before !== undefined && before !== session) this.#report("G6", `${page} lost its session ${before}`);
    this.#sessionOfPage.set(page, session);
  }

  #shown({ session, stream, offset, id, page }: Extract<Fact, { kind: "shown" }>): void {
    const name = `${page} ${session} ${stream}:${offset} ${id}`;
    const entry = this.#entries.get(stream)?.get(offset);
    if (entry?.id !== id) this.#report("G2", `${name} was shown, which is not what is stored`);
    if (entry?.except.includes(session) === true) this.#report("G2", `${name} was shown to whom it excepts`);
    const ids = this.#ids.get(session) ?? new Map<string, number>();
    this.#ids.set(session, ids);
    // Twice in one stream is an offset that does not rise, or an entry that is stored twice.
    if ((ids.get(id) ?? stream) !== stream) this.#report("G2", `${name} was shown in ${ids.get(id)} as well`);
    ids.set(id, stream);
    const seen = this.#seenOf(session, stream);
    if (offset <= seen.last) this.#report("G2", `${name} was shown after ${seen.last}`);
    seen.last = Math.max(seen.last, offset);
    seen.shown.set(offset, id);
    const intervals = this.#members.get(session)?.get(stream) ?? [];
    const appendedAt = this.#appendedAt.get(`${stream}:${offset}`) ?? 0;
    const isMember = intervals.some(
      ({ base, to, leftAt }) =>
        offset > base && (to === undefined || offset <= to || appendedAt <= leftAt + leaveHeardMs),
    );
    if (!isMember) this.#report("G2", `${name} was shown to one who is not a member`);
  }

  #gap({ page, session, stream, from, to, reason }: Extract<Fact, { kind: "gap" }>): void {
    const name = `${page} was told of a gap (${reason}) in ${stream} from ${from} to ${to}`;
    if (reason !== "retention") {
      this.#report("G3", name);
      return;
    }
    const low = this.#lows.get(stream) ?? 1;
    if (to >= low && from <= to) this.#report("G3", `${name}, but ${low} is still there`);
    const seen = this.#seenOf(session, stream);
    seen.gaps.push({ from, to });
    for (let offset = from; offset <= to; offset++) {
      if (seen.shown.has(offset)) this.#report("G3", `${name}, but ${offset} was shown`);
    }
  }

  #complete(session: string, stream: number, { base, to }: Interval): void {
    if (to !== undefined) return;
    const head = this.#heads.get(stream) ?? 0;
    const seen = this.#seenOf(session, stream);
    for (let offset = base + 1; offset <= head; offset++) {
      if (seen.shown.has(offset) || seen.gaps.some((gap) => gap.from <= offset && offset <= gap.to)) continue;
      const entry = this.#entries.get(stream)?.get(offset);
      if (entry === undefined || entry.except.includes(session)) continue;
      if (this.#ids.get(session)?.has(entry.id) === true) continue;
      this.#report("G2", `${session} was never shown ${stream}:${offset} ${entry.id}`);
    }
  }

  #seenOf(session: string, stream: number): Seen {
    const streams = this.#seen.get(session) ?? new Map<number, Seen>();
    this.#seen.set(session, streams);
    const seen = streams.get(stream) ?? { shown: new Map<number, string>(), gaps: [], last: 0 };
    streams.set(stream, seen);
    return seen;
  }
}

/** A node hears of the leave a moment after the store has it, and meanwhile of what others publish. */
const leaveHeardMs = 100;
