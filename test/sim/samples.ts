/**
 * Looks at the figures of a process again and again, so that its limits are held to all the time and not at
 * the end.
 */

import type { Server } from "../../src/server/index.ts";
import type { History } from "./history.ts";

/** Has to be called as the node's process. */
export function sampleFigures(options: {
  readonly io: Server;
  readonly node: string;
  readonly history: History;
  readonly everyMs: number;
}): void {
  const { io, node, history, everyMs } = options;
  let last = "";
  setInterval(() => {
    io.delivery.figures().then(
      ({ store, ...own }) => {
        const { sessions: storedSessions, outcomes, waitingOperations } = store;
        const { sessions, suspendedSessions, runningHandlers, inboxDepth, waitingReplies } = own;
        const figures = {
          sessions,
          suspendedSessions,
          runningHandlers,
          inboxDepth,
          waitingReplies,
          storedSessions,
          outcomes,
          waitingOperations,
        };
        const text = JSON.stringify(figures);
        if (text === last) return;
        last = text;
        history.add({ kind: "figures", node, figures });
      },
      // A store that refuses says nothing of itself either.
      () => undefined,
    );
  }, everyMs);
}
