/**
 * Brings a file of an older version up to this one. Only alone: an older process that has the file open would
 * go on writing as if the tables were still those that it knows.
 */

import { isBusy, openAlone, openDatabase } from "./sqlite-database.ts";
import type { Database } from "./sqlite-database.ts";
import { foundVersion, migrate, schemaVersion } from "./sqlite-schema.ts";

/** Others have the file open, and it has to be migrated. */
export class SchemaInUse extends Error {
  override readonly name = "SchemaInUse";
}

/**
 * Opens a file in the schema of this version; a new one is made in it. Waits for others to let an older file
 * go, as long as for a lock.
 *
 * @throws {SchemaInUse} names both versions; also what `migrate` throws.
 */
export function openMigrated(file: string, options: { readonly busyTimeoutMs: number }): Database {
  const deadline = performance.now() + options.busyTimeoutMs;
  for (;;) {
    const database = openDatabase(file, options);
    const found = foundVersion(database);
    if (found === 0 || found >= schemaVersion()) {
      migrate(database);
      return database;
    }
    // Several processes of this version that start together keep each other out only as long as they look.
    database.close();
    if (migrateAlone(file)) continue;
    if (performance.now() > deadline) {
      throw new SchemaInUse(
        `its schema is version ${found}, this version of Holdfast needs ${schemaVersion()}`,
      );
    }
    Atomics.wait(sleeper, 0, 0, lookPauseMs * (1 + Math.random()));
  }
}

/** Returns false when somebody else has the file open. */
function migrateAlone(file: string): boolean {
  let database: Database | undefined;
  try {
    database = openAlone(file);
    migrate(database);
    return true;
  } catch (error) {
    if (!isBusy(error)) throw error;
    return false;
  } finally {
    database?.close();
  }
}

/** Nobody wakes it: a wait on it is a sleep of this thread. */
const sleeper = new Int32Array(new SharedArrayBuffer(4));
const lookPauseMs = 20;
