/**
 * What a primary and its workers tell each other. What a newer version says and an older one does not know is
 * passed over.
 */

import type { Snapshot } from "../metrics/registry.ts";

/** From the primary. */
export type Order =
  /**
   * Let the clients go and end. Without `lead`: others are there already, and nobody needs time to notice.
   */
  | { readonly holdfast: "drain"; readonly lead: boolean }
  /** Another worker has committed. */
  | { readonly holdfast: "follow" }
  /** Say what has been counted. */
  | { readonly holdfast: "measure"; readonly question: number };

/** From a worker. */
export type Notice =
  /** Takes clients from now on, those that speak one of these versions of the protocol. */
  | { readonly holdfast: "ready"; readonly protocols?: readonly number[] }
  /** Its store has committed entries. */
  | { readonly holdfast: "committed" }
  /** What it has counted; with question 0 unasked, before it ends. */
  | { readonly holdfast: "measured"; readonly question: number; readonly snapshot: Snapshot };

export function isOrder(message: unknown): message is Order {
  return ["drain", "follow", "measure"].includes(nameOf(message));
}

export function isNotice(message: unknown): message is Notice {
  return ["ready", "committed", "measured"].includes(nameOf(message));
}

function nameOf(message: unknown): string {
  return String((message as { readonly holdfast?: unknown } | null | undefined)?.holdfast);
}
