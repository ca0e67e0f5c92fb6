/**
 * What happened in a run, as the checkers and people read it. Nothing in it comes from the code under test's
 * inside.
 */

export type Fact =
  | { kind: "fault"; what: string; detail: string }
  | { kind: "node"; node: string; what: "start" | "crash" | "drain" | "closed" }
  | { kind: "frozen"; process: string; until: number }
  // `from`: the page whose saved session it was opened with.
  | { kind: "page"; page: string; what: "open" | "gone"; from: string }
  | { kind: "copied"; page: string; seat: string }
  | { kind: "connect"; page: string; session: string; resumed: boolean; generation: number }
  | { kind: "disconnect"; page: string; reason: string }
  | { kind: "emit"; page: string; session: string; sequence: number; id: string; plan: string }
  | { kind: "renumbered"; page: string; session: string; from: number; to: number }
  | { kind: "settled"; page: string; session: string; sequence: number; error: string; value: string }
  | {
      kind: "shown";
      page: string;
      session: string;
      stream: number;
      offset: number;
      id: string;
      aside: string;
    }
  | {
      kind: "gap";
      page: string;
      session: string;
      stream: number;
      from: number;
      to: number;
      reason: string;
    }
  | { kind: "reset"; page: string }
  // What a process says of its tables and of the store's, whenever it has changed.
  | { kind: "figures"; node: string; figures: Sample }
  // Not taken by the client's outbox, which had so many events.
  | { kind: "untaken"; page: string; id: string; error: string; pending: number; characters: number }
  | { kind: "act"; node: string; what: "kick" | "ban" | "socketsLeave" | "socketsJoin"; detail: string }
  | { kind: "denied"; node: string; session: string; room: string }
  // Volatile: sent by a node or a page, and taken by a page or a node.
  | { kind: "flash"; by: string; id: string }
  | { kind: "flashed"; at: string; id: string }
  | {
      kind: "ordered";
      node: string;
      key: string;
      id: string;
      error: string;
      stream: number;
      offset: number;
      duplicate: boolean;
    }
  | { kind: "refused"; page: string; session: string; code: string; detail?: string }
  | { kind: "run"; node: string; session: string; sequence: number; id: string }
  | { kind: "ran"; node: string; session: string; sequence: number; id: string; how: string }
  | { kind: "receipt"; node: string; id: string; stream: number; offset: number; epoch: string }
  | { kind: "unpublished"; node: string; id: string; error: string }
  // `timeoutMs` 0: without one.
  | { kind: "asked"; node: string; session: string; id: string; timeoutMs: number }
  | { kind: "answered"; node: string; session: string; id: string; error: string; value: string }
  // The answer to an answer.
  | { kind: "thanked"; page: string; id: string; value: string }
  // What the store has committed.
  | {
      kind: "appended";
      stream: number;
      key: string;
      epoch: string;
      offset: number;
      id: string;
      except: readonly string[];
      /**
       * The session and the sequence that it has its key from; empty where it has none, or one of its own.
       */
      by: string;
      /** The same event's places in other streams. */
      also: readonly (readonly [stream: number, offset: number])[];
    }
  /**
   * A process says something to another one; `trimmed`: some of what it was told is not kept any more;
   * `unheard`: the other one hears of it late or not at all.
   */
  | { kind: "word"; node: string; by: string; what: string }
  | { kind: "recorded"; node: string; session: string; sequence: number; status: string }
  | { kind: "opened"; session: string; stream: number; base: number }
  | { kind: "resumed"; session: string; generation: number; node: string }
  /** A node has heard of its resume; until then it runs what the holder before says. */
  | { kind: "holding"; session: string; generation: number; node: string }
  // Somebody asked for it by whose clock its life is over; the store still has it.
  | { kind: "overdue"; session: string }
  /** The store has taken a write of one who held the session before. */
  | { kind: "unfenced"; session: string; operation: string; generation: number; held: number }
  /** A node ends the session; the store may not answer for a while. */
  | { kind: "ending"; session: string; node: string }
  | { kind: "ended"; session: string; why: "ended" | "expired" | "rewound" }
  | {
      kind: "joined";
      session: string;
      room: string;
      stream: number;
      /** Where the join asked to begin: `head`, `last 3`, `after 7`, `cursor ann`. */
      from: string;
      consumer: string;
      base: number;
      low: number;
      head: number;
    }
  // Asked for; it moves only forward.
  | { kind: "cursor"; consumer: string; stream: number; epoch: string; offset: number }
  | { kind: "left"; session: string; room: string; head: number }
  | { kind: "trimmed"; stream: number; low: number }
  /** The store has refused a batch that begins with this, for want of space. */
  | { kind: "full"; operation: string }
  // Whatever the store had committed after `to` is lost: so many operations.
  | { kind: "rewound"; to: number; renewed: boolean; lost: number }
  /** A node has written what the protocol does not allow. */
  | { kind: "written"; node: string; page: string; what: string }
  | { kind: "wrong"; what: string };

export type Sample = {
  readonly sessions: number;
  readonly suspendedSessions: number;
  readonly runningHandlers: number;
  readonly inboxDepth: number;
  readonly waitingReplies: number;
  readonly storedSessions: number;
  readonly outcomes: number;
  readonly waitingOperations: number;
};

export type Line = { readonly at: number; readonly fact: Fact };

export class History {
  readonly lines: Line[] = [];
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  add(fact: Fact): void {
    this.lines.push({ at: this.#now(), fact });
  }

  of<K extends Fact["kind"]>(kind: K): Extract<Fact, { kind: K }>[] {
    const found: Extract<Fact, { kind: K }>[] = [];
    for (const { fact } of this.lines) if (fact.kind === kind) found.push(fact as Extract<Fact, { kind: K }>);
    return found;
  }

  /** One line per fact; the same seed gives the same text. */
  text(): string {
    return this.lines.map(narrate).join("\n");
  }
}

export function narrate({ at, fact }: Line): string {
  const { kind, ...rest } = fact;
  const parts = Object.entries(rest).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return `${(at / 1000).toFixed(4).padStart(9)} ${kind.padEnd(11)} ${parts.join(" ")}`;
}
