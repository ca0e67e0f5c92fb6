/**
 * Speaks as the shipped chat does, on plain Socket.IO, and is careless: now and then it loses, or doubles.
 */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Server } from "socket.io";
import { tellParent } from "../harness/parent.ts";

const http = createServer();
const io = new Server(http, { serveClient: false });
let said = 0;

io.on("connection", (socket) => {
  socket.on("claim_name", ({ name }: { name: string }, answer: Answer) => answer({ name }));
  socket.on("join", async ({ room }: { room: string }, answer: Answer) => {
    await socket.join(room);
    answer({ room });
  });
  socket.on("say", (message: Message, answer: Answer) => {
    said += 1;
    const listeners = said % 40 === 0 ? socket.to(message.room) : io.to(message.room);
    listeners.emit("message", message);
    if (said % 50 === 0) listeners.emit("message", message);
    answer({ offset: said });
  });
});

http.listen(0, "127.0.0.1", () => void tellParent("ready", { port: (http.address() as AddressInfo).port }));

// --- types ---

type Answer = (reply: object) => void;
type Message = { readonly room: string; readonly id: string; readonly text: string };
