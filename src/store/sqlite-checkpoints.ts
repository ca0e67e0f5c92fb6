/**
 * When the write-ahead log is copied back into the database file. PASSIVE never waits for a reader or a
 * writer of another process; what it could not copy is left for the next time.
 */

import { asNumber, asText, firstRow, prepare } from "./sqlite-database.ts";
import type { Database, Statement } from "./sqlite-database.ts";

export class SqliteCheckpoints {
  readonly #checkpoint: Statement;
  /** Undefined before SQLite 3.51, which cannot tell the size of the log without a checkpoint. */
  readonly #measure: Statement | undefined;
  #commitsSince = 0;
  #pagesAtLast = 0;
  #idleTimer: NodeJS.Timeout | undefined;

  constructor(database: Database) {
    this.#checkpoint = prepare(database, "PRAGMA wal_checkpoint(PASSIVE)");
    const version = asText(firstRow(prepare(database, "SELECT sqlite_version()"))?.[0]);
    const [major = 0, minor = 0] = version.split(".").map(Number);
    const canMeasure = major > 3 || minor >= 51;
    this.#measure = canMeasure ? prepare(database, "PRAGMA wal_checkpoint(NOOP)") : undefined;
  }

  /** Called after each commit, when its caller has its answer. */
  committed(): void {
    this.#commitsSince += 1;
    if (this.#isDue()) this.run();
    else this.#whenIdle();
  }

  /** A checkpoint that fails loses nothing: the log stays, and the next commit tries again. */
  run(): void {
    this.stop();
    this.#commitsSince = 0;
    try {
      const [, logged, copied] = firstRow(this.#checkpoint) ?? [];
      this.#pagesAtLast = Math.max(0, asNumber(logged) - asNumber(copied));
    } catch {
      this.#pagesAtLast = 0;
    }
  }

  stop(): void {
    clearTimeout(this.#idleTimer);
    this.#idleTimer = undefined;
  }

  #isDue(): boolean {
    if (this.#measure === undefined) return this.#commitsSince >= commitsPerCheckpoint;
    const [, logged, copied] = firstRow(this.#measure) ?? [];
    // What a reader kept from being copied last time does not make the next checkpoint due.
    return asNumber(logged) - asNumber(copied) - this.#pagesAtLast >= pagesPerCheckpoint;
  }

  #whenIdle(): void {
    if (this.#idleTimer !== undefined) {
      this.#idleTimer.refresh();
      return;
    }
    this.#idleTimer = setTimeout(() => this.run(), idleMs);
  }
}

/**
 * 8 MiB of log: under load the next batch then waits for a checkpoint once in some ten thousand operations.
 */
const pagesPerCheckpoint = 2048;
const commitsPerCheckpoint = 200;
const idleMs = 500;
