/** Memberships: who reads which stream, from where, and how members are chosen. */

import type { Position, StreamHead } from "./port.ts";

/** A session's membership of one room, as stored. `base` is where membership began. */
export type Membership = {
  readonly room: string;
  readonly head: StreamHead;
  readonly base: Position;
  /** The consumer whose durable cursor this membership reads with; absent for ordinary rooms. */
  readonly cursor?: string;
  /** Whether the client is told the room's name. */
  readonly show: boolean;
};

/**
 * Where a new member starts: at the head, some entries back, after a known offset, or at a consumer's cursor.
 */
export type JoinFrom =
  | { readonly kind: "head" }
  | { readonly kind: "last"; readonly count: number }
  | { readonly kind: "after"; readonly offset: number }
  | { readonly kind: "cursor"; readonly consumer: string };

/** Chooses sessions as Socket.IO chooses sockets: in any of `rooms` (all when empty), in none of `except`. */
export type SessionSelector = {
  readonly namespace: string;
  readonly rooms: readonly string[];
  readonly except: readonly string[];
};

export type EnrollRequest = {
  readonly selector: SessionSelector;
  readonly rooms: readonly { readonly room: string; readonly key: string }[];
  /** Whether clients are told the rooms' names. */
  readonly show: boolean;
};

export type Enrolled = { readonly session: string; readonly membership: Membership };
