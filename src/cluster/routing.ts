/**
 * Which worker a connection goes to. `@socket.io/sticky` knows the worker of every connection id; for new
 * clients it takes the workers in turn, all that there are, also those that are starting or leave. Here it is
 * shown, while it chooses, only those that take new clients.
 *
 * It knows the worker of an id from the worker's word, which on a busy machine comes after the client's next
 * request: that went to any worker, was answered 400, and its client polled for good or began anew. So ids
 * say themselves which worker made them, and then that one alone is shown.
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
      const give = () => this.#choosing(() => listener(chunk), isFirst ? makerOf(chunk) : undefined);
      if (isFirst) handOver(socket, chunk, give);
      else give();
      isFirst = false;
    };
    const route = (event: string, listener: (...args: unknown[]) => void) =>
      on.call(socket, event, event === "data" ? (chunk: Buffer) => take(chunk, listener) : listener);
    socket.on = route as typeof socket.on;
  }

  /** A worker that is not enumerable is found by its id, for connections it has, and not by a list. */
  #choosing(choose: () => void, only: Worker | undefined): void {
    const hidden = only === undefined ? this.#closed : othersThan(only);
    if (hidden.size === 0) return choose();
    list(hidden, false);
    try {
      choose();
    } finally {
      list(hidden, true);
    }
  }
}

function list(ids: ReadonlySet<number>, enumerable: boolean): void {
  const workers = cluster.workers ?? {};
  for (const id of ids) {
    const worker = workers[id];
    if (worker === undefined) continue;
    Object.defineProperty(workers, id, { value: worker, enumerable, configurable: true, writable: true });
  }
}

function othersThan({ id }: Worker): ReadonlySet<number> {
  const others = Object.keys(cluster.workers ?? {}).map(Number);
  return new Set(others.filter((other) => other !== id));
}

/** The worker that made the connection id of a request, if the request has one and the worker is there. */
function makerOf(head: Buffer): Worker | undefined {
  const requestLine = head.toString("latin1", 0, head.indexOf("\r\n"));
  const [, mark] = /^[A-Z]+ \S*[?&]sid=\w{3}-([\w-]{2})/.exec(requestLine) ?? [];
  if (mark === undefined) return undefined;
  return Object.values(cluster.workers ?? {}).find((worker) => worker && markOf(worker.id) === mark);
}

/**
 * Two characters for a worker, of the sixteen behind the node's name in a connection id; fourteen are left to
 * chance, 84 bits. Of workers that live at one time no two have the same: 4096 are started in between.
 */
export function markOf(workerId: number): string {
  return [(workerId >> 6) & 63, workerId & 63].map((digit) => alphabet[digit]).join("");
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

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
