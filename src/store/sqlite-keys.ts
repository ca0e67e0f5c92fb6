/** Idempotency keys in SQLite: what was appended under a key, and where. */

import type { AppendRequest, IdempotencyKey } from "./port.ts";
import { asText, changeRows, firstRow, prepareAll } from "./sqlite-database.ts";
import type { Database } from "./sqlite-database.ts";
import type { SqliteSessions } from "./sqlite-sessions.ts";
import type { Place } from "./sqlite-streams.ts";

export class SqliteKeys {
  readonly #sessions: SqliteSessions;
  readonly #statements: ReturnType<typeof prepareStatements>;

  constructor(database: Database, sessions: SqliteSessions) {
    this.#sessions = sessions;
    this.#statements = prepareStatements(database);
  }

  /** True when the client has confirmed the outcome of the event, so that its keys may be forgotten. */
  isSettled(key: IdempotencyKey): boolean {
    const session = key.sequence === 0 ? undefined : this.#sessions.find(key.scope);
    return session !== undefined && key.sequence < session.inboxLow;
  }

  /** Returns the places of the first append under this key, and the digest of its payload. */
  find(key: IdempotencyKey): { readonly digest: string; readonly places: readonly Place[] } | undefined {
    const session = this.#sessionOf(key);
    const found =
      session === undefined
        ? firstRow(this.#statements.findApplication, key.scope, key.sequence, key.position)
        : firstRow(this.#statements.findSession, session, key.sequence, key.position);
    if (found === undefined) return undefined;
    return { digest: asText(found[0]), places: JSON.parse(asText(found[1])) as readonly Place[] };
  }

  remember(key: IdempotencyKey, request: AppendRequest, digest: string, places: readonly Place[]): void {
    const session = this.#sessionOf(key);
    const receipts = JSON.stringify(places);
    if (session !== undefined) {
      this.#statements.rememberSession.run(session, key.sequence, key.position, digest, receipts);
      return;
    }
    this.#statements.rememberApplication.run(
      key.scope,
      key.sequence,
      key.position,
      digest,
      receipts,
      request.at,
    );
  }

  /** Forgets the application's own keys from before `time`, at most `limit`. Returns how many there were. */
  forgetOlder(time: number, limit: number): number {
    return changeRows(this.#statements.forgetOlder, time, limit);
  }

  /** Keys of a session end with it; those of an unknown one would stay for ever, so they end by age. */
  #sessionOf(key: IdempotencyKey): number | undefined {
    return key.sequence === 0 ? undefined : this.#sessions.find(key.scope)?.id;
  }
}

function prepareStatements(database: Database) {
  return prepareAll(database, {
    findSession:
      "SELECT digest, receipts FROM session_keys WHERE session = ? AND sequence = ? AND position = ?",
    findApplication:
      "SELECT digest, receipts FROM application_keys WHERE scope = ? AND sequence = ? AND position = ?",
    rememberSession: "INSERT INTO session_keys VALUES (?, ?, ?, ?, ?)",
    rememberApplication: "INSERT INTO application_keys VALUES (?, ?, ?, ?, ?, ?)",
    forgetOlder: `DELETE FROM application_keys WHERE (scope, sequence, position) IN
      (SELECT scope, sequence, position FROM application_keys WHERE at < ? LIMIT ?)`,
  });
}
