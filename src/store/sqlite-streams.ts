/**
 * Streams, their entries and cursors in SQLite.
 *
 * Rows of streams are kept in memory between batches and written once per batch, however many entries it
 * appends. That is safe because a batch holds the write lock, and because `discard` empties the cache when a
 * batch is rolled back or another process has committed.
 */

import type { AppendRequest, CursorRequest, Entry, Page, ReadRequest, StreamHead } from "./port.ts";
import {
  allRows,
  asNumber,
  asText,
  changeRows,
  firstRow,
  iterateRows,
  prepareAll,
} from "./sqlite-database.ts";
import type { Database, Row } from "./sqlite-database.ts";
import type { OwnCommits } from "./sqlite-follower.ts";
import { headOf } from "./stream-row.ts";
import type { Readers, StreamRow } from "./stream-row.ts";

/** Where an entry was put: the short form of a receipt. */
export type Place = readonly [stream: number, epoch: string, offset: number];

export class SqliteStreams {
  /**
   * Streams that the next sweep has to look at. Bounded: above its limit the sweep scans all streams instead.
   */
  readonly restless = new Set<number>();
  /** The sweep has yet to look at every stream with a greater id; undefined when it has seen all. */
  scanAfter: number | undefined = 0;

  readonly #statements: ReturnType<typeof prepareStatements>;
  readonly #newEpoch: () => string;
  readonly #byKey = new Map<string, StreamRow>();
  readonly #byId = new Map<number, StreamRow>();
  readonly #changed = new Set<StreamRow>();
  #commitId: number | undefined;
  #commitIdChanged = false;
  #ownCommits: OwnCommits | undefined;

  constructor(database: Database, newEpoch: () => string) {
    this.#newEpoch = newEpoch;
    this.#statements = prepareStatements(database);
  }

  find(key: string): StreamRow | undefined {
    return this.#byKey.get(key) ?? this.#keep(firstRow(this.#statements.byKey, key));
  }

  findById(id: number): StreamRow | undefined {
    return this.#byId.get(id) ?? this.#keep(firstRow(this.#statements.byId, id));
  }

  /** Returns the stream of a key, creating it. */
  resolve(key: string): StreamRow {
    const found = this.find(key);
    if (found !== undefined) return found;
    const created = this.#keep(firstRow(this.#statements.create, key, this.#newEpoch()));
    if (created === undefined) throw new TypeError("INSERT RETURNING returned no row");
    this.touch(created);
    return created;
  }

  heads(keys: readonly string[]): readonly (StreamHead | undefined)[] {
    return keys.map((key) => {
      const row = this.find(key);
      return row && headOf(row);
    });
  }

