/** A worker's end of the cluster: connections come from the primary, hints and orders go back and forth. */

import { setupWorker } from "@socket.io/sticky";
import type { Server } from "../server/index.ts";
import { isOrder, type Notice } from "./messages.ts";

/**
 * Joins a server, which must not listen itself, to the cluster. `drain` is called when the primary wants the
 * worker to end; `lead` says whether load balancers need the time to notice.
 */
export function joinCluster(io: Server, drain: (lead: boolean) => void): void {
  setupWorker(io);
  process.on("message", (message: unknown) => {
    if (!isOrder(message)) return;
    if (message.holdfast === "drain") drain(message.lead);
    else io.delivery.follow();
  });
  let hinting = false;
  io.delivery.on("committed", () => {
    if (hinting) return;
    hinting = true;
    // What is committed within one turn is one hint.
    setImmediate(() => {
      hinting = false;
      notify({ holdfast: "committed" });
    });
  });
}

/** The worker takes clients from now on. */
export function notifyReady(): void {
  notify({ holdfast: "ready" });
}

function notify(notice: Notice): void {
  // Without a primary there is nobody to tell, and Node ends the process.
  if (process.connected) process.send?.(notice, undefined, {}, () => undefined);
}
