/** The small application that clients of a load test talk to, on Holdfast or on a control. */

import type { Server } from "socket.io";
import { currentRequest } from "holdfast";
import { type Introduction, publisherOf, replyTo, type ServerLine, type Work } from "../contract.ts";
import type { Speaker } from "./speaker.ts";
import { now } from "./wall-clock.ts";

export function attachApplication(io: Server, { isDurable, speaker, write, mayJoin }: Parts): void {
  io.on("connection", (socket) => {
    const { client, rooms } = socket.handshake.auth as Introduction;
    if (rooms === undefined) return;
    const joined = Promise.resolve(socket.recovered ? undefined : socket.join(rooms.filter(mayJoin)));
    socket.on("arrive", async (acknowledge: () => void) => {
      await joined;
      acknowledge();
    });
    socket.on("work", async ({ id, intendedAt, publishTo: room }: Work, acknowledge?: Acknowledge) => {
      const key = isDurable ? (currentRequest()?.id ?? "none") : `${client}:${id}`;
      write(["run", client, id, now(), key]);
      if (room !== undefined && mayJoin(room))
        await speaker.say({ publisher: publisherOf(client), sequence: id, room, intendedAt });
      acknowledge?.(replyTo(client, id));
    });
  });
}

// --- types ---

type Acknowledge = (reply: string) => void;

type Parts = {
  /** Events have a key that is the same when they run again. */
  readonly isDurable: boolean;
  readonly speaker: Speaker;
  /** Tells the ledger. */
  readonly write: (line: ServerLine) => void;
  readonly mayJoin: (room: string) => boolean;
};