  append(request: AppendRequest): readonly Place[] {
    const rows = request.keys.map((key) => this.resolve(key));
    const places = rows.map((row): Place => [row.id, row.epoch, row.head + 1]);
    const except = request.except?.length ? JSON.stringify(request.except) : null;
    for (const row of rows) {
      row.head += 1;
      row.oldestAt ??= request.at;
      row.orphanedAt = undefined;
      const others = places.filter((place) => place[0] !== row.id).map((place) => [place[0], place[2]]);
      const also = others.length > 0 ? JSON.stringify(others) : null;
      this.#statements.append.run(
        this.#nextCommitId(),
        row.id,
        row.head,
        request.at,
        request.payload,
        except,
        also,
        request.request ?? null,
      );
      this.changed(row);
      this.touch(row);
    }
    return places;
  }

  read(request: ReadRequest): Page {
    const row = this.findById(request.stream);
    if (row === undefined) return { head: undefined, entries: [] };
    const entries: Entry[] = [];
    let characters = 0;
    for (const cells of iterateRows(this.#statements.page, row.id, request.after, request.limit)) {
      const entry = entryOf(row.id, cells);
      entries.push(entry);
      characters += entry.payload.length;
      if (characters >= request.charactersLimit) break;
    }
    return { head: headOf(row), entries };
  }

  /** Returns how many streams there are. One new name does for all: epochs of one stream are compared. */
  renewEpochs(): number {
    const streams = changeRows(this.#statements.renewEpochs, this.#newEpoch());
    this.discard();
    return streams;
  }

  /** Returns the consumer's cursor, creating one before the first entry that is held. */
  cursor(row: StreamRow, consumer: string): number {
    const found = firstRow(this.#statements.cursor, row.id, consumer);
    if (found !== undefined) return asNumber(found[0]);
    this.#statements.createCursor.run(row.id, consumer, row.low - 1);
    row.mailbox = true;
    this.changed(row);
    this.touch(row);
    return row.low - 1;
  }

  moveCursor({ consumer, stream, position }: CursorRequest): undefined {
    const row = this.findById(stream);
    if (row === undefined || row.epoch !== position.epoch || position.offset > row.head) return;
    const moved = changeRows(this.#statements.moveCursor, position.offset, stream, consumer, position.offset);
    if (moved > 0) this.touch(row);
  }

  readers(row: StreamRow): Readers {
    if (!row.mailbox) return { passed: undefined, eachWithOwnCursor: false };
    const passed = firstRow(this.#statements.passed, row.id)?.[0];
    const [members, consumers] = firstRow(this.#statements.members, row.id) ?? [];
    return {
      passed: passed == null ? undefined : asNumber(passed),
      eachWithOwnCursor: members === consumers,
    };
  }

  hasMembers(row: StreamRow): boolean {
    return firstRow(this.#statements.anyMember, row.id) !== undefined;
  }

  /** Returns the first offset not older than `time`, looking at `limit` entries. */
  firstSince(row: StreamRow, time: number, limit: number): number {
    if (row.oldestAt === undefined || row.oldestAt >= time) return row.low;
    const end = Math.min(row.low + limit, row.head + 1);
    const found = firstRow(this.#statements.firstSince, row.id, end, time);
    return found === undefined ? end : asNumber(found[0]);
  }

  /** Removes the entries before `low`. Returns how many there were. */
  trim(row: StreamRow, low: number): number {
    const trimmed = changeRows(this.#statements.trim, row.id, low);
    row.low = low;
    const oldest = firstRow(this.#statements.entryAt, row.id, low);
    row.oldestAt = oldest === undefined ? undefined : asNumber(oldest[0]);
    this.changed(row);
    return trimmed;
  }

  drop(row: StreamRow): void {
    this.#statements.trim.run(row.id, row.head + 1);
    this.#statements.dropCursors.run(row.id);
    this.#statements.drop.run(row.id);
    this.#byKey.delete(row.key);
    this.#byId.delete(row.id);
    this.#changed.delete(row);
    this.restless.delete(row.id);
  }

  idsAfter(id: number, limit: number): readonly number[] {
    return allRows(this.#statements.idsAfter, id, limit).map((cells) => asNumber(cells[0]));
  }

  /** Returns streams of one kind, see `mailboxColumn`, whose oldest entry is from before a time. */
  idsOlder(kind: Pick<StreamRow, "mailbox" | "holdsPassed">, than: number, limit: number): readonly number[] {
    return allRows(this.#statements.idsOlder, mailboxColumn(kind), than, limit).map((cells) =>
      asNumber(cells[0]),
    );
  }

  idsOrphaned(until: number, limit: number): readonly number[] {
    return allRows(this.#statements.idsOrphaned, until, limit).map((cells) => asNumber(cells[0]));
  }

  figures(): { streams: number; entries: number } {
    const [streams, entries] = firstRow(this.#statements.figures) ?? [];
    return { streams: asNumber(streams), entries: asNumber(entries) };
  }

  changed(row: StreamRow): void {
    this.#changed.add(row);
  }

  touch(row: StreamRow): void {
    if (this.restless.size < restlessMax) {
      this.restless.add(row.id);
      return;
    }
    this.restless.clear();
    this.scanAfter = 0;
  }

  /** Writes what the batch has changed in memory; called before its commit. */
  flush(): void {
    for (const row of this.#changed) {
      this.#statements.update.run(
        row.low,
        row.head,
        mailboxColumn(row),
        row.oldestAt ?? null,
        row.orphanedAt ?? null,
        row.id,
      );
    }
    this.#changed.clear();
    if (this.#commitIdChanged) this.#statements.saveCommitId.run(this.#commitId ?? 0);
    this.#commitIdChanged = false;
    if (this.#byKey.size > cachedRowsMax) this.discard();
  }

  /** Returns, once, the ids of the entries that were appended since the last call. */
  takeOwnCommits(): OwnCommits | undefined {
    const own = this.#ownCommits;
    this.#ownCommits = undefined;
    return own;
  }

  /** Forgets what is in memory and not, or no longer, true. */
  discard(): void {
    this.#byKey.clear();
    this.#byId.clear();
    this.#changed.clear();
    this.#commitId = undefined;
    this.#commitIdChanged = false;
  }

  #nextCommitId(): number {
    this.#commitId ??= asNumber(firstRow(this.#statements.commitId)?.[0]);
    this.#commitId += 1;
    this.#ownCommits = { first: this.#ownCommits?.first ?? this.#commitId, last: this.#commitId };
    this.#commitIdChanged = true;
    return this.#commitId;
  }

  #keep(cells: Row | undefined): StreamRow | undefined {
    if (cells === undefined) return undefined;
    const [id, key, epoch, low, head, mailbox, oldestAt, orphanedAt] = cells;
    const row: StreamRow = {
      id: asNumber(id),
      key: asText(key),
      epoch: asText(epoch),
      low: asNumber(low),
      head: asNumber(head),
      mailbox: mailbox !== 0,
      holdsPassed: mailbox === 2,
      oldestAt: oldestAt == null ? undefined : asNumber(oldestAt),
      orphanedAt: orphanedAt == null ? undefined : asNumber(orphanedAt),
    };
    this.#byKey.set(row.key, row);
    this.#byId.set(row.id, row);
    return row;
  }
}

/** Each kind of stream becomes due for a sweep at another age of its oldest entry. */
function mailboxColumn(row: Pick<StreamRow, "mailbox" | "holdsPassed">): number {
  if (!row.mailbox) return 0;
  return row.holdsPassed ? 2 : 1;
}

/** Cells: offset, at, payload, except_rooms, also, request. */
export function entryOf(stream: number, cells: Row): Entry {
  const [offset, at, payload, except, also, request] = cells;
  return {
    stream,
    offset: asNumber(offset),
    payload: asText(payload),
    at: asNumber(at),
    ...(typeof except === "string" && { except: JSON.parse(except) as readonly string[] }),
    ...(typeof also === "string" && { also: JSON.parse(also) as readonly (readonly [number, number])[] }),
    ...(typeof request === "string" && { request }),
  };
}

function prepareStatements(database: Database) {
  const columns = "id, key, epoch, low, head, mailbox, oldest_at, orphaned_at";
  const text = {
    byKey: `SELECT ${columns} FROM streams WHERE key = ?`,
    byId: `SELECT ${columns} FROM streams WHERE id = ?`,
    create: `INSERT INTO streams (key, epoch, low, head, mailbox) VALUES (?, ?, 1, 0, 0)
             RETURNING ${columns}`,
    update: "UPDATE streams SET low = ?, head = ?, mailbox = ?, oldest_at = ?, orphaned_at = ? WHERE id = ?",
    renewEpochs: "UPDATE streams SET epoch = ?",
    drop: "DELETE FROM streams WHERE id = ?",
    idsAfter: "SELECT id FROM streams WHERE id > ? ORDER BY id LIMIT ?",
    idsOlder: "SELECT id FROM streams WHERE mailbox = ? AND oldest_at < ? ORDER BY oldest_at LIMIT ?",
    idsOrphaned: "SELECT id FROM streams WHERE orphaned_at <= ? LIMIT ?",
    figures: "SELECT count(*), coalesce(sum(head - low + 1), 0) FROM streams",
    append: "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    page: `SELECT offset, at, payload, except_rooms, also, request FROM entries
           WHERE stream = ? AND offset > ? ORDER BY offset LIMIT ?`,
    firstSince:
      "SELECT offset FROM entries WHERE stream = ? AND offset < ? AND at >= ? ORDER BY offset LIMIT 1",
    entryAt: "SELECT at FROM entries WHERE stream = ? AND offset = ?",
    trim: "DELETE FROM entries WHERE stream = ? AND offset < ?",
    cursor: "SELECT offset FROM cursors WHERE stream = ? AND consumer = ?",
    createCursor: "INSERT INTO cursors VALUES (?, ?, ?)",
    moveCursor: "UPDATE cursors SET offset = ? WHERE stream = ? AND consumer = ? AND offset < ?",
    dropCursors: "DELETE FROM cursors WHERE stream = ?",
    passed: "SELECT min(offset) FROM cursors WHERE stream = ?",
    members: "SELECT count(*), count(DISTINCT consumer) FROM memberships WHERE stream = ?",
    anyMember: "SELECT 1 FROM memberships WHERE stream = ? LIMIT 1",
    commitId: "SELECT value FROM counters WHERE name = 'commit_id'",
    saveCommitId: "UPDATE counters SET value = ? WHERE name = 'commit_id'",
  };
  return prepareAll(database, text);
}

/** Some 200 bytes each. */
const cachedRowsMax = 20_000;
const restlessMax = 100_000;
