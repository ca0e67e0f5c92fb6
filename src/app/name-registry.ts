/** Who holds which name: the application's own table, in its own SQLite file. */

import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { ChatError } from "./chat-error.ts";

/**
 * A name belongs to whoever claimed it first, for good: a person who takes another name keeps the former one
 * too, so that nobody can step into an identity that others remember. Calls are synchronous; a claim takes
 * one small write.
 */
export class NameRegistry {
  readonly #database: DatabaseSync;

  /** Opens or creates `file`; `:memory:` forgets with the process. Several processes may share a file. */
  constructor(file: string) {
    if (file !== ":memory:") mkdirSync(dirname(file), { recursive: true });
    this.#database = new DatabaseSync(file, { timeout: 2000 });
    this.#database.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      CREATE TABLE IF NOT EXISTS names (
        spelling TEXT PRIMARY KEY,   -- lower case, so that "Ada" and "ada" are one name
        name     TEXT NOT NULL,
        user     TEXT NOT NULL,
        taken    INTEGER NOT NULL    -- rises with each claim of this user; the highest is the name in use
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX IF NOT EXISTS names_by_user ON names (user, taken);
    `);
  }

  /**
   * Gives `name` to `user`. Claiming a name that one holds makes it the one in use, so a claim that is run
   * again after a crash changes nothing. Throws `name_taken`, or `names_used_up` for a user's sixth name.
   */
  claim(name: string, user: string): void {
    const spelling = name.toLowerCase();
    // IMMEDIATE: two processes that look before they write would otherwise both find the name free.
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      const holder = this.#database.prepare("SELECT user FROM names WHERE spelling = ?").get(spelling);
      if (holder !== undefined && holder["user"] !== user) {
        throw new ChatError(
          "name_taken",
          `Somebody else is called ${name} here. Please choose another name.`,
        );
      }
      const held = this.#database
        .prepare("SELECT count(*) AS count, coalesce(max(taken), 0) AS taken FROM names WHERE user = ?")
        .get(user) as { count: number; taken: number };
      if (holder === undefined && held.count >= namesPerUserMax) {
        throw new ChatError("names_used_up", `You have ${namesPerUserMax} names already; take one of them.`);
      }
      this.#database
        .prepare("INSERT OR REPLACE INTO names (spelling, name, user, taken) VALUES (?, ?, ?, ?)")
        .run(spelling, name, user, held.taken + 1);
      this.#database.exec("COMMIT");
    } catch (error) {
      this.#database.exec("ROLLBACK");
      throw error;
    }
  }

  /** The name that `user` goes by. */
  nameOf(user: string): string | undefined {
    const row = this.#database
      .prepare("SELECT name FROM names WHERE user = ? ORDER BY taken DESC LIMIT 1")
      .get(user);
    return row?.["name"] as string | undefined;
  }

  /** Who holds `name`, whether or not it is the one in use. */
  userOf(name: string): string | undefined {
    const row = this.#database.prepare("SELECT user FROM names WHERE spelling = ?").get(name.toLowerCase());
    return row?.["user"] as string | undefined;
  }

  close(): void {
    this.#database.close();
  }
}

const namesPerUserMax = 5;
