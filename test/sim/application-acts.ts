/** What the nodes of the simulated application do by themselves, beside publishing. */

import type { Server } from "../../src/server/index.ts";
import { codeOf } from "./error-code.ts";
import type { History } from "./history.ts";
import type { Seeded } from "./seeded.ts";
import type { Act } from "./usage.ts";

export type Acting = {
  readonly io: Server;
  readonly node: string;
  readonly history: History;
  readonly random: Seeded;
  readonly rooms: readonly string[];
  readonly acts: readonly Act[];
  /** Only one node at a time: what is taken from sessions needs no other process to know. */
  readonly alone: boolean;
  readonly bans: Bans;
};

/** Who may not be in which room; all nodes know. */
export class Bans {
  readonly #banned = new Set<string>();

  add(user: string, room: string): void {
    this.#banned.add(`${user} ${room}`);
  }

  has(user: string, room: string): boolean {
    return this.#banned.has(`${user} ${room}`);
  }
}

/** Does one thing, or nothing. `id` names what is published. */
export function act(acting: Acting, id: string): void {
  const { io, history, node, random, rooms, acts, bans } = acting;
  if (acts.length === 0 || !random.chance(0.3)) return;
  const room = random.pick(rooms);
  switch (random.pick(acts)) {
    case "kicks":
      if (!random.chance(0.2)) return;
      history.add({ kind: "act", node, what: "kick", detail: room });
      io.in(room).disconnectSockets(random.chance(0.5));
      return;
    case "moves":
      move(acting, room);
      return;
    case "bans": {
      const [socket] = io.sockets.sockets.values();
      const { user = "" } = (socket?.handshake.auth ?? {}) as { user?: string };
      if (user === "" || !random.chance(0.3)) return;
      bans.add(user, room);
      history.add({ kind: "act", node, what: "ban", detail: `${user} ${room}` });
      return;
    }
    case "flashes":
      history.add({ kind: "flash", by: node, id });
      if (random.chance(0.5)) io.to(room).volatile.emit("flash", id);
      else io.volatile.emit("flash", id);
      return;
    case "orders":
      order(acting, room);
      return;
  }
}

/** Takes a room from sessions, or gives one to them. */
function move({ io, history, node, random, rooms, alone }: Acting, room: string): void {
  const [first] = io.sockets.sockets.keys();
  const whom = random.chance(0.5) ? random.pick(rooms) : first;
  if (whom === undefined || !alone) return;
  const leaves = random.chance(0.5);
  history.add({
    kind: "act",
    node,
    what: leaves ? "socketsLeave" : "socketsJoin",
    detail: `${whom} ${room}`,
  });
  if (leaves) io.in(whom).socketsLeave(room);
  else io.in(whom).socketsJoin(room);
}

/**
 * An order has a key of its own, whoever places it and however often; some orders are placed in two versions.
 */
function order({ io, history, node, random, rooms }: Acting, anyRoom: string): void {
  const number = random.whole(0, 12);
  const key = `order-${number}`;
  const id = `k${number}${random.chance(0.15) ? "x" : ""}`;
  const room = rooms[number % rooms.length] ?? anyRoom;
  const publish = (triesLeft: number) => {
    io.delivery.publish({ rooms: [room], event: "note", args: [id, ""], key }).then(
      ([receipt]) => {
        const { stream = 0, offset = 0, duplicate = false } = receipt ?? {};
        history.add({ kind: "ordered", node, key, id, error: "", stream, offset, duplicate });
      },
      (error: unknown) => {
        const place = { stream: 0, offset: 0, duplicate: false };
        history.add({ kind: "ordered", node, key, id, error: codeOf(error), ...place });
        if (codeOf(error) !== "key_conflict" && triesLeft > 0) setTimeout(() => publish(triesLeft - 1), 300);
      },
    );
  };
  publish(3);
}
