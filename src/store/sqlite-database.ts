/**
 * The one place that touches `node:sqlite`: opening with explicit settings, statements as arrays, error
 * classes.
 */

import * as sqlite from "node:sqlite";
import type { ErrorCode } from "../protocol/errors.ts";

export type Database = sqlite.DatabaseSync;
export type Statement = sqlite.StatementSync;
/** A column of a row: this store keeps only texts, integers below 2^53 and NULL. */
export type Cell = string | number | null;
export type Row = readonly Cell[];

/**
 * Opens a file for writing by several processes.
 *
 * WAL with `synchronous=FULL` syncs the log at every commit; `NORMAL` would lose commits at a power failure.
 * Checkpoints are made by `SqliteCheckpoints`, not by whichever commit happens to cross a page count.
 */
export function openDatabase(file: string, options: { readonly busyTimeoutMs: number }): Database {
  const database = new DatabaseClass(file, { timeout: options.busyTimeoutMs });
  database.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA wal_autocheckpoint = 0;
    PRAGMA journal_size_limit = ${walBytesKept};
    PRAGMA cache_size = -${cacheKibibytes};
    PRAGMA trusted_schema = OFF;
  `);
  return database;
}

/**
 * Opens a file that nobody else has open, and keeps all others out until it is closed. In WAL mode it is the
 * locking mode that does so: every other connection holds a shared lock on the file as long as it is open.
 *
 * @throws SQLite's "busy" at once when there are others.
 */
export function openAlone(file: string): Database {
  const database = new DatabaseClass(file, { timeout: 0 });
  try {
    database.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT");
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/**
 * Opens a file that is only there to be locked, and stays empty: the transaction is never ended. Closing it,
 * or the end of the process, lets the lock go.
 *
 * @throws SQLite's "busy" when another connection has had the lock for `busyTimeoutMs`.
 */
export function openLocked(file: string, options: { readonly busyTimeoutMs: number }): Database {
  const database = new DatabaseClass(file, { timeout: options.busyTimeoutMs });
  try {
    // A journal of its own would be a second file to no purpose.
    database.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Prepares a statement whose rows come as arrays, which is cheaper than objects. */
export function prepare(database: Database, text: string): Statement {
  const statement = database.prepare(text);
  statement.setReturnArrays(true);
  return statement;
}

/** Prepares a table of statements, keeping their names. */
export function prepareAll<Name extends string>(
  database: Database,
  text: Record<Name, string>,
): Record<Name, Statement> {
  const names = Object.keys(text) as Name[];
  const prepared = names.map((name) => [name, prepare(database, text[name])] as const);
  return Object.fromEntries(prepared) as Record<Name, Statement>;
}

/** Returns the first row, undefined when there is none. */
export function firstRow(statement: Statement, ...values: Cell[]): Row | undefined {
  return statement.get(...values) as unknown as Row | undefined;
}

export function allRows(statement: Statement, ...values: Cell[]): readonly Row[] {
  return statement.all(...values) as unknown as readonly Row[];
}

/** Iterates lazily, so that a page stops reading at its limit. */
export function iterateRows(statement: Statement, ...values: Cell[]): Iterable<Row> {
  return statement.iterate(...values) as unknown as Iterable<Row>;
}

/** Returns how many rows the statement changed. */
export function changeRows(statement: Statement, ...values: Cell[]): number {
  return Number(statement.run(...values).changes);
}

export function asNumber(cell: Cell | undefined): number {
  if (typeof cell !== "number") throw new TypeError(`expected a number from SQLite, got ${typeof cell}`);
  return cell;
}

export function asText(cell: Cell | undefined): string {
  if (typeof cell !== "string") throw new TypeError(`expected a text from SQLite, got ${typeof cell}`);
  return cell;
}

/**
 * `SQLITE_FULL` is the store's own limit or the disk's; everything else means that the store does not answer.
 */
export function errorCodeOf(error: unknown): ErrorCode {
  const code = (error as { readonly errcode?: unknown } | undefined)?.errcode;
  return typeof code === "number" && (code & primaryCodeMask) === sqliteFull
    ? "store_full"
    : "store_unavailable";
}

/** Another connection holds the lock. */
export function isBusy(error: unknown): boolean {
  const code = (error as { readonly errcode?: unknown } | undefined)?.errcode;
  return typeof code === "number" && (code & primaryCodeMask) === sqliteBusy;
}

/** From now on a held lock is reported at once instead of waited for. */
export function waitForNoLock(database: Database): void {
  database.exec("PRAGMA busy_timeout = 0");
}

/** Newer versions of Node call the class `Database`. */
const DatabaseClass: typeof sqlite.DatabaseSync =
  (sqlite as { readonly Database?: typeof sqlite.DatabaseSync }).Database ?? sqlite.DatabaseSync;

/** A WAL that a long reader let grow is cut back to this after the next complete checkpoint. */
const walBytesKept = 64 * 1024 * 1024;
const cacheKibibytes = 32 * 1024;

/** Extended result codes keep the primary one in their low byte. */
const primaryCodeMask = 0xff;
const sqliteBusy = 5;
const sqliteFull = 13;
