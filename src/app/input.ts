/**
 * Parses what clients send into what the chat works with, or refuses it with a sentence that the page can
 * show.
 */

import { createHash } from "node:crypto";
import { ChatError } from "./chat-error.ts";

export const limits = {
  /** A long letter. With the envelope it stays far below one chunk. */
  textCharactersMax: 4000,
  nameCharactersMax: 24,
  roomCharactersMax: 32,
  /** Rooms that one session may be in; each costs a membership in the store. */
  roomsMax: 30,
  /** Entries of one "load more". */
  historyEntriesMax: 50,
} as const;

/**
 * The user behind a device secret: a hash, so that neither store nor logs hold what would let somebody in.
 * Throws `secret_wrong` unless the secret has the 32 bytes, in base64url, that the page draws for it.
 */
export function parseSecret(input: unknown): string {
  if (typeof input !== "string" || !/^[\w-]{43}$/.test(input)) {
    throw new ChatError("secret_wrong", "This page did not send the secret that tells you from others.");
  }
  return createHash("sha256").update(input).digest("base64url").slice(0, 22);
}

export function parseMessage(input: unknown): Message {
  const { id, text } = parseObject(input);
  if (typeof id !== "string" || !/^[\w-]{8,40}$/.test(id))
    throw new ChatError("input_wrong", "The message has no id.");
  if (typeof text !== "string") throw new ChatError("input_wrong", "The message has no text.");
  // Control characters have no look; line breaks and tabs do.
  const shown = text.replace(/[^\P{Cc}\n\t]/gu, "").trim();
  if (shown === "") throw new ChatError("text_empty", "The message is empty.");
  if (shown.length > limits.textCharactersMax) {
    throw new ChatError("text_too_long", `A message has at most ${limits.textCharactersMax} characters.`);
  }
  return { id, text: shown };
}

/** The room's name in the one spelling that counts: lower case. */
export function parseRoom(input: unknown): string {
  const { room } = parseObject(input);
  const name = typeof room === "string" ? room.normalize("NFKC").trim().toLowerCase() : "";
  if (name.length > limits.roomCharactersMax || !/^[\p{L}\p{N}][\p{L}\p{N}-]*$/u.test(name)) {
    throw new ChatError(
      "room_wrong",
      `A room's name has letters, digits and hyphens, at most ${limits.roomCharactersMax}.`,
    );
  }
  return name;
}

/** A person's name as it is shown. */
export function parseName(input: unknown): string {
  const { name } = parseObject(input);
  const shown = typeof name === "string" ? name.normalize("NFKC").trim().replace(/\s+/g, " ") : "";
  if (shown.length > limits.nameCharactersMax || !/^[\p{L}\p{N}][\p{L}\p{M}\p{N} .'_-]*$/u.test(shown)) {
    throw new ChatError(
      "name_wrong",
      `A name begins with a letter or digit, has at most ${limits.nameCharactersMax} characters, ` +
        "and no signs but . ' _ -",
    );
  }
  return shown;
}

/** The offset before which history is wanted; undefined asks for the latest. */
export function parseBefore(input: unknown): number | undefined {
  const { before } = parseObject(input);
  if (before === undefined) return undefined;
  if (!Number.isSafeInteger(before) || (before as number) < 0) {
    throw new ChatError("input_wrong", "History goes back from an offset.");
  }
  return before as number;
}

function parseObject(input: unknown): Readonly<Record<string, unknown>> {
  if (typeof input !== "object" || input === null)
    throw new ChatError("input_wrong", "The request has no fields.");
  return input as Readonly<Record<string, unknown>>;
}

// --- types ---

export type Message = { readonly id: string; readonly text: string };
