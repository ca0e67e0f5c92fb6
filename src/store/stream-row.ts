/** One stream as both engines keep it in memory, and what follows from it. */

import { hash } from "node:crypto";
import { namespaceOfKey, roomOfKey } from "../protocol/stream-key.ts";
import type { JoinFrom, Retention, StreamHead } from "./port.ts";

export type StreamRow = {
  readonly id: number;
  readonly key: string;
  epoch: string;
  low: number;
  head: number;
  /** True from the first cursor on. */
  mailbox: boolean;
  /** A mailbox that held entries which every cursor had passed, when a sweep last looked at it. */
  holdsPassed: boolean;
  /** Time of the entry `low`; undefined when none is held. */
  oldestAt: number | undefined;
  /** Time of the sweep that found nothing that needs the stream. */
  orphanedAt: number | undefined;
};

export function headOf(row: StreamRow): StreamHead {
  return { stream: row.id, key: row.key, epoch: row.epoch, low: row.low, head: row.head };
}

/**
 * Returns the offset behind which a new member's entries begin. It is not raised to what is still held: what
 * is missing between base and `low` is a gap that must be reported.
 */
export function baseOffset(row: StreamRow, from: Exclude<JoinFrom, { kind: "cursor" }>): number {
  switch (from.kind) {
    case "head":
      return row.head;
    case "last":
      return Math.max(row.low - 1, row.head - from.count);
    case "after":
      // A base ahead of the log would hide the entries up to it.
      return Math.min(from.offset, row.head);
  }
}

/** What a sweep has to know about the readers of a stream. */
export type Readers = {
  /** Offset that every cursor has passed; undefined for a stream without cursors. */
  readonly passed: number | undefined;
  /** Whether every membership reads with a cursor, and no two with the same one. */
  readonly eachWithOwnCursor: boolean;
};

/**
 * Returns the first offset to keep. `firstSince(time)` returns the first offset that is not older than a
 * time.
 *
 * What every cursor has passed goes at once, unless a session reads without a cursor or shares one: such a
 * session may still have to resume over it, so ordinary retention applies.
 */
export function lowToKeep(
  row: StreamRow,
  readers: Readers,
  retention: Retention,
  firstSince: (time: number) => number,
): number {
  const ordinary = Math.max(
    row.head - retention.entriesPerStream + 1,
    firstSince(retention.now - retention.entryAgeMs),
  );
  if (readers.passed === undefined) return Math.max(row.low, ordinary);
  const passed = readers.passed + 1;
  const mailbox = Math.max(
    row.head - retention.mailboxEntries + 1,
    firstSince(retention.now - retention.mailboxAgeMs),
  );
  return Math.max(row.low, mailbox, readers.eachWithOwnCursor ? passed : Math.min(passed, ordinary));
}

/** Compares payloads without keeping them. 132 bits of SHA-256. */
export function payloadDigest(payload: string): string {
  return hash("sha256", payload, "base64url").slice(0, 22);
}

/** Whether a key is that of a session's own stream, given what is known of sessions by their id. */
export function isOwnStream(key: string, namespaceOf: (session: string) => string | undefined): boolean {
  const namespace = namespaceOfKey(key);
  const session = roomOfKey(namespace, key);
  return session !== undefined && namespaceOf(session) === namespace;
}
