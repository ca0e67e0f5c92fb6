/** How a crowd talks to the shipped chat. */

import { randomBytes } from "node:crypto";
import type { Socket } from "socket.io-client";
import type { Dialect } from "../cluster/crowd.ts";

export const chatDialect: Dialect = {
  // A secret is what tells users apart.
  auth: () => ({ secret: randomBytes(32).toString("base64url") }),
  enter: async (socket, _number, room) => {
    await socket.emitWithAck("claim_name", { name: `Person ${randomBytes(6).toString("hex")}` });
    await socket.emitWithAck("join", { room: roomName(room) });
  },
  say: (socket, room, id, done) =>
    void socket.emit("say", { room: roomName(room), id: messageId(id), text: id }, (reply: unknown) => {
      // The chat answers a refusal as well; the crowd would count it as taken.
      if (isReceipt(reply)) done();
    }),
  hear: (socket: Socket, show) => void socket.on("message", ({ text }: { text: string }) => show(text)),
  ask: (socket, room) => socket.timeout(20_000).emitWithAck("join", { room: roomName(room) }),
};

/** The chat wants small letters, digits and dashes. */
function roomName(room: string): string {
  return room.replaceAll(" ", "-");
}

/** The chat wants eight characters at least. */
function messageId(id: string): string {
  return id.replaceAll(".", "-").padEnd(8, "-");
}

function isReceipt(reply: unknown): boolean {
  return typeof (reply as { offset?: unknown } | null)?.offset === "number";
}
