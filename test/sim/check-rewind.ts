/**
 * G2 and G3 in a run in which the store goes back in time: what was stored in the lost time may be lost, and
 * nothing else; whoever was further on is told of a reset; nothing comes twice without one in between; nobody
 * is shown what is not for him, although streams and offsets are given out again.
 */

import type { Report } from "./checkers.ts";
import type { Fact, History } from "./history.ts";
import { RewoundStore, type Member, type Rewind, type Version } from "./rewound-store.ts";

type Shown = Extract<Fact, { kind: "shown" }>;
type Gap = Extract<Fact, { kind: "gap" }>;
type ShownBefore = { readonly resets: number; readonly place: string; readonly at: number };

/** What a session was shown of one stream. */
type Seen = {
  readonly shown: Map<number, string>;
  readonly gaps: { readonly from: number; readonly to: number; readonly at: number }[];
  readonly resets: { readonly to: number; readonly at: number }[];
  /** Memberships that began in front of what an earlier one had passed. */
  readonly restarts: Set<Member>;
  /** The client stands here; a reset may move it back. */
  last: number;
};

export type RewindEvidence = {
  readonly history: History;
  /** Pages that are connected at the end and were given the time to be shown everything. */
  readonly livePages: readonly string[];
  /** A node compares its heads with the store's after this time at the latest, when nothing hinders it. */
  readonly noticedWithinMs: number;
};

export function checkRewind(evidence: RewindEvidence, report: Report): void {
  const record = new Record(evidence, report);
  for (const { at, fact } of evidence.history.lines) record.read(fact, at);
  for (const page of evidence.livePages) record.finish(page);
}

class Record {
  readonly #report: Report;
  readonly #evidence: RewindEvidence;
  readonly #store = new RewoundStore();
  /** By session and stream. */
  readonly #seen = new Map<string, Map<number, Seen>>();
  /** By session and event: how many resets the session had been told of when it was shown. */
  readonly #ids = new Map<string, Map<string, ShownBefore>>();
  readonly #resets = new Map<string, number>();
  readonly #sessionOfPage = new Map<string, string>();
  readonly #trimmed = new Set<number>();
  #now = 0;

  constructor(evidence: RewindEvidence, report: Report) {
    this.#evidence = evidence;
    this.#report = report;
  }

  read(fact: Fact, at: number): void {
    this.#now = at;
    this.#store.read(fact, at);
    if (fact.kind === "trimmed") this.#trimmed.add(fact.stream);
    if (fact.kind === "connect") this.#sessionOfPage.set(fact.page, fact.session);
    if (fact.kind === "shown" && fact.stream !== 0) this.#shown(fact);
    if (fact.kind === "gap" && fact.reason !== "session_lost") this.#gap(fact);
  }

