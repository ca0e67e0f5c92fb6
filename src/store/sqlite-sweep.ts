/** Retention in SQLite, in bounded steps: expires sessions, trims and drops streams, forgets keys. */

import type { ResultOf } from "./operation.ts";
import type { Retention } from "./port.ts";
import type { SqliteKeys } from "./sqlite-keys.ts";
import type { SqliteSessions } from "./sqlite-sessions.ts";
import type { SqliteStreams } from "./sqlite-streams.ts";
import { isOwnStream, lowToKeep } from "./stream-row.ts";
import type { StreamRow } from "./stream-row.ts";

export class SqliteSweep {
  readonly #streams: SqliteStreams;
  readonly #sessions: SqliteSessions;
  readonly #keys: SqliteKeys;
  #limits = "";

  constructor(streams: SqliteStreams, sessions: SqliteSessions, keys: SqliteKeys) {
    this.#streams = streams;
    this.#sessions = sessions;
    this.#keys = keys;
  }

  /** Does one step; `more` says that a limit was reached, and that the next step has something to do. */
  step(retention: Retention): ResultOf<"sweep"> {
    this.#lookAgainIfChanged(retention);
    const expiredSessions = this.#sessions.expire(retention.now, sessionsPerStep);
    const forgottenKeys = this.#keys.forgetOlder(retention.now - retention.keyAgeMs, keysPerStep);
    const foundAll = this.#findRestless(retention);
    const { trimmedEntries, trimmedAll } = this.#trimRestless(retention);
    const { droppedStreams, droppedAll } = this.#dropOrphans(retention);
    const limited = expiredSessions.length === sessionsPerStep || forgottenKeys === keysPerStep;
    const more = limited || !foundAll || !trimmedAll || !droppedAll;
    return { expiredSessions, trimmedEntries, droppedStreams, more };
  }

  /** Other limits may concern streams at which nothing has happened. */
  #lookAgainIfChanged(retention: Retention): void {
    const described = JSON.stringify({ ...retention, now: 0 });
    if (described !== this.#limits) this.#streams.scanAfter = 0;
    this.#limits = described;
  }

  /** Adds the streams that have become old, and after a start, page by page, all streams. */
  #findRestless(retention: Retention): boolean {
    const { restless } = this.#streams;
    const { now, entryAgeMs, mailboxAgeMs } = retention;
    const old = [
      this.#streams.idsOlder({ mailbox: false, holdsPassed: false }, now - entryAgeMs, streamsPerStep),
      this.#streams.idsOlder({ mailbox: true, holdsPassed: false }, now - mailboxAgeMs, streamsPerStep),
      this.#streams.idsOlder(
        { mailbox: true, holdsPassed: true },
        now - Math.min(entryAgeMs, mailboxAgeMs),
        streamsPerStep,
      ),
    ];
    for (const ids of old) for (const id of ids) restless.add(id);
    if (this.#streams.scanAfter !== undefined) {
      const ids = this.#streams.idsAfter(this.#streams.scanAfter, streamsPerStep);
      for (const id of ids) restless.add(id);
      this.#streams.scanAfter = ids.length === streamsPerStep ? ids.at(-1) : undefined;
    }
    return this.#streams.scanAfter === undefined && old.every((ids) => ids.length < streamsPerStep);
  }

  #trimRestless(retention: Retention): { trimmedEntries: number; trimmedAll: boolean } {
    const { restless } = this.#streams;
    let trimmedEntries = 0;
    let looked = 0;
    for (const id of restless) {
      if (looked === streamsPerStep) return { trimmedEntries, trimmedAll: false };
      looked += 1;
      const row = this.#streams.findById(id);
      if (row !== undefined) trimmedEntries += this.#trim(row, retention, entriesPerStep - trimmedEntries);
      if (trimmedEntries >= entriesPerStep) return { trimmedEntries, trimmedAll: false };
      restless.delete(id);
      if (row !== undefined) this.#markOrphan(row, retention.now);
    }
    return { trimmedEntries, trimmedAll: true };
  }

  /** Trims at most `limit` entries. Returns how many it has. */
  #trim(row: StreamRow, retention: Retention, limit: number): number {
    const readers = this.#streams.readers(row);
    const low = lowToKeep(row, readers, retention, (time) => this.#streams.firstSince(row, time, limit));
    const end = Math.min(low, row.low + limit, row.head + 1);
    const trimmed = end > row.low ? this.#streams.trim(row, end) : 0;
    const holdsPassed = readers.passed !== undefined && readers.passed >= row.low;
    if (holdsPassed !== row.holdsPassed) {
      row.holdsPassed = holdsPassed;
      this.#streams.changed(row);
    }
    return trimmed;
  }

  #markOrphan(row: StreamRow, now: number): void {
    const orphanedAt = this.#isOrphan(row) ? (row.orphanedAt ?? now) : undefined;
    if (orphanedAt === row.orphanedAt) return;
    row.orphanedAt = orphanedAt;
    this.#streams.changed(row);
  }

  #dropOrphans(retention: Retention): { droppedStreams: number; droppedAll: boolean } {
    // What was marked in this step is not written yet; it is not due before the next sweep anyway.
    const ids = this.#streams.idsOrphaned(retention.now - retention.entryAgeMs, streamsPerStep);
    let droppedStreams = 0;
    for (const id of ids) {
      const row = this.#streams.findById(id);
      if (row === undefined) continue;
      if (this.#isOrphan(row)) {
        this.#streams.drop(row);
        droppedStreams += 1;
      } else {
        row.orphanedAt = undefined;
        this.#streams.changed(row);
      }
    }
    return { droppedStreams, droppedAll: ids.length < streamsPerStep };
  }

  /** A session's own stream has no membership, but the session is still to read it. */
  #isOrphan(row: StreamRow): boolean {
    if (row.head >= row.low || row.mailbox || this.#streams.hasMembers(row)) return false;
    return !isOwnStream(row.key, (session) => this.#sessions.find(session)?.namespace);
  }
}

/** Together they keep a step at some tens of milliseconds. */
const sessionsPerStep = 100;
const keysPerStep = 1000;
const streamsPerStep = 1000;
const entriesPerStep = 2000;
