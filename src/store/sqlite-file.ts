/**
 * One connection to a SQLite file: batches of operations as transactions. The shipped store owns one on a
 * worker thread; it needs no thread of its own.
 */

import { randomBytes } from "node:crypto";
import { applyOperation, isRead } from "./operation.ts";
import type { Operation, Result } from "./operation.ts";
import type { CommittedEntry } from "./port.ts";
import { SqliteCheckpoints } from "./sqlite-checkpoints.ts";
import { asNumber, firstRow, isBusy, prepare, waitForNoLock } from "./sqlite-database.ts";
import type { Database, Statement } from "./sqlite-database.ts";
import { SqliteFollower } from "./sqlite-follower.ts";
import type { OwnCommits } from "./sqlite-follower.ts";
import { SqliteTables } from "./sqlite-tables.ts";
import { openMigrated } from "./sqlite-upgrade.ts";

export type SqliteFileOptions = {
  readonly file: string;
  readonly busyTimeoutMs: number;
  /** `PRAGMA max_page_count`; undefined for SQLite's own. */
  readonly maxPages: number | undefined;
  /** The last commit whose entries were announced by a worker before this one; undefined for the first. */
  readonly followFrom?: number | undefined;
};

export class SqliteFile {
  readonly #database: Database;
  readonly #tables: SqliteTables;
  readonly #checkpoints: SqliteCheckpoints;
  readonly #begin: { readonly reading: Statement; readonly writing: Statement };
  readonly #commit: Statement;
  readonly #dataVersion: Statement;
  readonly #busyTimeoutMs: number;
  readonly #follower: SqliteFollower;
  #own: OwnCommits | undefined;
  #seenVersion: number;

  /**
   * Opens the file, creating it. `newEpoch` names a new stream's history; it is for repeatable runs, and
   * random otherwise.
   *
   * @throws {SchemaNewer} for a file of a later version; {SchemaInUse} for one of an earlier version that
   *   others have open; SQLite's own errors for one that cannot be opened.
   */
  constructor(options: SqliteFileOptions, newEpoch: () => string = randomEpoch) {
    this.#database = openMigrated(options.file, options);
    if (options.maxPages !== undefined) this.setMaxPages(options.maxPages);
    this.#tables = new SqliteTables(this.#database, newEpoch);
    this.#checkpoints = new SqliteCheckpoints(this.#database);
    this.#begin = {
      reading: prepare(this.#database, "BEGIN"),
      writing: prepare(this.#database, "BEGIN IMMEDIATE"),
    };
    this.#commit = prepare(this.#database, "COMMIT");
    this.#dataVersion = prepare(this.#database, "PRAGMA data_version");
    this.#busyTimeoutMs = options.busyTimeoutMs;
    waitForNoLock(this.#database);
    this.#seenVersion = this.#version();
    this.#follower = new SqliteFollower(this.#database, options.followFrom);
  }

  /** The last commit whose entries need not be announced any more. */
  get followed(): number {
    return this.#follower.seen;
  }

  /** True when `follow` has more to say. */
  get behind(): boolean {
    return this.#follower.behind;
  }

  /** Commits a batch, or throws and leaves nothing of it. */
  commit(operations: readonly Operation[]): Result[] {
    const reading = operations.every((operation) => isRead(operation.kind));
    try {
      this.#beginWhenFree(reading ? this.#begin.reading : this.#begin.writing);
      const results = operations.map((operation) => applyOperation(this.#tables.handlers, operation));
      this.#tables.flush();
      this.#commit.run();
      this.#own = this.#tables.takeOwnCommits();
      return results;
    } catch (error) {
      this.#tables.discard();
      this.#tables.takeOwnCommits();
      // SQLite has rolled back by itself after some errors. If this fails, the thread dies and is replaced.
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw error;
    }
  }

  /**
   * Returns a page of what others have committed before the last batch of this connection; then looks whether
   * there is more, see `behind`. Costs microseconds when there is nothing. Outside of the batch's
   * transaction, so that nobody waits for the lock meanwhile.
   */
  follow(): readonly CommittedEntry[] {
    const entries = this.#follower.read(this.#own);
    this.#own = undefined;
    this.#discardIfForeign();
    return entries;
  }

  afterCommit(): void {
    this.#checkpoints.committed();
  }

  setMaxPages(pages: number): void {
    this.#database.exec(`PRAGMA max_page_count = ${Math.trunc(pages)}`);
  }

  close(): void {
    this.#checkpoints.stop();
    this.#database.close();
  }

  /**
   * Waits for the lock itself: SQLite's own pauses grow to 100 ms, so that of several processes under load
   * the one that has just committed gets the lock again and again.
   */
  #beginWhenFree(begin: Statement): void {
    const deadline = performance.now() + this.#busyTimeoutMs;
    for (;;) {
      try {
        begin.run();
        return this.#discardIfForeign();
      } catch (error) {
        if (!isBusy(error) || performance.now() > deadline) throw error;
        if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
        Atomics.wait(sleeper, 0, 0, lockPauseMs * Math.random());
      }
    }
  }

  /** The version changes when another connection has committed; then rows in memory may be old. */
  #discardIfForeign(): void {
    const version = this.#version();
    if (version === this.#seenVersion) return;
    this.#seenVersion = version;
    this.#tables.discard();
    this.#follower.noteOthers();
  }

  #version(): number {
    return asNumber(firstRow(this.#dataVersion)?.[0]);
  }
}

/** Nobody wakes it: a wait on it is a sleep of this thread. */
const sleeper = new Int32Array(new SharedArrayBuffer(4));
/** A batch takes the lock for a fraction of a millisecond to some milliseconds. */
const lockPauseMs = 1;

function randomEpoch(): string {
  return randomBytes(epochBytes).toString("base64url");
}

/** 64 bits: two histories of one stream never get the same name by chance. Twelve characters of base64url. */
const epochBytes = 9;
