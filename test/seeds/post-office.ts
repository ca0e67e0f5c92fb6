/** A server with a mailbox for each user; sessions are short, so that only the mailbox can remember. */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Server } from "holdfast";
import { answerParent, tellParent } from "../harness/parent.ts";

const [store = "", port = "0"] = process.argv.slice(2);
const http = createServer();
const io = new Server(http, { delivery: { store, sessionLifeMs: 1_000, sweepIntervalMs: 50 } });

io.on("connection", (socket) => {
  const { user } = socket.handshake.auth as { user: string };
  void socket.join(`user:${user}`, { cursor: `user:${user}` });
  socket.on("write", async (to: string, text: string, answer: () => void) => {
    await io.to(`user:${to}`).publish("letter", `${user}: ${text}`);
    answer();
  });
  socket.on("confirmed", (answer: () => void) => answer());
});

answerParent({ sessions: async () => (await io.delivery.figures()).store.sessions });
http.listen(Number(port), "127.0.0.1", () => {
  void tellParent("ready", (http.address() as AddressInfo).port);
});
