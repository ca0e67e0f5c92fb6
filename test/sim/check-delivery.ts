/** G2 and G3: what every session was shown of every stream that it was a member of. */

import type { Report } from "./checkers.ts";
import { type Interval, Memberships } from "./check-memberships.ts";
import { type Keeping, type Stored, StoredStreams } from "./check-streams.ts";
import type { Fact, History } from "./history.ts";
import { copyOf, seatOf } from "./seats.ts";

type Gap = { readonly from: number; readonly to: number };

/**
 * Who has been shown something: a seat with a session. Of a page and its copies, which begin with one
 * session, each has been shown what it was shown itself.
 */
type Viewer = { readonly seat: string; readonly session: string; readonly seen: Map<number, Seen> };

/** What a viewer has been shown of one stream. */
type Seen = {
  readonly shown: Set<number>;
  readonly gaps: Gap[];
  /** Everything up to here was shown, was not for this session, or was reported. */
  passed: number;
  /** Memberships that began in front of what an earlier one had passed: their history came again. */
  readonly restarts: Set<Interval>;
  /**
   * Memberships that the client has not heard the beginning of: it is owed everything behind these places.
   */
  readonly floors: Map<Interval, number>;
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
  /** By session, then by seat. */
  readonly #viewers = new Map<string, Map<string, Viewer>>();
  readonly #sessionOfPage = new Map<string, string>();
  readonly #connectedAt = new Map<string, number>();
  /** As a page has it from its welcome, and as the store has raised it since. */
  readonly #generationOfPage = new Map<string, number>();
  readonly #generations = new Map<string, number>();
  readonly #ending = new Set<string>();
  /** Ids of events whose handlers change what rooms a session is in. */
  readonly #moves = new Set<string>();
  /** By session, those of them that run. */
  readonly #moving = new Map<string, Set<string>>();
  /** Which event a sequence was, and what its handlers have published. */
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
        if (this.#moves.has(fact.id)) this.#movingOf(fact.session).add(fact.id);
        return;
      case "ran":
        this.#movingOf(fact.session).delete(fact.id);
        return;
      case "emit":
        if (/^(re)?(join|leave|last|after|mail)/.test(fact.plan)) this.#moves.add(fact.id);
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
      case "copied":
        this.#copied(fact);
        return;
      case "connect":
        this.#viewer(fact);
        this.#sessionOfPage.set(fact.page, fact.session);
        this.#connectedAt.set(fact.page, at);
        this.#generationOfPage.set(fact.page, fact.generation);
        return;
      case "resumed":
        this.#generations.set(fact.session, fact.generation);
        this.#resumed(fact.session);
        this.#movingOf(fact.session).clear();
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
      const viewer = this.#viewer({ page, session });
      for (const [stream, intervals] of this.#members.of(session)) {
        const interval = intervals.at(-1);
        if (interval === undefined || interval.to !== undefined) continue;
        const head = this.#streams.head(stream);
        const floor = seenOf(viewer, stream).floors.get(interval) ?? interval.base;
        const missing = this.#missing(viewer, stream, { from: floor + 1, to: head });
        if (missing !== undefined) this.#report("G2", `${session} was never shown ${placeName(missing)}`);
        if (interval.consumer !== "") this.#complete(interval, stream, head);
      }
    }
  }

  /** To a client that was away while a room was left and joined again, that is one membership. */
  #resumed(session: string): void {
    for (const [stream, intervals] of this.#members.of(session)) {
      const last = intervals.at(-1);
      if (last === undefined || intervals.length < 2) continue;
      for (const viewer of this.#viewers.get(session)?.values() ?? []) {
        const { passed, restarts, floors } = seenOf(viewer, stream);
        // The client stands where it was shown something last, or where its membership before began.
        if (!restarts.has(last)) floors.set(last, Math.max(passed, ...intervals.map(({ base }) => base)));
      }
    }
  }

  /** From here on both go on from what the one page has been shown. */
  #copied(copied: Extract<Fact, { kind: "copied" }>): void {
    const seat = seatOf(copied.page);
    for (const [session, viewers] of this.#viewers) {
      const viewer = viewers.get(seat);
      if (viewer === undefined) continue;
      const copy = this.#viewer({ page: copyOf(copied), session });
      for (const [stream, seen] of viewer.seen) copy.seen.set(stream, copyOfSeen(seen));
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
    const viewer = this.#viewer({ page, session });
    const elsewhere = elsewhereOf(viewer, entry);
    const isAgain = this.#members.intervals(session, stream).filter(({ base }) => base < offset).length > 1;
    if (elsewhere !== undefined && !isAgain) this.#report("G2", `${name} was shown in ${elsewhere} as well`);
    const isOfOld = (this.#generationOfPage.get(page) ?? 1) < (this.#generations.get(session) ?? 1);
    const intervals = this.#intervalsAt(session, stream, entry, isOfOld ? touchedMs : leaveHeardMs);
    if (intervals.length === 0) this.#report("G2", `${name} was shown to one who is not a member`);
    this.#pass(viewer, { stream, from: offset, to: offset }, `${name} was shown`, intervals);
    seenOf(viewer, stream).shown.add(offset);
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
    const viewer = this.#viewer({ page, session });
    this.#pass(viewer, { stream, from, to }, name, intervals);
    seenOf(viewer, stream).gaps.push({ from, to });
  }

  /** The session goes on behind `to`: nothing in front of `from` may be missing, and nothing comes twice. */
  #pass(
    viewer: Viewer,
    { stream, from, to }: Gap & { readonly stream: number },
    name: string,
    intervals: readonly Interval[],
  ): void {
    const { session } = viewer;
    const seen = seenOf(viewer, stream);
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
      this.#missing(viewer, stream, { from: Math.max(seen.passed, base) + 1, to: from - 1 }),
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
    // While a join is under way nobody has been told that the session is a member.
    if (this.#ending.has(session) || this.#movingOf(session).size > 0) return;
    const event = this.#eventOf.get(`${session} ${sequence}`) ?? "";
    const connectedAt = this.#connectedAt.get(page) ?? 0;
    for (const entry of this.#published.get(event) ?? []) {
      const { stream, offset, at, by } = entry;
      // Copies of one page may both send what it had not sent yet.
      if (by !== "" && by !== `${session} ${sequence}`) continue;
      const interval = this.#intervalsAt(session, stream, entry).at(-1);
      if (at <= connectedAt || interval === undefined || interval.to !== undefined) continue;
      if (offset <= interval.head) continue;
      const missing = this.#missing(this.#viewer({ page, session }), stream, { from: offset, to: offset });
      if (missing !== undefined)
        this.#report("G2", `${page} got the answer to ${event} before ${placeName(missing)}`);
    }
  }

  #movingOf(session: string): Set<string> {
    const moving = this.#moving.get(session) ?? new Set();
    this.#moving.set(session, moving);
    return moving;
  }

  /** All that a consumer was ever owed was shown to it, in one of its sessions. */
  #complete({ consumer }: Interval, stream: number, head: number): void {
    const from = (this.#streams.cursor(stream, consumer) ?? 0) + 1;
    const missing = this.#unseenBy(consumer, stream, { from, to: head });
    if (missing !== undefined) this.#report("G2", `${consumer} was never shown ${placeName(missing)}`);
  }

  #unseenBy(consumer: string, stream: number, { from, to }: Gap): Stored | undefined {
    const sessions = [...this.#members.sessionsOf(consumer, stream)];
    const viewers = sessions.flatMap((session) => [...(this.#viewers.get(session)?.values() ?? [])]);
    for (let offset = from; offset <= to; offset++) {
      const isSeen = viewers.some(
        (viewer) => this.#missing(viewer, stream, { from: offset, to: offset }) === undefined,
      );
      if (!isSeen) return this.#streams.entry(stream, offset);
    }
    return undefined;
  }

  /** The first entry of a stretch that the session was to be shown, and was neither shown nor told of. */
  #missing(viewer: Viewer, stream: number, { from, to }: Gap): Stored | undefined {
    const { shown, gaps } = seenOf(viewer, stream);
    for (let offset = from; offset <= to; offset++) {
      if (shown.has(offset) || gaps.some((gap) => gap.from <= offset && offset <= gap.to)) continue;
      const entry = this.#streams.entry(stream, offset);
      if (entry === undefined || this.#excepts(entry, viewer.session) !== "no") continue;
      if (elsewhereOf(viewer, entry) === undefined) return entry;
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

  /** The memberships under which an entry may be shown. */
  #intervalsAt(
    session: string,
    stream: number,
    { offset, at }: Stored,
    heardMs = leaveHeardMs,
  ): readonly Interval[] {
    return this.#members
      .intervals(session, stream)
      .filter(
        ({ base, to, leftAt }) =>
          offset > base && (to === undefined || offset <= to || at <= leftAt + heardMs),
      );
  }

  #viewer({ page, session }: { readonly page: string; readonly session: string }): Viewer {
    const seat = seatOf(page);
    const viewers = this.#viewers.get(session) ?? new Map<string, Viewer>();
    this.#viewers.set(session, viewers);
    const viewer = viewers.get(seat) ?? { seat, session, seen: new Map<number, Seen>() };
    viewers.set(seat, viewer);
    return viewer;
  }
}

function seenOf({ seen }: Viewer, stream: number): Seen {
  const known = seen.get(stream);
  if (known !== undefined) return known;
  const fresh = { shown: new Set<number>(), gaps: [], passed: 0, restarts: new Set<Interval>() };
  const begun = { ...fresh, floors: new Map<Interval, number>() };
  seen.set(stream, begun);
  return begun;
}

function copyOfSeen({ shown, gaps, passed, restarts, floors }: Seen): Seen {
  const places = { shown: new Set(shown), gaps: [...gaps], passed };
  return { ...places, restarts: new Set(restarts), floors: new Map(floors) };
}

/** The other place where the same event was shown. */
function elsewhereOf({ seen }: Viewer, { also }: Stored): string | undefined {
  return also.find(([stream, offset]) => seen.get(stream)?.shown.has(offset))?.join(":");
}

function placeName({ stream, offset, id }: Stored): string {
  return `${stream}:${offset} ${id}`;
}

/** A node hears of the leave a moment after the store has it, and meanwhile of what others publish. */
const leaveHeardMs = 100;
/**
 * A node that holds a session no more, because a copy of its client has resumed it elsewhere, looks once a
 * minute; it may be frozen for a minute, and the store away for seconds.
 */
const touchedMs = 130_000;
/** The same for a join. */
const joinHeardMs = 1_000;
