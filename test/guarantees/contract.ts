/** What the test and its server program say to each other. */

import type { DeliveryOptions, NodeFigures } from "holdfast";
import type { ServerOptions } from "socket.io";

/** Legitimate names of events and rooms that a careless implementation stumbles over. */
export const peculiarNames = [
  "__proto__",
  "constructor",
  "toString",
  "hasOwnProperty",
  "end",
  "resume",
  "suspend",
  "moved",
  "session",
] as const;
export type PeculiarName = (typeof peculiarNames)[number];

/** In place of a room: the whole namespace. */
export const everyone = "*";

export type ProgramOptions = {
  readonly port?: number;
  readonly server?: Partial<ServerOptions>;
  /** As far as it can be written as JSON. */
  readonly delivery?: DeliveryOptions;
  /** Adds an `authorize` function that refuses the rooms of the command `deny`. */
  readonly authorizes?: boolean;
  /** Each handler call is a line here. */
  readonly handledFile: string;
};

/** What a client puts into its `auth`. */
export type Introduction = {
  readonly name: string;
  /** Joined once per session. */
  readonly rooms?: readonly string[];
  readonly principal?: string;
};

/** The argument of the event `call`. */
export type Call = {
  readonly id: number;
  readonly payload?: string | Uint8Array;
  readonly delayMs?: number;
  /** The handler publishes the id to this room, or to these as one event, before it answers. */
  readonly publishTo?: string | string[];
  /** The answer carries so many characters more. */
  readonly answerCharacters?: number;
};

/** The room of an entry that was published to several is "several". */
export type Entry = { readonly room: string; readonly id: number; readonly from?: string };

/** One call of the handler of `call`. */
export type Handled = {
  readonly name: string;
  readonly id: number;
  readonly session: string;
  readonly pid: number;
  /** Where the call stands in the record of all calls, in bytes. */
  readonly place: number;
};

export type Answered = { readonly value: unknown } | { readonly error: string };
export type Asked = { readonly answers: Answered[] };

export type Extent = { readonly low: number; readonly head: number };

export type Reports = {
  readonly publishFailed: string[];
  readonly refused: string[];
  readonly storeErrors: string[];
  readonly sessionEvents: string[];
};

export type Status = {
  readonly sockets: number;
  /** Characters in the write buffer of each connection. */
  readonly waitingToBeWritten: readonly number[];
  readonly figures: NodeFigures;
  readonly reports: Reports;
};
