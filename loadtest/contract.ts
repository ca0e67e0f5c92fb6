/** What conductor, servers, virtual users and ledger say to each other. */

import type { Dialect } from "./target/dialect.ts";

/** Who is under load. */
export type Kind = "holdfast" | "stock" | "retries" | "csr" | "csr-redis";

/** What the virtual users are told. Moments are milliseconds after the start. */
export type Plan = {
  readonly kind: Kind;
  /** Of the edge; client i takes the one at i modulo their number. */
  readonly urls: readonly string[];
  /** Of the ledger. */
  readonly ledger: string;
  readonly clients: number;
  /** Of these, so many in one virtual user: 1 with the shipped client. */
  readonly clientsPerUser: number;
  readonly seed: number;
  readonly roomSize: number;
  /** Clients connect evenly spread over this time. */
  readonly connectMs: number;
  /** Between these two everybody emits and publishes. */
  readonly talkFromMs: number;
  readonly talkUntilMs: number;
  /** Each client emits this often. */
  readonly emitEveryMs: number;
  /** After this much more time a client reports, whether or not it has all that it waits for. */
  readonly settleMs: number;
  /** Clients load their page anew this often. */
  readonly reloadEveryMs?: number | undefined;
  /** Of an application that is not the load test's own. */
  readonly dialect?: Dialect | undefined;
  /** Tells the entries and rooms of this run from those of others. */
  readonly run?: string;
  /** Addresses that are reached elsewhere: through a link that can be broken. */
  readonly hosts?: Readonly<Record<string, string>>;
  /** Certificates are not verified. */
  readonly insecure?: boolean;
};

/** What `setup` adds to the plan: when it was. Milliseconds since 1970. */
export type StartedPlan = Plan & { readonly startedAt: number };

/** What k6's `setup` tells the ledger: the start, and how far the two clocks are apart. */
export type Start = {
  readonly startedAt: number;
  readonly skewMs: number;
  readonly roundTripMs: number;
};

/** How clients introduce themselves. */
export type Introduction = { readonly client: number; readonly rooms: readonly string[] };

/** Argument of the event "work"; a handler that is given a room publishes there, then replies. */
export type Work = { readonly id: number; readonly intendedAt: number; readonly publishTo?: string };

/** What the handler replies to event `id` of a client. */
export function replyTo(client: number, id: number): string {
  return `${client}/${id}/${(client * 31 + id * 17) % 997}`;
}

/**
 * A part of what a client has seen, sent to `POST /clients`, which takes an array of them. Moments are
 * milliseconds since 1970. Rows are flat, because a row of its own costs more than its numbers.
 */
export type ClientPart = {
  readonly client: number;
  /** Counts from 1; one that is missing makes the run invalid. */
  readonly part: number;
  readonly rooms: readonly string[];
  readonly transport: string;
  /** Names that `arrivals` counts through. They grow from part to part. */
  readonly publishers: readonly string[];
  /** Publisher, sequence, room (places in the lists above), moment. */
  readonly arrivals: readonly number[];
  /** Id, when it was due, when it was emitted. */
  readonly emits: readonly number[];
  /**
   * Id, moment, and how it ended: 1 as expected, 0 with another reply, -1 with an error, 2 with the page that
   * waited for it.
   */
  readonly answers: readonly number[];
  /** Of the emits, those that publish: id, room (a place in the list above). */
  readonly says: readonly number[];
  readonly moments: readonly Moment[];
  /** In the last part: how things stood at the end. */
  readonly end?: ClientEnd;
};

export type ClientEnd = {
  readonly at: number;
  readonly connected: boolean;
  /** Events without an answer. */
  readonly pending: number;
};

export type Moment =
  | { readonly kind: "connect"; readonly at: number; readonly recovered: boolean }
  | {
      readonly kind: "arrive" | "disconnect" | "error" | "refused" | "downgrade";
      readonly at: number;
      readonly text?: string;
    }
  | {
      readonly kind: "gap";
      readonly at: number;
      readonly stream: number;
      readonly from: number;
      readonly to: number;
      readonly reason: string;
    };

/**
 * A line of `POST /servers`, JSON, one a line, in the order in which it happened:
 *
 * - `try`: a publish begins; when it was due, and when it was called.
 * - `ok`: the publish was acknowledged; with Holdfast, with its place.
 * - `no`: it was refused, or failed.
 * - `run`: a handler is called for event `id` of a client; `key` names the event over all runs.
 */
export type ServerLine =
  | ["try", publisher: string, sequence: number, room: string, intendedAt: number, calledAt: number]
  | ["ok", publisher: string, sequence: number, at: number, place?: ReceiptPlace]
  | ["no", publisher: string, sequence: number, error: string]
  | ["run", client: number, id: number, at: number, key: string];

export type ReceiptPlace = {
  readonly stream: number;
  readonly epoch: string;
  readonly offset: number;
  readonly durability: string;
};

/** What the conductor did, or saw; `POST /moments`. */
export type Happening = {
  readonly at: number;
  readonly text: string;
  /** Names of the servers that were killed by it. What they ran may run again elsewhere. */
  readonly killed?: readonly string[];
};

/** A stretch in which a server has to publish so many entries a second. */
export type Talk = {
  /** The name that its entries carry. */
  readonly publisher: string;
  readonly rate: number;
  readonly from: number;
  readonly until: number;
};

/** The answer to `POST /clients`: when the talk ends, if that has changed. */
export type ClientAnswer = { readonly talkUntilMs?: number };

export const everybody = "everybody";

/** Publishes the last entry of each room: who has been shown it has been shown all before it. */
export const lastPublisher = "end";

/** A client leaves when nothing has happened for so long; what was published since then is not owed to it. */
export const quietMs = 3_000;

/** The name that entries carry which a client had published. */
export function publisherOf(client: number): string {
  return `client ${client}`;
}

export function roomOf(client: number, roomSize: number): string {
  return `room ${Math.floor(client / roomSize)}`;
}
