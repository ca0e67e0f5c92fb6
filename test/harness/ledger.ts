/**
 * The ledger: what was emitted, acknowledged and delivered, and the verdict over it. Pure, and outside the
 * code under test: it trusts neither side's counters, only what the application put in and what the
 * application got.
 */

/**
 * Compares what should have come, in order, with what came.
 *
 * `reordered` counts by the definition a user would give: an element is reordered when its first arrival
 * comes after that of an element which stands behind it in `expected`. A duplicate is counted once per
 * surplus arrival, and does not count as reordered as well.
 */
export function judge<Id extends string | number>(
  expected: readonly Id[],
  arrived: readonly Id[],
): Verdict<Id> {
  const placeOf = new Map<Id, number>();
  for (const [place, id] of expected.entries()) {
    if (placeOf.has(id))
      throw new Error(`The ledger expects ${JSON.stringify(id)} twice; give every element its id`);
    placeOf.set(id, place);
  }
  const seen = new Set<Id>();
  const verdict: MutableVerdict<Id> = { lost: [], duplicated: [], reordered: [], unexpected: [] };
  let furthest = -1;
  for (const id of arrived) {
    const place = placeOf.get(id);
    if (place === undefined) verdict.unexpected.push(id);
    else if (seen.has(id)) verdict.duplicated.push(id);
    else if (place < furthest) verdict.reordered.push(id);
    else furthest = place;
    seen.add(id);
  }
  verdict.lost = expected.filter((id) => !seen.has(id));
  return verdict;
}

/** True when nothing was lost, duplicated, reordered or made up. */
export function isClean(verdict: Verdict<string | number>): boolean {
  return Object.values(verdict).every((ids) => ids.length === 0);
}

/**
 * The verdict that `isClean` accepts, for `expect(…).toEqual(clean)`, whose diff then names the ids at fault.
 */
export const clean: Verdict<never> = { lost: [], duplicated: [], reordered: [], unexpected: [] };

/**
 * Server to client: entries of rooms, and what each member received.
 *
 * Call `publish` for each entry, `join` when a client becomes a member, `deliver` for each arrival at the
 * application. The order of a room is that of its offsets where the publisher knows them, and otherwise that
 * of the `publish` calls (which is only right with one publisher).
 */
export class RoomLedger {
  readonly #rooms = new Map<string, RoomEntry[]>();
  readonly #members = new Map<string, Map<string, Membership>>();

  publish(room: string, id: number | string, options: { offset?: number } = {}): void {
    const entries = this.#rooms.get(room) ?? [];
    const last = entries.at(-1);
    if (last !== undefined && (last.offset === undefined) !== (options.offset === undefined)) {
      throw new Error(`Room ${room}: either every entry has an offset or none has`);
    }
    entries.push({ id, offset: options.offset });
    this.#rooms.set(room, entries);
  }

  /** From here on `client` must receive what is published to `room`; with `history` also what already was. */
  join(client: string, room: string, options: { history?: boolean } = {}): void {
    const memberships = this.#members.get(client) ?? new Map<string, Membership>();
    const skipped = options.history === true ? [] : (this.#rooms.get(room) ?? []).map((entry) => entry.id);
    memberships.set(room, { skipped: new Set(skipped), arrived: [] });
    this.#members.set(client, memberships);
  }

  deliver(client: string, room: string, id: number | string): void {
    const membership = this.#members.get(client)?.get(room);
    if (membership === undefined)
      throw new Error(`${client} received ${id} from ${room} and is no member of it`);
    membership.arrived.push(id);
  }

  /** The verdict for one member of one room. */
  verdict(client: string, room: string): Verdict<number | string> {
    const membership = this.#members.get(client)?.get(room);
    if (membership === undefined) throw new Error(`${client} is no member of ${room}`);
    return judge(
      this.#order(room).filter((id) => !membership.skipped.has(id)),
      membership.arrived,
    );
  }

  /** Every membership whose verdict is not clean; empty when all is well. */
  faults(): RoomFault[] {
    const faults: RoomFault[] = [];
    for (const [client, memberships] of this.#members) {
      for (const room of memberships.keys()) {
        const verdict = this.verdict(client, room);
        if (!isClean(verdict)) faults.push({ client, room, verdict });
      }
    }
    return faults;
  }

  /** How many deliveries the verdicts are about; a test asserts it, so that an empty run cannot pass. */
  get deliveries(): number {
    let count = 0;
    for (const memberships of this.#members.values()) {
      for (const membership of memberships.values()) count += membership.arrived.length;
    }
    return count;
  }

  #order(room: string): (number | string)[] {
    const entries = this.#rooms.get(room) ?? [];
    return entries.toSorted((a, b) => (a.offset ?? 0) - (b.offset ?? 0)).map((entry) => entry.id);
  }
}

