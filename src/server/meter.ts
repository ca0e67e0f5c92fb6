/**
 * What may be measured: the `delivery.meter` option is called as things happen, on the paths of every
 * message, so it must return at once and must not throw. Without one nothing is measured and no clock is
 * read.
 */

import type { ErrorCode } from "../protocol/errors.ts";
import type { GapReason } from "../protocol/frames.ts";

export type Meter = {
  /** A client with a hello was let in or not: its session goes on, is a new one, or why it was refused. */
  admitted(outcome: "resumed" | "new" | ErrorCode): void;
  /** A client is told that entries cannot be delivered any more. */
  gap(reason: GapReason): void;
  /** From the call of the store to its answer after the commit, milliseconds. */
  appended(durationMs: number): void;
  /** From the announcement of committed entries until every live member has been written to, milliseconds. */
  fannedOut(durationMs: number): void;
  /**
   * Entries of another process were shown: milliseconds since the oldest of them was published, by the clocks
   * of both.
   */
  followed(durationMs: number): void;
  /** A bounded table or queue has overflowed. */
  limitHit(limit: Limit): void;
};

/** The bounded things of a server, by the names that metrics give them. */
export const limits = [
  "store_queue",
  "replies",
  "suspended_sessions",
  "held_entries",
  "lent_sessions",
  "connection_buffer",
  "event_size",
] as const;
export type Limit = (typeof limits)[number];
