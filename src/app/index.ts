/**
 * The application that this server runs. Replace this folder with your own; `src/main.ts` calls the two
 * exports.
 */

import { fileURLToPath } from "node:url";
import type { Server } from "holdfast";
import { Chat } from "./chat.ts";
import { RedisNames, type SharedKeys } from "./redis-names.ts";
import { SqliteNames } from "./sqlite-names.ts";

/** The folder whose files are served at `/`. */
export const pageDirectory = fileURLToPath(new URL("./page", import.meta.url));

export type ApplicationOptions = {
  /** A file, `:memory:`, or an address of a Redis. */
  readonly chatDatabase: string;
  /** Called for such an address. */
  readonly openSharedKeys: (address: string) => Promise<SharedKeys>;
};

/** `close` lets go of the chat's database, after the server has ended; nobody is let in before `ready`. */
export type Application = { readonly ready: Promise<void>; close(): Promise<void> };

/** Attaches the chat's handlers to `io`. */
export function attachApplication(io: Server, options: ApplicationOptions): Application {
  const { chatDatabase, openSharedKeys } = options;
  const names = /^rediss?(\+[a-z]+)?:/.test(chatDatabase)
    ? new RedisNames(openSharedKeys(chatDatabase))
    : new SqliteNames(chatDatabase);
  new Chat(io, names).attach();
  return names;
}
