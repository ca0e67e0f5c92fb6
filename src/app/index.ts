/**
 * The application that this server runs. Replace this folder with your own; `src/main.ts` calls the two
 * exports.
 */

import { fileURLToPath } from "node:url";
import type { Server } from "holdfast";
import { Chat } from "./chat.ts";
import { NameRegistry } from "./name-registry.ts";

/** The folder whose files are served at `/`. */
export const pageDirectory = fileURLToPath(new URL("./page", import.meta.url));

/**
 * Attaches the chat's handlers to `io`. The returned function lets go of the chat's database, after `io` has
 * ended.
 */
export function attachApplication(io: Server, options: { readonly chatDatabase: string }): () => void {
  const names = new NameRegistry(options.chatDatabase);
  new Chat(io, names).attach();
  return () => names.close();
}
