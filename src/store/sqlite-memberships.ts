/** Memberships in SQLite: who reads which stream, and from where. */

import { roomKey } from "../protocol/stream-key.ts";
import type { Enrolled, EnrollRequest, JoinRequest, Membership, SessionSelector } from "./port.ts";
import { allRows, asNumber, asText, firstRow, prepareAll } from "./sqlite-database.ts";
import type { Database, Row } from "./sqlite-database.ts";
import type { SessionRow, SqliteSessions } from "./sqlite-sessions.ts";
import type { SqliteStreams } from "./sqlite-streams.ts";
import { baseOffset, headOf } from "./stream-row.ts";

export class SqliteMemberships {
  readonly #streams: SqliteStreams;
  readonly #sessions: SqliteSessions;
  readonly #statements: ReturnType<typeof prepareStatements>;

  constructor(database: Database, streams: SqliteStreams, sessions: SqliteSessions) {
    this.#streams = streams;
    this.#sessions = sessions;
    this.#statements = prepareStatements(database);
  }

  /** Keeps a stored membership; one that reads with another cursor than before begins anew. */
  join(session: SessionRow, request: Pick<JoinRequest, "room" | "key" | "from" | "show">): Membership {
    const { room, from, show } = request;
    const consumer = from.kind === "cursor" ? from.consumer : undefined;
    const stored = firstRow(this.#statements.find, session.id, room);
    if (stored !== undefined && (consumer === undefined || stored[4] === consumer))
      return this.#membership(stored);
    const stream = this.#streams.resolve(request.key);
    const offset =
      from.kind === "cursor" ? this.#streams.cursor(stream, from.consumer) : baseOffset(stream, from);
    this.#statements.join.run(
      session.id,
      room,
      stream.id,
      stream.epoch,
      offset,
      consumer ?? null,
      show ? 1 : 0,
    );
    this.#streams.touch(stream);
    const base = { epoch: stream.epoch, offset };
    return { room, head: headOf(stream), base, show, ...(consumer !== undefined && { cursor: consumer }) };
  }

  leave(session: SessionRow, room: string): boolean {
    const stream = firstRow(this.#statements.leave, session.id, room)?.[0];
    if (stream === undefined) return false;
    const row = this.#streams.findById(asNumber(stream));
    if (row !== undefined) this.#streams.touch(row);
    return true;
  }

  of(session: SessionRow): readonly Membership[] {
    return allRows(this.#statements.ofSession, session.id).map((cells) => this.#membership(cells));
  }

  withdraw(selector: SessionSelector, rooms: readonly string[]): readonly string[] {
    const changed = this.#chosen(selector).filter(
      (row) => rooms.filter((room) => this.leave(row, room)).length > 0,
    );
    return changed.map(({ session }) => session);
  }

  enroll({ selector, rooms, show }: EnrollRequest): readonly Enrolled[] {
    return this.#chosen(selector).flatMap((row) => {
      const absent = rooms.filter(({ room }) => firstRow(this.#statements.find, row.id, room) === undefined);
      return absent.map(({ room, key }) => ({
        session: row.session,
        membership: this.join(row, { room, key, from: { kind: "head" }, show }),
      }));
    });
  }

  #chosen(selector: SessionSelector): SessionRow[] {
    const excepted = this.#inAny(selector.namespace, selector.except);
    const chosen =
      selector.rooms.length === 0
        ? allRows(this.#statements.inNamespace, selector.namespace).map(([cell]) => asText(cell))
        : this.#inAny(selector.namespace, selector.rooms);
    return [...chosen]
      .sort()
      .flatMap((session) => (excepted.has(session) ? [] : (this.#sessions.find(session) ?? [])));
  }

  /** As in Socket.IO, every session is also in the room that is called as the session is. */
  #inAny(namespace: string, rooms: readonly string[]): Set<string> {
    const sessions = new Set<string>();
    for (const room of rooms) {
      if (this.#sessions.find(room)?.namespace === namespace) sessions.add(room);
      const stream = this.#streams.find(roomKey(namespace, room));
      if (stream === undefined) continue;
      for (const [cell] of allRows(this.#statements.inStream, stream.id)) sessions.add(asText(cell));
    }
    return sessions;
  }

  #membership(cells: Row): Membership {
    const [room, stream, epoch, offset, consumer, show] = cells;
    const row = this.#streams.findById(asNumber(stream));
    if (row === undefined) throw new TypeError("a stream with members is not dropped");
    return {
      room: asText(room),
      head: headOf(row),
      base: { epoch: asText(epoch), offset: asNumber(offset) },
      show: show === 1,
      ...(typeof consumer === "string" && { cursor: consumer }),
    };
  }
}

function prepareStatements(database: Database) {
  const columns = "room, stream, base_epoch, base_offset, consumer, show";
  return prepareAll(database, {
    find: `SELECT ${columns} FROM memberships WHERE session = ? AND room = ?`,
    ofSession: `SELECT ${columns} FROM memberships WHERE session = ? ORDER BY room`,
    join: "INSERT OR REPLACE INTO memberships VALUES (?, ?, ?, ?, ?, ?, ?)",
    leave: "DELETE FROM memberships WHERE session = ? AND room = ? RETURNING stream",
    inStream: "SELECT s.session FROM memberships m JOIN sessions s ON s.id = m.session WHERE m.stream = ?",
    inNamespace: "SELECT session FROM sessions WHERE namespace = ?",
  });
}
