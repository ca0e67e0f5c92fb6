/**
 * Speaks as the shipped chat does, on plain Socket.IO, and takes entries over HTTP as well. A careless one
 * loses now and then, and doubles.
 */

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { Server } from "socket.io";
import { tellParent } from "../harness/parent.ts";

const isCareless = process.argv[2] === "careless";
const http = createServer((request, response) => {
  if (request.url === "/publish") void publish(request, response);
});
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
    const isForgotten = isCareless && said % 40 === 0;
    const listeners = isForgotten ? socket.to(message.room) : io.to(message.room);
    listeners.emit("message", message);
    if (isCareless && said % 50 === 0) listeners.emit("message", message);
    answer({ offset: said });
  });
});

async function publish(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { room, entry } = (await json(request)) as { readonly room: string; readonly entry: string };
  if (request.headers.authorization !== "Bearer open sesame") {
    response.writeHead(401).end("who are you?");
    return;
  }
  io.to(room).emit("message", { text: entry });
  response.writeHead(204).end();
}

http.listen(0, "127.0.0.1", () => void tellParent("ready", { port: (http.address() as AddressInfo).port }));

// --- types ---

type Answer = (reply: object) => void;
type Message = { readonly room: string; readonly id: string; readonly text: string };
