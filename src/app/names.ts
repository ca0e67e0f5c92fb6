/** Who holds which name. Where that is kept is for the two implementations to say. */

import { ChatError } from "./chat-error.ts";

/**
 * A name belongs to whoever claimed it first, for good: a person who takes another name keeps the former one
 * too, so that nobody can step into an identity that others remember.
 *
 * Calls are carried out one after the other, and the same questions are answered in that order. The chat
 * leans on it: what a person says is published in the order in which their name was asked for.
 */
export type Names = {
  /** Rejects when they cannot be had, before anybody is let in. */
  readonly ready: Promise<void>;
  /**
   * Gives `name` to `user`. Claiming a name that one holds makes it the one in use, so a claim that is run
   * again after a crash changes nothing. Rejects with `name_taken`, or `names_used_up` for a user's sixth.
   */
  claim(name: string, user: string): Promise<void>;
  /** The name that `user` goes by. */
  nameOf(user: string): Promise<string | undefined>;
  /** Who holds `name`, whether or not it is the one in use. */
  userOf(name: string): Promise<string | undefined>;
  close(): Promise<void>;
};

/** What names are compared by, so that "Ada" and "ada" are one. */
export function spellingOf(name: string): string {
  return name.toLowerCase();
}

export function nameTaken(name: string): ChatError {
  return new ChatError("name_taken", `Somebody else is called ${name} here. Please choose another name.`);
}

export function namesUsedUp(): ChatError {
  return new ChatError("names_used_up", `You have ${namesPerUserMax} names already; take one of them.`);
}

export const namesPerUserMax = 5;
