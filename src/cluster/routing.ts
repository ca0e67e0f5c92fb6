/**
 * Which worker a connection goes to. `@socket.io/sticky` knows the worker of every connection id; for new
 * clients it takes the workers in turn, all that there are, also those that are starting or leave. Here it is
 * shown, while it chooses, only those that take new clients.
 */

import cluster, { type Worker } from "node:cluster";
import type { Server } from "node:http";
import type { Socket } from "node:net";
import { setupMaster } from "@socket.io/sticky";

export class Routing {
  /** Ids of workers that get no new clients. */
  readonly #closed = new Set<number>();

  /** Hands the connections of a server, which must not listen yet, over to the workers. */
  constructor(server: Server) {
    if (cluster.settings.serialization !== "advanced") {
      // Seen with sticky 2.0.1: without it no client ever connects, and nothing says so.
      throw new TypeError('sticky sessions need cluster.setupPrimary({ serialization: "advanced" })');
    }
    // In front of sticky's own listener, which attaches the one for data.
    server.on("connection", (socket: Socket) => this.#showOpenWorkersTo(socket));
    // Its default, least-connection, sent 300 of 300 new clients to one worker: it counts too late.
    setupMaster(server, { loadBalancingMethod: "round-robin" });
  }

  close(worker: Worker): void {
    this.#closed.add(worker.id);
  }

  open(worker: Worker): void {
    this.#closed.delete(worker.id);
  }

  forget(worker: Worker): void {
    this.#closed.delete(worker.id);
  }

  #showOpenWorkersTo(socket: Socket): void {
    const { on } = socket;
    let isFirst = true;
    const take = (chunk: Buffer, listener: (chunk: Buffer) => void) => {
      const give = () => this.#choosing(() => listener(chunk));
      if (isFirst) handOver(socket, chunk, give);
      else give();
      isFirst = false;
    };
    const route = (event: string, listener: (...args: unknown[]) => void) =>
      on.call(socket, event, event === "data" ? (chunk: Buffer) => take(chunk, listener) : listener);
    socket.on = route as typeof socket.on;
  }

  /** A worker that is not enumerable is found by its id, for connections it has, and not by a list. */
  #choosing(choose: () => void): void {
    if (this.#closed.size === 0) return choose();
    this.#list(false);
    try {
      choose();
    } finally {
      this.#list(true);
    }
  }

  #list(enumerable: boolean): void {
    const workers = cluster.workers ?? {};
    for (const id of this.#closed) {
      const worker = workers[id];
      if (worker === undefined) continue;
      Object.defineProperty(workers, id, { value: worker, enumerable, configurable: true, writable: true });
    }
  }
}

/**
 * Until the worker has said that it has the connection, the primary's end of it would go on reading, and what
 * it read nobody would see. The first message after the handshake of a WebSocket was lost so, and its client
 * waited until the server gave it up after 45 s.
 */
function handOver(socket: Socket, head: Buffer, give: () => void): void {
  const { _handle: handle } = socket as unknown as { readonly _handle: Handle | null };
  give();
  // With a body sticky keeps the connection, and passes on what it reads.
  if (!mayHaveBody.test(headerOf(head))) handle?.readStop();
}

function headerOf(chunk: Buffer): string {
  return chunk.subarray(0, chunk.indexOf("\r\n\r\n")).toString("latin1");
}

/** As `@socket.io/sticky` decides it. */
const mayHaveBody = /content-length:|transfer-encoding:/i;

type Handle = { readStop(): void };
