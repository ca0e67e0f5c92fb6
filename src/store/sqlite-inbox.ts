/** The inbox of a session in SQLite: outcomes and uploads. */

import type { ChunkRequest, Outcome, RecordRequest } from "./port.ts";
import { allRows, asNumber, asText, changeRows, firstRow, prepareAll } from "./sqlite-database.ts";
import type { Database, Row } from "./sqlite-database.ts";
import type { SessionRow, SqliteSessions } from "./sqlite-sessions.ts";

export class SqliteInbox {
  readonly #sessions: SqliteSessions;
  readonly #statements: ReturnType<typeof prepareStatements>;

  constructor(database: Database, sessions: SqliteSessions) {
    this.#sessions = sessions;
    this.#statements = prepareStatements(database);
  }

  /** Returns the outcome that is recorded, which is the request's own unless there was one. */
  record(session: SessionRow, request: RecordRequest): Outcome {
    const outcome = this.#recordOnce(session, request.outcome);
    if (request.data !== undefined) this.#sessions.saveData(session, request.data);
    if (request.inboxLow > session.inboxLow) {
      session.inboxLow = request.inboxLow;
      this.#sessions.inboxChanged(session);
    }
    // In steps: the same two statements for each outcome would cost more than recording it does.
    if (session.inboxLow - session.forgotten >= forgetStep) this.#forget(session);
    return outcome;
  }

  /** Recorded outcomes that the client has not confirmed, ascending. */
  outcomes(session: SessionRow): readonly Outcome[] {
    return allRows(this.#statements.outcomes, session.id, session.inboxLow).map(outcomeOf);
  }

  /** Returns how many chunks of the upload are stored. */
  putChunk(session: SessionRow, request: ChunkRequest): number {
    if (this.#isSettled(session, request.sequence)) return 0;
    const stored = asNumber(firstRow(this.#statements.chunkCount, session.id, request.sequence)?.[0]);
    if (request.index !== stored) return stored;
    this.#statements.putChunk.run(session.id, request.sequence, request.index, request.text);
    session.hasUploads = true;
    return stored + 1;
  }

  upload(session: SessionRow, sequence: number): { text: string; chunks: number } {
    const chunks = allRows(this.#statements.upload, session.id, sequence).map(([text]) => asText(text));
    return { text: chunks.join(""), chunks: chunks.length };
  }

  uploads(session: SessionRow): readonly { readonly sequence: number; readonly chunks: number }[] {
    return allRows(this.#statements.uploads, session.id, session.inboxLow).map(([sequence, chunks]) => ({
      sequence: asNumber(sequence),
      chunks: asNumber(chunks),
    }));
  }

  /** How many outcomes are stored, those included that are confirmed and not yet deleted. */
  count(): number {
    return asNumber(firstRow(this.#statements.count)?.[0]);
  }

  #recordOnce(session: SessionRow, outcome: Outcome): Outcome {
    if (outcome.sequence < session.inboxLow) return outcome;
    const { sequence, status, body } = outcome;
    if (changeRows(this.#statements.record, session.id, sequence, statuses.indexOf(status), body) === 0) {
      const recorded = firstRow(this.#statements.find, session.id, sequence);
      return recorded === undefined ? outcome : outcomeOf(recorded);
    }
    if (session.hasUploads) {
      this.#statements.forgetUpload.run(session.id, sequence);
      session.hasUploads = firstRow(this.#statements.anyChunk, session.id) !== undefined;
    }
    return outcome;
  }

  #isSettled(session: SessionRow, sequence: number): boolean {
    return sequence < session.inboxLow || firstRow(this.#statements.find, session.id, sequence) !== undefined;
  }

  #forget(session: SessionRow): void {
    this.#statements.forgetOutcomes.run(session.id, session.inboxLow);
    this.#statements.forgetKeys.run(session.id, session.inboxLow);
    if (session.hasUploads) this.#statements.forgetChunks.run(session.id, session.inboxLow);
    session.forgotten = session.inboxLow;
    this.#sessions.inboxChanged(session);
  }
}

function outcomeOf(cells: Row): Outcome {
  const status = statuses[asNumber(cells[1])];
  if (status === undefined) throw new TypeError("a stored status is one of those that are known");
  return { sequence: asNumber(cells[0]), status, body: asText(cells[2]) };
}

function prepareStatements(database: Database) {
  return prepareAll(database, {
    record: "INSERT OR IGNORE INTO outcomes VALUES (?, ?, ?, ?)",
    find: "SELECT sequence, status, body FROM outcomes WHERE session = ? AND sequence = ?",
    outcomes:
      "SELECT sequence, status, body FROM outcomes WHERE session = ? AND sequence >= ? ORDER BY sequence",
    count: "SELECT count(*) FROM outcomes",
    forgetOutcomes: "DELETE FROM outcomes WHERE session = ? AND sequence < ?",
    forgetKeys: "DELETE FROM session_keys WHERE session = ? AND sequence < ?",
    forgetChunks: "DELETE FROM chunks WHERE session = ? AND sequence < ?",
    chunkCount: "SELECT coalesce(max(position) + 1, 0) FROM chunks WHERE session = ? AND sequence = ?",
    putChunk: "INSERT INTO chunks VALUES (?, ?, ?, ?)",
    upload: "SELECT text FROM chunks WHERE session = ? AND sequence = ? ORDER BY position",
    uploads: `SELECT sequence, count(*) FROM chunks WHERE session = ? AND sequence >= ?
              GROUP BY sequence ORDER BY sequence`,
    anyChunk: "SELECT 1 FROM chunks WHERE session = ? LIMIT 1",
    forgetUpload: "DELETE FROM chunks WHERE session = ? AND sequence = ?",
  });
}

/** Stored as its index; only ever add at the end. */
const statuses = ["ok", "rejected", "expired"] as const satisfies readonly Outcome["status"][];

const forgetStep = 32;
