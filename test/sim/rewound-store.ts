/**
 * What the store holds in a run in which it goes back in time: every entry that ever stood at a place, and
 * who is a member of what, undone as far as the store has lost it.
 */

import { namespaceKey, roomKey } from "../../src/protocol/stream-key.ts";
import type { Fact, History } from "./history.ts";

export type Version = Extract<Fact, { kind: "appended" }> & {
  readonly at: number;
  lostAt: number | undefined;
};

export type Member = { readonly stream: number; readonly base: number; readonly since: number };

export type Rewind = {
  readonly at: number;
  /** What was committed later is lost. */
  readonly to: number;
  readonly renewed: boolean;
  /** By stream: the head before, where that is not the head any more. */
  readonly headsBefore: ReadonlyMap<number, number>;
};

/** What was appended and is not lost at the end. */
export function keptAppends(history: History): Extract<Fact, { kind: "appended" }>[] {
  const kept: { readonly at: number; readonly fact: Extract<Fact, { kind: "appended" }> }[] = [];
  for (const { at, fact } of history.lines) {
    if (fact.kind === "appended") kept.push({ at, fact });
    if (fact.kind !== "rewound") continue;
    for (let last = kept.at(-1); last !== undefined && last.at > fact.to; last = kept.at(-1)) kept.pop();
  }
  return kept.map(({ fact }) => fact);
}

export class RewoundStore {
  readonly rewinds: Rewind[] = [];
  /** By session, then by room; memberships that are undone or left are gone. */
  readonly #members = new Map<string, Map<string, Member>>();
  readonly #begun = new Map<string, Member[]>();
  /** Keys of the streams that a session has ever been a member of. */
  readonly #keys = new Map<string, Set<string>>();
  readonly #versions = new Map<number, Map<number, Version[]>>();
  readonly #heads = new Map<number, number>();
  /** When the head of a stream first reached an offset after the last rewind. */
  readonly #reached = new Map<number, Map<number, number>>();
  readonly #undo: { readonly at: number; readonly run: () => void }[] = [];

  read(fact: Fact, at: number): void {
    switch (fact.kind) {
      case "appended":
        this.#appended(fact, at);
        return;
      case "opened":
        this.#join(fact.session, "", { stream: fact.stream, base: fact.base, since: at });
        this.#keysOf(fact.session).add(namespaceKey("/")).add(roomKey("/", fact.session));
        return;
      case "joined":
        this.#join(fact.session, fact.room, { stream: fact.stream, base: fact.base, since: at });
        this.#keysOf(fact.session).add(roomKey("/", fact.room));
        return;
      case "left":
        this.#set(fact.session, fact.room, undefined, at);
        return;
      case "ended":
        if (fact.why !== "rewound") {
          for (const room of this.members(fact.session).keys()) this.#set(fact.session, room, undefined, at);
        }
        return;
      case "rewound":
        this.#rewound(fact, at);
        return;
      default:
    }
  }

  /** Every membership of a stream that a session has begun, also those that are left or lost. */
  begun(session: string, stream: number): readonly Member[] {
    return (this.#begun.get(session) ?? []).filter((member) => member.stream === stream);
  }

  members(session: string): ReadonlyMap<string, Member> {
    return this.#members.get(session) ?? new Map<string, Member>();
  }

  /** Whether a session is a member of a stream; of its own room's always, without having joined. */
  isIn(session: string, stream: number): boolean {
    if (this.begun(session, stream).length === 0) return true;
    return [...this.members(session).values()].some((member) => member.stream === stream);
  }

  mayRead(session: string, key: string): boolean {
    return this.#keys.get(session)?.has(key) === true;
  }

  head(stream: number): number {
    return this.#heads.get(stream) ?? 0;
  }

  /** All that ever stood at a place, the lost ones included. */
  versions(stream: number, offset: number): readonly Version[] {
    return this.#versions.get(stream)?.get(offset) ?? [];
  }

  /** What stands there now. */
  entry(stream: number, offset: number): Version | undefined {
    return this.versions(stream, offset).find(({ lostAt }) => lostAt === undefined);
  }

  reachedAt(stream: number, offset: number): number | undefined {
    return this.#reached.get(stream)?.get(offset);
  }

  #appended(fact: Extract<Fact, { kind: "appended" }>, at: number): void {
    const { stream, offset } = fact;
    const places = this.#versions.get(stream) ?? new Map<number, Version[]>();
    this.#versions.set(stream, places);
    const version: Version = { ...fact, at, lostAt: undefined };
    places.set(offset, [...(places.get(offset) ?? []), version]);
    const before = this.head(stream);
    this.#heads.set(stream, offset);
    const reached = this.#reached.get(stream) ?? new Map<number, number>();
    this.#reached.set(stream, reached.set(offset, at));
    this.#undo.push({
      at,
      run: () => {
        version.lostAt = this.rewinds.at(-1)?.at ?? at;
        this.#heads.set(stream, before);
        reached.delete(offset);
      },
    });
  }

  /** Joining again keeps the base. */
  #join(session: string, room: string, member: Member): void {
    const known = this.members(session).get(room);
    if (known?.stream === member.stream && known.base === member.base) return;
    this.#begun.set(session, [...(this.#begun.get(session) ?? []), member]);
    this.#set(session, room, member, member.since);
  }

  #set(session: string, room: string, member: Member | undefined, at: number): void {
    const rooms = this.#members.get(session) ?? new Map<string, Member>();
    this.#members.set(session, rooms);
    const before = rooms.get(room);
    const put = (value: Member | undefined) =>
      void (value === undefined ? rooms.delete(room) : rooms.set(room, value));
    put(member);
    this.#undo.push({ at, run: () => put(before) });
  }

  #rewound({ to, renewed }: Extract<Fact, { kind: "rewound" }>, at: number): void {
    const before = new Map(this.#heads);
    this.rewinds.push({ at, to, renewed, headsBefore: before });
    for (let last = this.#undo.at(-1); last !== undefined && last.at > to; last = this.#undo.at(-1)) {
      last.run();
      this.#undo.pop();
    }
    for (const [stream, head] of before) if (this.head(stream) === head) before.delete(stream);
  }

  #keysOf(session: string): Set<string> {
    const keys = this.#keys.get(session) ?? new Set<string>();
    this.#keys.set(session, keys);
    return keys;
  }
}
