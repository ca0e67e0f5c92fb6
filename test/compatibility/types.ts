/**
 * Types, checked by `tsc` and never run: what TypeScript applications of Socket.IO write goes on compiling
 * with the two imports changed, and what Holdfast adds has the application's own types.
 */

import {
  type BroadcastOperator,
  currentRequest,
  type Namespace,
  type Receipt,
  Server,
  type Session,
  type Socket,
} from "holdfast";
import { io, Manager, type Socket as ClientSocket } from "holdfast/client";
import type * as stock from "socket.io";
import type * as stockClient from "socket.io-client";

type ClientToServer = {
  chat: (text: string, answer: (reply: { offset: number }) => void) => void;
  typing: () => void;
};
type ServerToClient = {
  message: (text: string, at: number) => void;
  ask: (question: string, answer: (reply: number) => void) => void;
};
type BetweenServers = { ping: (from: string) => void };
type Data = { principal: string; visits: number };
type TypedSocket = Socket<ClientToServer, ServerToClient, BetweenServers, Data>;
type Typed = Server<ClientToServer, ServerToClient, BetweenServers, Data>;

export async function server(): Promise<void> {
  const server: Typed = new Server<ClientToServer, ServerToClient, BetweenServers, Data>(3000, {
    cors: { origin: "*" },
    delivery: { store: "memory:", retention: { entryAgeMs: 1_000 } },
  });
  server.use((socket, next) => {
    socket.data.visits = 1;
    next();
  });
  server.on("connection", (socket) => void serve(server, socket));
  server.on("session", (session: Session) => {
    session.on("suspend", () => undefined);
    session.on("chat", () => undefined);
  });
  const admin: Namespace<ClientToServer, ServerToClient, BetweenServers, Data> = server.of("/admin");
  await admin.publish("message", "text", 1);
  await server.of(/^\/x-/).except("a").publish("message", "text", 1);
  const replies: number[] = await server.timeout(10).emitWithAck("ask", "all");
  server.emit("message", "text", replies.length);
  server.serverSideEmit("ping", "here");
  for (const remote of await server.fetchSockets()) remote.data.principal.toUpperCase();
  const asStock: stock.Server<ClientToServer, ServerToClient, BetweenServers, Data> = server;
  await asStock.close();
  const untyped = new Server();
  untyped.on("connection", (socket) => socket.emit("anything", 1));
  const page = await server.delivery.read("room", { limit: 50 });
  page.entries[0]?.offset.toFixed();
}

async function serve(server: Typed, socket: TypedSocket): Promise<void> {
  const visits: number | undefined = socket.data.visits;
  socket.on("chat", async (text: string, answer) => {
    const receipt: Receipt = await server.to("room").publish("message", text, visits ?? 0);
    const key: string = currentRequest().id;
    answer({ offset: receipt.offset + key.length });
    // @ts-expect-error the answer has an offset
    answer({ place: 1 });
  });
  // @ts-expect-error no such event
  socket.on("chatter", () => undefined);
  // @ts-expect-error a message has two values
  socket.emit("message", "text");
  const reply: number = await socket.timeout(1_000).emitWithAck("ask", "why");
  await socket.join("room", { last: reply, show: true });
  await socket.join(["a", "b"], { cursor: "user:42" });
  // @ts-expect-error no such option
  await socket.join("room", { latest: 1 });
  const broadcast: BroadcastOperator<ServerToClient, Data> = socket.broadcast.to("a").except("b");
  await broadcast.publish("message", "text", 1);
  // @ts-expect-error the second value is a number
  await socket.publish("message", "text", "now");
  const session: Session | undefined = socket.delivery.session;
  session?.emit("message", "text", 1);
}

export async function client(): Promise<void> {
  const socket: ClientSocket<ServerToClient, ClientToServer> = io("/", {
    auth: { token: "abc" },
    delivery: { outboxLimit: 10 },
  });
  socket.on("message", (text: string, at: number) => text.repeat(at));
  socket.on("ask", (_question, answer) => answer(1));
  // @ts-expect-error no such event
  socket.on("msg", () => undefined);
  const { offset } = await socket.emitWithAck("chat", "hello");
  socket.timeout(1_000).emit("chat", "hello", (error, reply) => [error.message, reply.offset === offset]);
  // @ts-expect-error a text
  socket.emit("chat", 1, () => undefined);
  socket.volatile.emit("typing");
  socket.delivery.aside().emit("typing");
  socket.delivery.on("gap", ({ room, from, to, reason }) => [room.length, from + to, reason === "retention"]);
  const asStock: stockClient.Socket<ServerToClient, ClientToServer> = socket;
  asStock.disconnect();
  new Manager("http://127.0.0.1").socket("/x").delivery.reset();
}
