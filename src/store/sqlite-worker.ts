/** The worker thread that owns the SQLite connection: one transaction per batch. */

import { parentPort, workerData } from "node:worker_threads";
import type { ErrorCode } from "../protocol/errors.ts";
import { applyOperation, isRead } from "./operation.ts";
import { SqliteCheckpoints } from "./sqlite-checkpoints.ts";
import {
  asNumber,
  errorCodeOf,
  firstRow,
  isBusy,
  openDatabase,
  prepare,
  waitForNoLock,
} from "./sqlite-database.ts";
import type { Database, Statement } from "./sqlite-database.ts";
import { migrate, SchemaNewer } from "./sqlite-schema.ts";
import { SqliteTables } from "./sqlite-tables.ts";
import { decodeOperation, encodeResult } from "./sqlite-wire.ts";
import type { Command, Report, WireOperation, WireResult, WorkerOptions } from "./sqlite-wire.ts";

class SqliteWorker {
  readonly #database: Database;
  readonly #tables: SqliteTables;
  readonly #checkpoints: SqliteCheckpoints;
  readonly #begin: { readonly reading: Statement; readonly writing: Statement };
  readonly #commit: Statement;
  readonly #dataVersion: Statement;
  readonly #busyTimeoutMs: number;
  #seenVersion = 0;

  constructor(options: WorkerOptions) {
    this.#database = openDatabase(options.file, options);
    migrate(this.#database);
    if (options.maxPages !== undefined) this.setMaxPages(options.maxPages);
    this.#tables = new SqliteTables(this.#database);
    this.#checkpoints = new SqliteCheckpoints(this.#database);
    this.#begin = {
      reading: prepare(this.#database, "BEGIN"),
      writing: prepare(this.#database, "BEGIN IMMEDIATE"),
    };
    this.#commit = prepare(this.#database, "COMMIT");
    this.#dataVersion = prepare(this.#database, "PRAGMA data_version");
    this.#busyTimeoutMs = options.busyTimeoutMs;
    waitForNoLock(this.#database);
  }

  /** Commits a batch and returns its results, or throws and leaves nothing of it. */
  commit(batch: readonly WireOperation[]): WireResult[] {
    const operations = batch.map(decodeOperation);
    const reading = operations.every((operation) => isRead(operation.kind));
    try {
      this.#beginWhenFree(reading ? this.#begin.reading : this.#begin.writing);
      const results = operations.map((operation) =>
        encodeResult(operation, applyOperation(this.#tables.handlers, operation)),
      );
      this.#tables.flush();
      this.#commit.run();
      return results;
    } catch (error) {
      this.#tables.discard();
      // SQLite has rolled back by itself after some errors. If this fails, the thread dies and is replaced.
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw error;
    }
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
    const version = asNumber(firstRow(this.#dataVersion)?.[0]);
    if (version !== this.#seenVersion) this.#tables.discard();
    this.#seenVersion = version;
  }
}

/** Nobody wakes it: a wait on it is a sleep of this thread. */
const sleeper = new Int32Array(new SharedArrayBuffer(4));
/** A batch takes the lock for a fraction of a millisecond to some milliseconds. */
const lockPauseMs = 1;

function main(): void {
  const port = parentPort;
  if (port === null) throw new Error("sqlite-worker runs on a worker thread only");
  const report = (message: Report) => port.postMessage(message);
  let worker: SqliteWorker;
  try {
    worker = new SqliteWorker(workerData as WorkerOptions);
  } catch (error) {
    const [code, detail] = reasonOf(error);
    report(["refused", code, `${(workerData as WorkerOptions).file}: ${detail}`]);
    return;
  }
  port.on("message", (command: Command) => {
    switch (command[0]) {
      case "batch":
        return commit(command[1]);
      case "maxPages":
        worker.setMaxPages(command[1]);
        return report(["done"]);
      case "close":
        worker.close();
        report(["done"]);
        return port.close();
    }
  });
  report(["ready"]);

  function commit(batch: readonly WireOperation[]): void {
    let results: WireResult[];
    try {
      results = worker.commit(batch);
    } catch (error) {
      return report(["failed", ...reasonOf(error)]);
    }
    report(["committed", results]);
    worker.afterCommit();
  }
}

function reasonOf(error: unknown): [code: ErrorCode, detail: string] {
  if (error instanceof SchemaNewer) return ["store_newer", error.message];
  return [errorCodeOf(error), error instanceof Error ? error.message : String(error)];
}

main();
