/** The names of one machine: the application's own table, in its own SQLite file. */

import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type Names, namesPerUserMax, namesUsedUp, nameTaken, spellingOf } from "./names.ts";

/** Works while it is called; a claim takes one small write. */
export class SqliteNames implements Names {
  readonly ready = Promise.resolve();
  readonly #database: DatabaseSync;

  /** Opens or creates `file`; `:memory:` forgets with the process. Several processes may share a file. */
  constructor(file: string) {
    if (file !== ":memory:") mkdirSync(dirname(file), { recursive: true });
    this.#database = new DatabaseSync(file, { timeout: 2000 });
    this.#database.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      CREATE TABLE IF NOT EXISTS names (
        spelling TEXT PRIMARY KEY,
        name     TEXT NOT NULL,
        user     TEXT NOT NULL,
        taken    INTEGER NOT NULL    -- rises with each claim of this user; the highest is the name in use
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX IF NOT EXISTS names_by_user ON names (user, taken);
    `);
  }

  async claim(name: string, user: string): Promise<void> {
    const spelling = spellingOf(name);
    // IMMEDIATE: two processes that look before they write would otherwise both find the name free.
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      const holder = this.#database.prepare("SELECT user FROM names WHERE spelling = ?").get(spelling);
      if (holder !== undefined && holder["user"] !== user) throw nameTaken(name);
      const held = this.#database
        .prepare("SELECT count(*) AS count, coalesce(max(taken), 0) AS taken FROM names WHERE user = ?")
        .get(user) as { count: number; taken: number };
      if (holder === undefined && held.count >= namesPerUserMax) throw namesUsedUp();
      this.#database
        .prepare("INSERT OR REPLACE INTO names (spelling, name, user, taken) VALUES (?, ?, ?, ?)")
        .run(spelling, name, user, held.taken + 1);
      this.#database.exec("COMMIT");
    } catch (error) {
      this.#database.exec("ROLLBACK");
      throw error;
    }
  }

  async nameOf(user: string): Promise<string | undefined> {
    const row = this.#database
      .prepare("SELECT name FROM names WHERE user = ? ORDER BY taken DESC LIMIT 1")
      .get(user);
    return row?.["name"] as string | undefined;
  }

  async userOf(name: string): Promise<string | undefined> {
    const row = this.#database.prepare("SELECT user FROM names WHERE spelling = ?").get(spellingOf(name));
    return row?.["user"] as string | undefined;
  }

  async close(): Promise<void> {
    this.#database.close();
  }
}
