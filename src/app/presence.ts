/** Tells the members of a room who is there: volatile, because the next one makes the last one worthless. */

import type { Server } from "holdfast";

/**
 * Gathers the comings and goings of `gatherMs` into one event per room, so that a crowd arriving costs one,
 * not n.
 */
export class Presence {
  readonly #io: Server;
  readonly #nameOf: (user: string) => Promise<string | undefined>;
  /** Invariant: at most one timer per room, and only for rooms in which somebody came or went just now. */
  readonly #due = new Map<string, NodeJS.Timeout>();

  constructor(io: Server, nameOf: (user: string) => Promise<string | undefined>) {
    this.#io = io;
    this.#nameOf = nameOf;
  }

  /** Somebody came to or left the room `room`, whose stream is `stream`. */
  changed(room: string, stream: string): void {
    if (this.#due.has(room)) return;
    const timer = setTimeout(() => {
      this.#due.delete(room);
      // Nobody waits for presence; the next change tells it again.
      this.#announce(room, stream).catch(() => undefined);
    }, gatherMs);
    timer.unref();
    this.#due.set(room, timer);
  }

  async #announce(room: string, stream: string): Promise<void> {
    const sockets = await this.#io.in(stream).fetchSockets();
    const users = new Set<string>(sockets.map((socket) => socket.data.principal));
    const shown = [...users].slice(0, namesMax);
    const names = await Promise.all(shown.map(async (user) => (await this.#nameOf(user)) ?? "somebody"));
    names.sort((one, other) => one.localeCompare(other));
    this.#io.to(stream).volatile.emit("presence", { room, count: users.size, names });
  }
}

const gatherMs = 300;

/** More than a header can show; the count tells the rest. */
const namesMax = 50;
