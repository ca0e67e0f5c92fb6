/** What the programs of these tests say to each other, and what they write down. */

import type { Kind } from "../harness/server.ts";

/**
 * One line of a node's ledger file. Each is with the kernel before anything else happens, so that SIGKILL
 * takes none away.
 */
export type LedgerLine =
  /** A publish is about to be called: from here on the entry may appear. */
  | { readonly kind: "attempt"; readonly room: string; readonly id: string }
  /**
   * It has its receipt: from here on the entry has to appear. Stock Socket.IO gives none, and has no place.
   */
  | {
      readonly kind: "receipt";
      readonly room: string;
      readonly id: string;
      readonly place?: Place;
      readonly durability?: string;
    }
  /** It was refused, which says nothing about whether the entry is stored. */
  | { readonly kind: "failure"; readonly room: string; readonly id: string; readonly error: string }
  /** A handler was called. */
  | {
      readonly kind: "handled";
      readonly client: string;
      readonly id: number;
      readonly pid: number;
      readonly at: number;
    };

/** Where an entry stands in its room. */
export type Place = { readonly epoch: string; readonly offset: number };

/** What became visible at a client, in the order in which it did. */
export type Moment =
  | { readonly kind: "connect"; readonly recovered: boolean }
  | { readonly kind: "entry"; readonly room: string; readonly id: string }
  | {
      readonly kind: "gap";
      readonly room: string;
      readonly from: number;
      readonly to: number;
      readonly reason: string;
    };

export type TravellerReport = {
  readonly name: string;
  readonly rooms: readonly string[];
  readonly moments: readonly Moment[];
  readonly emitted: number;
  readonly acknowledged: readonly { readonly id: number; readonly at: number }[];
  readonly rejected: readonly { readonly id: number; readonly error: string }[];
  /** How many events reached a terminal state a second time. */
  readonly settledTwice: number;
  readonly isResident: boolean;
};

/**
 * The published event `entry` has these two arguments. The number is the publisher's own, within the room.
 */
export type EntryArguments = readonly [room: string, id: string];

/** The event `work` of a client. */
export type Work = { readonly id: number; readonly publishTo?: string };

/** What a client puts into its `auth`. */
export type Introduction = { readonly name: string; readonly rooms: readonly string[] };

/** A resident stays on the connection that it has, if it can. */
export type TravellerPlan = Introduction & { readonly resident?: boolean };

export type NodeProgramOptions = {
  readonly kind: Kind;
  /** Name of the publisher, `node 0` and so on. */
  readonly name: string;
  readonly port: number;
  /** Address of the store; for stock Socket.IO that of its Redis. */
  readonly store: string;
  readonly ledgerFile: string;
  readonly delivery?: Readonly<Record<string, unknown>>;
};

export type TalkInput = {
  /** Taken in turn. */
  readonly rooms: readonly string[];
  /** Entries a second. */
  readonly rate: number;
};

/** Of what a node publishes on its own account. */
export type NodeProgress = {
  readonly attempts: number;
  readonly receipts: number;
  /** Attempts that have neither a receipt nor a refusal. */
  readonly waiting: number;
  /** The latest refusals, those of handlers included. */
  readonly failures: readonly string[];
};

export type TravellersOptions = {
  readonly kind: Kind;
  readonly ports: readonly number[];
  readonly travellers: readonly TravellerPlan[];
  /** How long a connection lasts, on average; 0 for ever. */
  readonly dropEveryMs: number;
  /** Each traveller emits an event so often; 0 never. Every second one is published by its handler. */
  readonly emitEveryMs: number;
};