/**
 * Client to server: the events of each session, their outcomes as the client saw them, and what the handlers
 * saw.
 *
 * An event whose outcome the client never saw may have been handled or not; whether it must have been is the
 * test's to say, through `pending`.
 */
export class SessionLedger {
  readonly #sessions = new Map<string, SessionEvents>();

  emit(session: string, id: number | string): void {
    this.#events(session).emitted.push(id);
  }

  /**
   * The client saw the event's terminal state. A second terminal state of one event is a fault of its own.
   */
  settle(session: string, id: number | string, outcome: Outcome): void {
    const events = this.#events(session);
    if (events.outcomes.has(id)) events.settledTwice.push(id);
    events.outcomes.set(id, outcome);
  }

  /** A handler was called. Record it where it survives the death of the handler's process. */
  handle(session: string, id: number | string): void {
    this.#events(session).handled.push(id);
  }

  /** What became of the session's events. `lost` are the acknowledged ones that no handler saw. */
  verdict(session: string): SessionVerdict {
    const { emitted, outcomes, handled, settledTwice } = this.#events(session);
    const { lost, ...arrival } = judge(emitted, handled);
    return {
      ...arrival,
      lost: lost.filter((id) => outcomes.get(id) === "acknowledged"),
      rejected: emitted.filter((id) => outcomes.get(id) === "rejected"),
      expired: emitted.filter((id) => outcomes.get(id) === "expired"),
      pending: emitted.filter((id) => !outcomes.has(id)),
      settledTwice: [...settledTwice],
    };
  }

  #events(session: string): SessionEvents {
    const known = this.#sessions.get(session);
    if (known !== undefined) return known;
    const fresh: SessionEvents = { emitted: [], handled: [], outcomes: new Map(), settledTwice: [] };
    this.#sessions.set(session, fresh);
    return fresh;
  }
}

/** The session verdict in which every event was acknowledged and handled once, in order. */
export const cleanSession: SessionVerdict = {
  ...clean,
  rejected: [],
  expired: [],
  pending: [],
  settledTwice: [],
};

// --- types ---

export type Verdict<Id> = {
  /** Expected, and never arrived. */
  readonly lost: readonly Id[];
  /** Arrived again; once for each surplus arrival. */
  readonly duplicated: readonly Id[];
  /** First arrived after an element that stands behind it. */
  readonly reordered: readonly Id[];
  /** Arrived, and nobody sent it. */
  readonly unexpected: readonly Id[];
};

export type Outcome = "acknowledged" | "rejected" | "expired";

export type SessionVerdict = Verdict<number | string> & {
  readonly rejected: readonly (number | string)[];
  readonly expired: readonly (number | string)[];
  /** Emitted, without a terminal state so far. */
  readonly pending: readonly (number | string)[];
  /** Reached a second terminal state. */
  readonly settledTwice: readonly (number | string)[];
};

export type RoomFault = {
  readonly client: string;
  readonly room: string;
  readonly verdict: Verdict<number | string>;
};

type MutableVerdict<Id> = { lost: Id[]; duplicated: Id[]; reordered: Id[]; unexpected: Id[] };
type RoomEntry = { readonly id: number | string; readonly offset: number | undefined };
type Membership = { readonly skipped: ReadonlySet<number | string>; readonly arrived: (number | string)[] };
type SessionEvents = {
  readonly emitted: (number | string)[];
  readonly handled: (number | string)[];
  readonly outcomes: Map<number | string, Outcome>;
  readonly settledTwice: (number | string)[];
};
