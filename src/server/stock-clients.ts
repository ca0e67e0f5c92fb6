/**
 * Stock clients in one namespace: they get ordinary Socket.IO packets, in the streams' order, and no replay.
 * Who is in a room is decided as in Socket.IO, in the order of the calls: an event reaches those who were in
 * the room when it was emitted, although it is delivered once it is stored.
 */

import type { Adapter } from "socket.io-adapter";
import { parseJson } from "../protocol/frames.ts";
import { decodePayload } from "../protocol/payload.ts";
import type { CommittedEntry } from "../store/port.ts";
import type { EmitOrder } from "./emit-order.ts";
import { toBuffer } from "./event-runs.ts";
import { type HoldfastSocket, sendStock } from "./socket-io.ts";

export class StockClients {
  readonly sockets = new Set<HoldfastSocket>();
  readonly #adapter: () => Adapter;
  readonly #order: EmitOrder;
  readonly #processId: string;
  /** Rooms by stream id, of entries that were published to several. */
  readonly #rooms = new Map<number, string>();
  /** Memberships that have changed, as they were for the events that are not stored yet. */
  readonly #changing = new Map<string, { member: boolean; changes: number }>();

  constructor(options: {
    readonly adapter: () => Adapter;
    readonly order: EmitOrder;
    /** Names this process in the callbacks that entries answer to. */
    readonly processId: string;
  }) {
    this.#adapter = options.adapter;
    this.#order = options.order;
    this.#processId = options.processId;
  }

  /** To be called before the adapter's own rooms change. */
  handleChange(id: string, room: string, member: boolean): void {
    const was = this.#adapter().rooms.get(room)?.has(id) === true;
    if (was === member || !this.#order.pending) return;
    const name = `${id} ${room}`;
    const change = this.#changing.get(name) ?? { member: was, changes: 0 };
    change.changes += 1;
    this.#changing.set(name, change);
    this.#order.afterStored(() => {
      change.member = member;
      change.changes -= 1;
      if (change.changes === 0) this.#changing.delete(name);
    });
  }

  /** Notes the rooms of a publish to several, before its entries are delivered one by one. */
  handleCommitted(
    entries: readonly { also?: unknown; stream: number }[],
    roomOf: (index: number) => string,
  ): void {
    for (const [index, { also, stream }] of entries.entries()) {
      if (also === undefined) continue;
      // Taken out first, so that the first in the map is the one that was used the longest time ago.
      this.#rooms.delete(stream);
      this.#rooms.set(stream, roomOf(index));
    }
    for (const oldest of this.#rooms.keys()) {
      if (this.#rooms.size <= roomsLimit) return;
      this.#rooms.delete(oldest);
    }
  }

  /** Sends an entry to the members of `room`; "" is the whole namespace. */
  deliver(room: string, entry: CommittedEntry): void {
    if (this.sockets.size === 0) return;
    // Who was asked from here got the question at once, with a callback of its own.
    if (entry.request?.startsWith(`${this.#processId}.`) === true) return;
    let args: unknown[] | undefined;
    for (const socket of this.sockets) {
      if (room !== "" && !this.#isMember(socket.id, room)) continue;
      if (entry.except?.some((excepted) => this.#isMember(socket.id, excepted)) === true) continue;
      if (this.#comesByAnotherRoom(socket, entry)) continue;
      args ??= decodePayload(parseJson(entry.payload), toBuffer) ?? [];
      sendStock(socket, [...args]);
    }
  }

  #isMember(id: string, room: string): boolean {
    const change = this.#changing.size === 0 ? undefined : this.#changing.get(`${id} ${room}`);
    return change?.member ?? this.#adapter().rooms.get(room)?.has(id) === true;
  }

  /**
   * An event that was published to several of a client's rooms comes by the one with the lowest stream id.
   */
  #comesByAnotherRoom(socket: HoldfastSocket, entry: CommittedEntry): boolean {
    for (const [id] of entry.also ?? []) {
      if (id > entry.stream) continue;
      const room = this.#rooms.get(id);
      if (room !== undefined && (room === "" || this.#isMember(socket.id, room))) return true;
    }
    return false;
  }
}

/** A publish to several rooms is delivered within moments of being stored; this is plenty. */
const roomsLimit = 10_000;
