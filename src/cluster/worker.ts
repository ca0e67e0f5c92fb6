/** A worker's end of the cluster: connections come from the primary, hints and orders go back and forth. */

import cluster from "node:cluster";
import { setupWorker } from "@socket.io/sticky";
import type { Snapshot } from "../metrics/registry.ts";
import { protocolVersion } from "../protocol/frames.ts";
import type { Server } from "../server/index.ts";
import { isOrder, type Notice } from "./messages.ts";
import { markOf } from "./routing.ts";

/**
 * Joins a server, which must not listen itself, to the cluster. `drain` is called when the primary wants the
 * worker to end; `lead` says whether load balancers need the time to notice. `measure` returns what the
 * primary's metrics are made of.
 */
export function joinCluster(
  io: Server,
  drain: (lead: boolean) => void,
  measure: () => Promise<Snapshot> = async () => [],
): void {
  markConnectionIds(io);
  setupWorker(io);
  process.on("message", (message: unknown) => {
    if (!isOrder(message)) return;
    if (message.holdfast === "drain") drain(message.lead);
    else if (message.holdfast === "follow") io.delivery.follow();
    else
      void measure().then((snapshot) =>
        notify({ holdfast: "measured", question: message.question, snapshot }),
      );
  });
  let hinting = false;
  io.delivery.on("committed", () => {
    if (hinting) return;
    hinting = true;
    // What is committed within one turn is one hint.
    setImmediate(() => {
      hinting = false;
      void notify({ holdfast: "committed" });
    });
  });
}

/** So that the primary knows whose a connection is before this worker has told it. */
function markConnectionIds(io: Server): void {
  const { engine } = io as unknown as { engine: { generateId(request: unknown): string } };
  const makeId = engine.generateId.bind(engine);
  const mark = markOf(cluster.worker?.id ?? 0);
  engine.generateId = (request) => {
    const id = makeId(request);
    return `${id.slice(0, 4)}${mark}${id.slice(6)}`;
  };
}

/** The worker takes clients from now on. */
export function notifyReady(): void {
  void notify({ holdfast: "ready", protocols: [protocolVersion] });
}

/** The last that the primary hears of what was counted; fulfils once it is sent. */
export async function notifyEnding(snapshot: Snapshot): Promise<void> {
  await notify({ holdfast: "measured", question: 0, snapshot });
}

function notify(notice: Notice): Promise<void> {
  return new Promise((resolve) => {
    // Without a primary there is nobody to tell, and Node ends the process.
    if (!process.connected || process.send === undefined) resolve();
    else process.send(notice, undefined, {}, () => resolve());
  });
}
