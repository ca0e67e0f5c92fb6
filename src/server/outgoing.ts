/**
 * `socket.onAnyOutgoing` for events that go through the log. As in Socket.IO the listeners hear an event when
 * it is emitted, not when it is delivered: what a client gets again after a reconnect was emitted once.
 */

import { type HoldfastSocket, packetEvent } from "./socket-io.ts";

export class OutgoingListeners {
  /** Only sockets that listen, so that a broadcast costs nothing where none does. */
  readonly #sockets = new Set<HoldfastSocket>();

  add(socket: HoldfastSocket): void {
    this.#sockets.add(socket);
  }

  delete(socket: HoldfastSocket): void {
    this.#sockets.delete(socket);
  }

  /** Tells those of the sockets that the event is for. */
  notify(rooms: readonly string[], except: readonly string[], args: readonly unknown[]): void {
    for (const socket of this.#sockets) {
      const isIn = (room: string) => socket.rooms.has(room);
      if (except.some(isIn) || (rooms.length > 0 && !rooms.some(isIn))) continue;
      socket.notifyOutgoingListeners({ type: packetEvent, data: [...args] });
    }
  }
}
