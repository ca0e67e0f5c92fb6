/** What a primary and its workers tell each other. */

/** From the primary. */
export type Order =
  /**
   * Let the clients go and end. Without `lead`: others are there already, and nobody needs time to notice.
   */
  | { readonly holdfast: "drain"; readonly lead: boolean }
  /** Another worker has committed. */
  | { readonly holdfast: "follow" };

/** From a worker. */
export type Notice =
  /** Takes clients from now on. */
  | { readonly holdfast: "ready" }
  /** Its store has committed entries. */
  | { readonly holdfast: "committed" };

export function isOrder(message: unknown): message is Order {
  return nameOf(message) === "drain" || nameOf(message) === "follow";
}

export function isNotice(message: unknown): message is Notice {
  return nameOf(message) === "ready" || nameOf(message) === "committed";
}

function nameOf(message: unknown): unknown {
  return (message as { readonly holdfast?: unknown } | null | undefined)?.holdfast;
}
