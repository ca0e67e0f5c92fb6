/**
 * The tables, and how an older file becomes a newer one. `PRAGMA user_version` is the number of migrations
 * done.
 */

import { asNumber, firstRow, prepare } from "./sqlite-database.ts";
import type { Database } from "./sqlite-database.ts";

/** The schema that this version of Holdfast reads and writes. */
export function schemaVersion(): number {
  return migrations.length;
}

/** The file belongs to a later version of Holdfast. */
export class SchemaNewer extends Error {
  override readonly name = "SchemaNewer";
}

/** The schema that the file has; 0 for a new one. */
export function foundVersion(database: Database): number {
  return asNumber(firstRow(prepare(database, "PRAGMA user_version"))?.[0]);
}

/**
 * Brings a file up to this version, in one transaction; several processes may try to make a new one at the
 * same time. `target` is for tests that need a file of an older version.
 *
 * @throws {SchemaNewer} names both versions.
 */
export function migrate(database: Database, target: number = migrations.length): void {
  const version = prepare(database, "PRAGMA user_version");
  const current = () => asNumber(firstRow(version)?.[0]);
  assertNotNewer(current());
  if (current() >= target) return;
  database.exec("BEGIN IMMEDIATE");
  try {
    // Another process may have migrated between the look above and the lock.
    assertNotNewer(current());
    for (const migration of migrations.slice(current(), target)) database.exec(migration);
    database.exec(`PRAGMA user_version = ${target}`);
    database.exec("COMMIT");
  } catch (error) {
    if (database.isTransaction) database.exec("ROLLBACK");
    throw error;
  }
}

function assertNotNewer(found: number): void {
  if (found <= migrations.length) return;
  throw new SchemaNewer(
    `its schema is version ${found}, this version of Holdfast knows ${migrations.length}`,
  );
}

/**
 * Never change one that was released; add another.
 *
 * - `entries.commit_id` is global: writers exclude each other, so its order is the order of commits, and a
 *   process that reads on from the last one it saw misses nothing. `counters.commit_id` keeps it from being
 *   reused after a trim. Entries are a rowid table, so that large payloads are appended and never move.
 * - `streams.mailbox` is 1 from the first cursor on, and 2 while it holds what every cursor has passed.
 *   `oldest_at` is the time of the entry `low`, NULL when none is held; `orphaned_at` is the time of the
 *   sweep that found nothing that needs the stream.
 * - `inboxes` stands apart from `sessions` because it changes with every event, and a small row makes a small
 *   log.
 * - `sessions.holder` and `attempt` name the client that resumed or opened it last, `taken_over` the
 *   generation in which another life of the client did. `inboxes.heard` is the last generation in which the
 *   client has said anything; `contested` the first takeover since.
 * - `application_keys` are those with sequence 0, or of a session that is not known; they are forgotten by
 *   age. `session_keys` are forgotten with the outcomes of their session.
 */
const migrations: readonly string[] = [
  `
  CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  INSERT INTO counters VALUES ('commit_id', 0);

  CREATE TABLE streams (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    epoch TEXT NOT NULL,
    low INTEGER NOT NULL,
    head INTEGER NOT NULL,
    mailbox INTEGER NOT NULL,
    oldest_at INTEGER,
    orphaned_at INTEGER
  ) STRICT;
  CREATE INDEX streams_by_oldest ON streams (mailbox, oldest_at) WHERE oldest_at IS NOT NULL;
  CREATE INDEX streams_by_orphaned ON streams (orphaned_at) WHERE orphaned_at IS NOT NULL;

  CREATE TABLE entries (
    commit_id INTEGER PRIMARY KEY,
    stream INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    at INTEGER NOT NULL,
    payload TEXT NOT NULL,
    except_rooms TEXT,
    also TEXT,
    request TEXT
  ) STRICT;
  CREATE UNIQUE INDEX entries_by_place ON entries (stream, offset);

  CREATE TABLE sessions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    session TEXT NOT NULL UNIQUE,
    token_digest TEXT NOT NULL,
    namespace TEXT NOT NULL,
    principal TEXT,
    generation INTEGER NOT NULL,
    node TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    data TEXT NOT NULL
  ) STRICT;
  CREATE INDEX sessions_by_expiry ON sessions (expires_at);

  CREATE TABLE inboxes (
    session INTEGER PRIMARY KEY,
    low INTEGER NOT NULL,
    forgotten INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE outcomes (
    session INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    status INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (session, sequence)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE chunks (
    session INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    position INTEGER NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (session, sequence, position)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE memberships (
    session INTEGER NOT NULL,
    room TEXT NOT NULL,
    stream INTEGER NOT NULL,
    base_epoch TEXT NOT NULL,
    base_offset INTEGER NOT NULL,
    consumer TEXT,
    show INTEGER NOT NULL,
    PRIMARY KEY (session, room)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX memberships_by_stream ON memberships (stream);

  CREATE TABLE cursors (
    stream INTEGER NOT NULL,
    consumer TEXT NOT NULL,
    offset INTEGER NOT NULL,
    PRIMARY KEY (stream, consumer)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE session_keys (
    session INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    position INTEGER NOT NULL,
    digest TEXT NOT NULL,
    receipts TEXT NOT NULL,
    PRIMARY KEY (session, sequence, position)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE application_keys (
    scope TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    position INTEGER NOT NULL,
    digest TEXT NOT NULL,
    receipts TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (scope, sequence, position)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX application_keys_by_age ON application_keys (at);
  `,
  `
  ALTER TABLE sessions ADD COLUMN holder TEXT;
  ALTER TABLE sessions ADD COLUMN attempt INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE sessions ADD COLUMN taken_over INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE sessions ADD COLUMN contested INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE inboxes ADD COLUMN heard INTEGER NOT NULL DEFAULT 0;
  `,
];
