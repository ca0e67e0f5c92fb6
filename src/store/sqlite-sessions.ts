/** Sessions in SQLite: opening, resuming, the fence, forgetting. Rows are cached as those of streams are. */

import { type Claimed, takeover } from "../protocol/holder.ts";
import { roomKey } from "../protocol/stream-key.ts";
import type { Fence, OpenRequest, ResumeRequest, SessionPeek } from "./port.ts";
import { allRows, asNumber, asText, firstRow, prepareAll } from "./sqlite-database.ts";
import type { Database } from "./sqlite-database.ts";
import type { SqliteStreams } from "./sqlite-streams.ts";

export type SessionRow = {
  readonly id: number;
  readonly session: string;
  readonly namespace: string;
  generation: number;
  node: string;
  /** The client that resumed or opened it last, as far as it names itself. */
  holder: Claimed["holder"];
  /** The last generation in which the client has said anything. */
  heard: number;
  /** The generation in which another life of the client took it over last. */
  takenOver: number;
  /** The first of the takeovers since the client was heard last. */
  contested: number;
  /** The client has confirmed every outcome below it. */
  inboxLow: number;
  /** Outcomes below it are deleted; never above `inboxLow`. */
  forgotten: number;
  hasUploads: boolean;
};

export class SqliteSessions {
  readonly #streams: SqliteStreams;
  readonly #statements: ReturnType<typeof prepareStatements>;
  readonly #bySession = new Map<string, SessionRow>();
  readonly #changedInboxes = new Set<SessionRow>();

  constructor(database: Database, streams: SqliteStreams) {
    this.#streams = streams;
    this.#statements = prepareStatements(database);
  }

  find(session: string): SessionRow | undefined {
    const cached = this.#bySession.get(session);
    if (cached !== undefined) return cached;
    const cells = firstRow(this.#statements.find, session);
    if (cells === undefined) return undefined;
    const row: SessionRow = {
      id: asNumber(cells[0]),
      session,
      namespace: asText(cells[1]),
      generation: asNumber(cells[2]),
      inboxLow: asNumber(cells[3]),
      forgotten: asNumber(cells[4]),
      hasUploads: cells[5] === 1,
      node: asText(cells[6]),
      holder: cells[7] == null ? undefined : { instance: asText(cells[7]), attempt: asNumber(cells[8]) },
      takenOver: asNumber(cells[9]),
      contested: asNumber(cells[10]),
      heard: asNumber(cells[11]),
    };
    this.#bySession.set(session, row);
    return row;
  }

  /** Returns the session when the caller still holds it. */
  held(fence: Fence): SessionRow | undefined {
    const row = this.find(fence.session);
    return row?.generation === fence.generation && row.node === fence.node ? row : undefined;
  }

  /** Returns undefined when the id is taken. */
  create(request: OpenRequest): SessionRow | undefined {
    if (this.find(request.session) !== undefined) return undefined;
    this.#statements.create.run(
      request.session,
      request.tokenDigest,
      request.namespace,
      request.principal ?? null,
      request.node,
      request.expiresAt,
      request.data,
      request.holder?.instance ?? null,
      request.holder?.attempt ?? 0,
    );
    this.#statements.createInbox.run(request.session);
    return this.find(request.session);
  }