  /** A page that is connected at the end stands where the store stands, or was told. */
  finish(page: string): void {
    const session = this.#sessionOfPage.get(page) ?? "";
    for (const [stream, { last }] of this.#seen.get(session) ?? []) {
      const head = this.#store.head(stream);
      if (last > head && this.#store.isIn(session, stream))
        this.#report("G3", `${page} ${session} stands at ${stream}:${last}, the log at ${head}`);
    }
    for (const member of this.#store.members(session).values()) {
      this.#complete(page, session, member);
      this.#renewed(page, session, member);
    }
  }

  #shown({ page, session, stream, offset, id }: Shown): void {
    const name = `${page} ${session} ${stream}:${offset} ${id}`;
    const version = this.#store.versions(stream, offset).findLast((candidate) => candidate.id === id);
    if (version === undefined) {
      this.#report("G2", `${name} was shown, which was never stored there`);
      return;
    }
    if (!this.#store.mayRead(session, version.key)) this.#report("G2", `${name} was shown to a stranger`);
    if (version.except.includes(session)) this.#report("G2", `${name} was shown to whom it excepts`);
    const seen = this.#seenOf(session, stream);
    if (offset <= seen.last && !this.#beginsAnew(session, stream, offset))
      this.#report("G2", `${name} was shown after ${seen.last}`);
    const resets = this.#resets.get(session) ?? 0;
    const ids = this.#ids.get(session) ?? new Map<string, ShownBefore>();
    const before = ids.get(id);
    const isUnexpected = before?.resets === resets && !this.#isHistory(session, version, before.at);
    if (isUnexpected && !this.#mayBeUnknown(session, stream, seen.last, version))
      this.#report("G2", `${name} was shown at ${before.place} as well, without a reset in between`);
    this.#ids.set(session, ids.set(id, { resets, place: `${stream}:${offset}`, at: this.#now }));
    seen.last = offset;
    seen.shown.set(offset, id);
  }

  /** Whether a session has joined a room again, with history that holds the entry, since it was shown it. */
  #isHistory(session: string, { stream, offset }: Version, shownAt: number): boolean {
    return this.#store
      .begun(session, stream)
      .slice(1)
      .some(({ base, since }) => since >= shownAt && base < offset);
  }

  /** Whoever leaves a room and joins it with history is shown that history, again if need be. */
  #beginsAnew(session: string, stream: number, offset: number): boolean {
    const seen = this.#seenOf(session, stream);
    const begun = this.#store
      .begun(session, stream)
      .slice(1)
      .find((member) => member.base < offset && !seen.restarts.has(member));
    if (begun === undefined) return false;
    seen.restarts.add(begun);
    this.#resets.set(session, (this.#resets.get(session) ?? 0) + 1);
    return true;
  }

  #gap({ page, session, stream, from, to, reason }: Gap): void {
    const name = `${page} ${session} was told of a gap (${reason}) in ${stream} from ${from} to ${to}`;
    const seen = this.#seenOf(session, stream);
    if (reason === "retention") {
      if (!this.#trimmed.has(stream)) this.#report("G3", `${name}, and nothing was trimmed`);
      seen.gaps.push({ from, to, at: this.#now });
      seen.last = Math.max(seen.last, to);
      return;
    }
    // The word of one may still be under way when the next one comes.
    const lost = this.#store.rewinds.filter(({ renewed, headsBefore }) => renewed || headsBefore.has(stream));
    if (lost.length <= seen.resets.length)
      this.#report("G3", `${name}, and has lost nothing it was not told`);
    seen.resets.push({ to, at: this.#now });
    seen.last = to;
    this.#resets.set(session, (this.#resets.get(session) ?? 0) + 1);
  }

  #complete(page: string, session: string, { stream, base }: Member): void {
    const seen = this.#seenOf(session, stream);
    for (let offset = base + 1; offset <= this.#store.head(stream); offset++) {
      const entry = this.#store.entry(stream, offset);
      if (entry === undefined || this.#isAccountedFor(session, seen, entry)) continue;
      if (this.#isUnknowable(session, entry)) continue;
      this.#report("G2", `${page} ${session} was never shown ${stream}:${offset} ${entry.id}`);
    }
  }

  #isAccountedFor(session: string, { shown, gaps, resets }: Seen, entry: Version): boolean {
    const { offset, id, at, except, also } = entry;
    // Who is in an excepted room at delivery is not known here.
    if (shown.get(offset) === id || except.length > 0) return true;
    if (also.some(([stream, other]) => this.#seenOf(session, stream).shown.get(other) === id)) return true;
    if (gaps.some((gap) => gap.at >= at && gap.from <= offset && offset <= gap.to)) return true;
    return resets.some((reset) => reset.at >= at && offset <= reset.to);
  }

  /** Who was a member before the last renewal of the epochs has been told of it in every stream. */
  #renewed(page: string, session: string, { stream, since }: Member): void {
    const renewal = this.#store.rewinds.findLast(({ renewed }) => renewed);
    if (renewal === undefined || since > renewal.to) return;
    if (this.#seenOf(session, stream).resets.some(({ at }) => at >= renewal.at)) return;
    this.#report("G3", `${page} ${session} was not told that ${stream} has another epoch`);
  }

  /**
   * Whether nobody could know that an entry stands where this client has seen another one: the store lost the
   * other one without a word, and had as many entries again before a node compared.
   */
  #isUnknowable(session: string, { stream, offset, at }: Version): boolean {
    return this.#store.rewinds.some((rewind) => {
      if (rewind.renewed || rewind.at > at || (rewind.headsBefore.get(stream) ?? 0) < offset) return false;
      const passed = this.#passedOfLost(session, stream, rewind);
      const levelAt = passed < offset ? undefined : this.#store.reachedAt(stream, passed);
      return levelAt !== undefined && !this.#hadTime(session, rewind.at, levelAt);
    });
  }

  /** The same for an event that is stored again, behind the place that this client has passed. */
  #mayBeUnknown(session: string, stream: number, last: number, { offset, id }: Version): boolean {
    return this.#store.rewinds.some((rewind) => {
      if (rewind.renewed) return false;
      const passed = this.#passedOfLost(session, stream, rewind);
      const wasLost = [...(this.#seen.get(session) ?? [])].some(([other, { shown }]) =>
        [...shown].some(
          ([place, shownId]) =>
            shownId === id &&
            this.#store
              .versions(other, place)
              .some((version) => version.id === id && version.lostAt === rewind.at),
        ),
      );
      if (!wasLost) return false;
      if (passed === 0) return true;
      const levelAt = this.#store.reachedAt(stream, Math.min(passed, offset));
      return last >= passed - 1 && levelAt !== undefined && !this.#hadTime(session, rewind.at, levelAt);
    });
  }

  /** The last place that a session has passed over an entry that this rewind lost; 0 for none. */
  #passedOfLost(session: string, stream: number, rewind: Rewind): number {
    const { shown } = this.#seenOf(session, stream);
    let passed = 0;
    for (let offset = rewind.headsBefore.get(stream) ?? 0; offset > 0 && passed === 0; offset--) {
      const lost = this.#store.versions(stream, offset).find(({ lostAt }) => lostAt === rewind.at);
      if (lost === undefined) continue;
      if (shown.get(offset) === lost.id || lost.except.includes(session)) passed = offset;
    }
    return passed;
  }

  /** Whether a node had the time to compare: the session was connected, and nothing else went wrong. */
  #hadTime(session: string, from: number, to: number): boolean {
    if (to - from < this.#evidence.noticedWithinMs) return false;
    const pages = new Set<string>();
    for (const [page, held] of this.#sessionOfPage) if (held === session) pages.add(page);
    let isConnected = false;
    for (const { at, fact } of this.#evidence.history.lines) {
      if (at > to) break;
      if (fact.kind === "connect" && pages.has(fact.page)) isConnected = at < from;
      if (fact.kind === "disconnect" && pages.has(fact.page)) isConnected = false;
      if (at >= from - hindranceMs && (fact.kind === "node" || isHindrance(fact))) return false;
    }
    return isConnected;
  }

  #seenOf(session: string, stream: number): Seen {
    const streams = this.#seen.get(session) ?? new Map<number, Seen>();
    this.#seen.set(session, streams);
    const seen = streams.get(stream) ?? {
      shown: new Map(),
      gaps: [],
      resets: [],
      restarts: new Set(),
      last: 0,
    };
    streams.set(stream, seen);
    return seen;
  }
}

function isHindrance(fact: Fact): boolean {
  return fact.kind === "fault" && !fact.what.startsWith("storeRewinds") && fact.what !== "none";
}

/** What goes wrong holds on for so long. */
const hindranceMs = 61_000;
