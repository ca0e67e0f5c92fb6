/**
 * What Socket.IO does in the order of the calls, Holdfast does too, though its events go out when they are
 * stored: emit before leave, before disconnect, before the answer, in every pair.
 */

import type { Server, Socket as ServerSocket } from "socket.io";
import type { Socket as ClientSocket } from "socket.io-client";
import { describe, expect, test, type TestContext } from "vitest";
import { until } from "../harness/until.ts";
import { makeClient, next, openClient, openServer, type Pair, pairs, reaches, record } from "./pair.ts";

describe.each(pairs)("$server server, $client client", (pair) => {
  test("a socket that leaves right after a broadcast still gets it, and none after", async (context) => {
    const { io, server, client } = await both(context, pair);
    const heard = record(client, "event");
    await server.join("room");
    io.to("room").emit("event", "before");
    void server.leave("room");
    io.to("room").emit("event", "after");
    void server.join("room");
    io.to("room").emit("event", "joined again");
    void server.leave("room");
    io.emit("event", "end");
    expect(await reaches(heard, 3)).toEqual([["before"], ["joined again"], ["end"]]);
  });

  test("a client that is disconnected right after an emit still gets it", async (context) => {
    const { io, server, client } = await both(context, pair);
    const heard = record(client, "event");
    const gone = next(client, "disconnect");
    const goneThere = next(server, "disconnect");
    server.emit("event", "to the socket");
    io.emit("event", "to all");
    server.disconnect();
    io.emit("event", "after");
    expect((await gone)[0]).toBe("io server disconnect");
    expect((await goneThere)[0]).toBe("server namespace disconnect");
    expect(heard).toEqual([["to the socket"], ["to all"]]);
    expect(io.of("/").sockets.size).toBe(0);
  });

  test("an answer before a disconnect arrives", async (context) => {
    const { server, client } = await both(context, pair);
    server.on("leave", (answer) => {
      answer("goodbye");
      server.disconnect(true);
    });
    const gone = next(client, "disconnect");
    expect(await client.emitWithAck("leave")).toBe("goodbye");
    await gone;
  });

  test("a broadcast by a handler arrives before its answer, and before later emits", async (context) => {
    const { io, server, client } = await both(context, pair);
    const heard: unknown[] = [];
    client.on("event", (value) => heard.push(value));
    server.on("ask", (answer) => {
      io.emit("event", "broadcast");
      server.emit("event", "emit");
      answer("answer");
    });
    heard.push(await client.emitWithAck("ask"));
    expect(heard).toEqual(["broadcast", "emit", "answer"]);
  });

  // A stock server gets the events, and drops them when the disconnect comes in the same turn.
  if (pair.client !== "stock" && pair.server !== "stock") {
    test("what a client emits before disconnect() is handled", async (context) => {
      const { server, client } = await both(context, pair);
      const heard = record(server, "event");
      const gone = next(server, "disconnect");
      client.emit("event", 1);
      client.emit("event", 2).disconnect();
      expect((await gone)[0]).toBe("client namespace disconnect");
      expect(heard).toEqual([[1], [2]]);
    });
  }

  test("nothing is heard from a client that was disconnected", async (context) => {
    const { server, client } = await both(context, pair);
    const heard = record(server, "event");
    const gone = next(client, "disconnect");
    server.disconnect();
    client.emit("event");
    await gone;
    await until(() => !server.connected, { what: "end of the socket" });
    expect(heard).toEqual([]);
  });

  test("what is emitted in the connection handler arrives, in order", async (context) => {
    const { io, url } = await openServer(context, pair.server);
    io.on("connection", (socket) => {
      socket.emit("event", 1);
      void socket.join("room");
      io.to("room").emit("event", 2);
      socket.emit("event", 3);
    });
    const heard = record(makeClient(context, pair.client, url), "event");
    expect(await reaches(heard, 3)).toEqual([[1], [2], [3]]);
  });
});

async function both(
  context: TestContext,
  pair: Pair,
): Promise<{ io: Server; server: ServerSocket; client: ClientSocket }> {
  const { io, url } = await openServer(context, pair.server);
  const connection = next(io, "connection");
  const client = await openClient(context, pair.client, url);
  return { io, server: (await connection)[0] as ServerSocket, client };
}