  peek(session: string, now: number): SessionPeek | undefined {
    const cells = firstRow(this.#statements.peek, session, now);
    if (cells === undefined) return undefined;
    return {
      tokenDigest: asText(cells[0]),
      namespace: asText(cells[1]),
      principal: cells[2] == null ? undefined : asText(cells[2]),
      generation: asNumber(cells[3]),
      node: asText(cells[4]),
      data: asText(cells[5]),
      expiresAt: asNumber(cells[6]),
    };
  }

  /** What a claim to the session is judged by. */
  claimed(row: SessionRow): Claimed {
    const last = asNumber(firstRow(this.#statements.last, row.id, row.id, row.id)?.[0]);
    const { holder, heard, inboxLow, takenOver, contested } = row;
    return { holder, heard, low: inboxLow, last, takenOver, contested };
  }

  /** Raises the generation and names the new holder. */
  take(row: SessionRow, { claim, node, expiresAt }: ResumeRequest): void {
    const { holder } = claim;
    row.generation = Math.max(row.generation, holder?.generation ?? 0) + 1;
    row.node = node;
    Object.assign(row, takeover(row, holder, row.generation));
    row.holder = holder;
    const { instance = null, attempt = 0 } = holder ?? {};
    const { generation, takenOver, contested, id } = row;
    this.#statements.take.run(generation, node, expiresAt, instance, attempt, takenOver, contested, id);
  }

  heard(row: SessionRow, generation: number): void {
    if (generation <= row.heard) return;
    row.heard = generation;
    this.inboxChanged(row);
  }

  saveData(row: SessionRow, data: string): void {
    this.#statements.saveData.run(data, row.id);
  }

  /** Returns the ids of those that are not held so. */
  touch(holders: readonly Fence[], expiresAt: number): readonly string[] {
    const lost: string[] = [];
    for (const { session, generation, node } of holders) {
      const { changes } = this.#statements.touch.run(expiresAt, session, generation, node);
      if (Number(changes) === 0) lost.push(session);
    }
    return lost;
  }

  inboxChanged(row: SessionRow): void {
    this.#changedInboxes.add(row);
  }

  /**
   * Forgets a session with all that hangs from it, its own stream included unless others read that too. Keys
   * of one that has not expired stay until it would have: a handler may still be running.
   */
  forget(row: SessionRow, ownKey: string, how: "ended" | "expired"): void {
    if (how === "ended") this.#statements.keepKeys.run(row.id);
    for (const [stream] of allRows(this.#statements.streamsOf, row.id)) {
      const member = this.#streams.findById(asNumber(stream));
      if (member !== undefined) this.#streams.touch(member);
    }
    for (const statement of this.#forgetting()) statement.run(row.id);
    this.#bySession.delete(row.session);
    this.#changedInboxes.delete(row);
    const own = this.#streams.find(ownKey);
    if (own === undefined) return;
    if (own.mailbox || this.#streams.hasMembers(own)) this.#streams.touch(own);
    else this.#streams.drop(own);
  }

  /** Forgets at most `limit` sessions whose life is over. Returns their ids. */
  expire(now: number, limit: number): readonly string[] {
    return allRows(this.#statements.expired, now, limit).map(([cell]) => {
      const session = asText(cell);
      const row = this.find(session);
      if (row !== undefined) this.forget(row, roomKey(row.namespace, session), "expired");
      return session;
    });
  }

  count(): number {
    return asNumber(firstRow(this.#statements.count)?.[0]);
  }

  flush(): void {
    for (const row of this.#changedInboxes)
      this.#statements.saveInbox.run(row.inboxLow, row.forgotten, row.heard, row.id);
    this.#changedInboxes.clear();
    if (this.#bySession.size > cachedRowsMax) this.#bySession.clear();
  }

  discard(): void {
    this.#bySession.clear();
    this.#changedInboxes.clear();
  }

  #forgetting() {
    const { forgetOutcomes, forgetChunks, forgetKeys, forgetMemberships, forgetInbox, forgetSession } =
      this.#statements;
    return [forgetOutcomes, forgetChunks, forgetKeys, forgetMemberships, forgetInbox, forgetSession];
  }
}

function prepareStatements(database: Database) {
  return prepareAll(database, {
    find: `SELECT s.id, s.namespace, s.generation, i.low, i.forgotten,
             EXISTS (SELECT 1 FROM chunks c WHERE c.session = s.id), s.node,
             s.holder, s.attempt, s.taken_over, s.contested, i.heard
           FROM sessions s JOIN inboxes i ON i.session = s.id WHERE s.session = ?`,
    create: `INSERT INTO sessions
               (session, token_digest, namespace, principal, generation, node, expires_at, data,
                holder, attempt)
             VALUES (?, ?, ?, ?, 1, ?, ?, ?, ?, ?)`,
    createInbox: "INSERT INTO inboxes SELECT id, 0, 0, 1 FROM sessions WHERE session = ?",
    peek: `SELECT token_digest, namespace, principal, generation, node, data, expires_at
           FROM sessions WHERE session = ? AND expires_at > ?`,
    last: `SELECT max(coalesce((SELECT max(sequence) FROM outcomes WHERE session = ?), 0),
                      coalesce((SELECT max(sequence) FROM chunks WHERE session = ?), 0),
                      coalesce((SELECT max(sequence) FROM session_keys WHERE session = ?), 0))`,
    take: `UPDATE sessions SET generation = ?, node = ?, expires_at = ?,
             holder = ?, attempt = ?, taken_over = ?, contested = ? WHERE id = ?`,
    saveData: "UPDATE sessions SET data = ? WHERE id = ?",
    touch: "UPDATE sessions SET expires_at = ? WHERE session = ? AND generation = ? AND node = ?",
    expired: "SELECT session FROM sessions WHERE expires_at <= ? ORDER BY expires_at LIMIT ?",
    count: "SELECT count(*) FROM sessions",
    saveInbox: "UPDATE inboxes SET low = ?, forgotten = ?, heard = ? WHERE session = ?",
    streamsOf: "SELECT stream FROM memberships WHERE session = ?",
    forgetOutcomes: "DELETE FROM outcomes WHERE session = ?",
    forgetChunks: "DELETE FROM chunks WHERE session = ?",
    keepKeys: `INSERT OR IGNORE INTO application_keys
               SELECT s.session, k.sequence, k.position, k.digest, k.receipts, s.expires_at
               FROM session_keys k JOIN sessions s ON s.id = k.session WHERE k.session = ?`,
    forgetKeys: "DELETE FROM session_keys WHERE session = ?",
    forgetMemberships: "DELETE FROM memberships WHERE session = ?",
    forgetInbox: "DELETE FROM inboxes WHERE session = ?",
    forgetSession: "DELETE FROM sessions WHERE id = ?",
  });
}

/** Some 200 bytes each. */
const cachedRowsMax = 20_000;
