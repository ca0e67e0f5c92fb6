/**
 * Reads what other connections have committed to the same file, in the order of their commits, so that every
 * process can show its members what another one has published.
 */

import type { CommittedEntry } from "./port.ts";
import { allRows, asNumber, asText, firstRow, prepare } from "./sqlite-database.ts";
import type { Database, Statement } from "./sqlite-database.ts";
import { entryOf } from "./sqlite-streams.ts";

export class SqliteFollower {
  readonly #page: Statement;
  /** Entries up to this commit have been announced, or are this connection's own. */
  #seen: number;
  /** Others have committed something that has not been read. */
  #behind = false;

  /**
   * Follows from a commit on; undefined: from the last one. What was committed before the store was opened is
   * found by those who ask for heads.
   */
  constructor(database: Database, from: number | undefined) {
    this.#page = prepare(
      database,
      `SELECT commit_id, key, epoch, stream, offset, at, payload, except_rooms, also, request
       FROM entries JOIN streams ON streams.id = entries.stream
       WHERE commit_id > ? AND commit_id < ? ORDER BY commit_id LIMIT ${pageEntries}`,
    );
    const last = prepare(database, "SELECT value FROM counters WHERE name = 'commit_id'");
    this.#seen = from ?? asNumber(firstRow(last)?.[0]);
    this.#behind = from !== undefined;
  }

  get seen(): number {
    return this.#seen;
  }

  /** True when there is more than the last page had room for. */
  get behind(): boolean {
    return this.#behind;
  }

  noteOthers(): void {
    this.#behind = true;
  }

  /**
   * Returns the next page of what others have committed. `own` are the ids of the entries that this
   * connection has just committed: a page that reaches them passes them over, one that does not comes to them
   * later, and whoever is told of them a second time ignores that.
   */
  read(own: OwnCommits | undefined): readonly CommittedEntry[] {
    if (!this.#behind) {
      if (own !== undefined) this.#seen = own.last;
      return [];
    }
    const rows = allRows(this.#page, this.#seen, own?.first ?? Number.MAX_SAFE_INTEGER);
    const entries = rows.map(([, key, epoch, stream, ...cells]) => ({
      ...entryOf(asNumber(stream), cells),
      key: asText(key),
      epoch: asText(epoch),
    }));
    this.#behind = rows.length === pageEntries;
    const last = rows.at(-1)?.[0];
    if (!this.#behind && own !== undefined) this.#seen = own.last;
    else if (last !== undefined) this.#seen = asNumber(last);
    return entries;
  }
}

/** Entries of one batch have neighbouring ids, because writers exclude each other. */
export type OwnCommits = { readonly first: number; readonly last: number };

/** Bounds what one report to the main thread holds up. */
const pageEntries = 500;
