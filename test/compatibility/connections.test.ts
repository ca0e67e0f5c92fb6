/**
 * Connections mean what they mean in Socket.IO: transports, options, handshakes, how they end, in every pair.
 */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Server, Socket as ServerSocket } from "socket.io";
import { describe, expect, test } from "vitest";
import { startRelay } from "../harness/relay.ts";
import { until } from "../harness/until.ts";
import * as jsonParser from "./json-parser.ts";
import {
  type ClientOptions,
  connected,
  makeClient,
  makeServer,
  next,
  openClient,
  openServer,
  pairs,
  reaches,
  record,
} from "./pair.ts";

describe.each(pairs)("$server server, $client client", (pair) => {
  test.for<[string, ClientOptions, string]>([
    ["long-polling alone", { transports: ["polling"] }, "polling"],
    ["long-polling upgraded to WebSocket", { transports: ["polling", "websocket"] }, "websocket"],
    ["WebSocket alone", { transports: ["websocket"] }, "websocket"],
  ])("%s carries events, binary and answers both ways", async ([, options, transport], context) => {
    const { io, url } = await openServer(context, pair.server);
    io.on("connection", (socket) => echo(socket));
    const client = await openClient(context, pair.client, url, options);
    await until(() => client.io.engine.transport.name === transport, { what: transport });
    await roundTrips(client);
    const heard = record(client, "event");
    for (let index = 0; index < 50; index += 1) io.emit("event", index);
    expect((await reaches(heard, 50)).flat()).toEqual(Array.from({ length: 50 }, (_none, index) => index));
  });

  test("a parser of the application's own carries everything", async (context) => {
    const { io, url } = await openServer(context, pair.server, { parser: jsonParser });
    io.on("connection", (socket) => echo(socket));
    const client = await openClient(context, pair.client, url, { parser: jsonParser });
    const heard = record(client, "event");
    io.emit("event", { to: "all" });
    expect(await reaches(heard, 1)).toEqual([[{ to: "all" }]]);
    expect(await client.emitWithAck("echo", { text: "\u2028 \u0000 ü" })).toEqual([
      { text: "\u2028 \u0000 ü" },
    ]);
  });

  test("path and cors are the server's options", async (context) => {
    const { io, url } = await openServer(context, pair.server, {
      path: "/elsewhere/",
      cors: { origin: "https://app.example", credentials: true },
    });
    io.on("connection", (socket) => echo(socket));
    const client = await openClient(context, pair.client, url, { path: "/elsewhere" });
    await roundTrips(client);
    const query = `${url}/elsewhere/?EIO=4&transport=polling`;
    const response = await fetch(query, { method: "OPTIONS", headers: { origin: "https://app.example" } });
    expect(response.status).toBe(204);
    expect(response.headers.get("access-control-allow-origin")).toBe("https://app.example");
  });

  test("the handshake has auth, query, headers, address and time", async (context) => {
    const { io, url } = await openServer(context, pair.server);
    const connection = next(io, "connection");
    const client = await openClient(context, pair.client, url, {
      auth: (done) => done({ token: "abc" }),
      query: { room: "a b" },
      extraHeaders: { "x-test": "yes" },
    });
    const [socket] = (await connection) as [ServerSocket];
    const { handshake } = socket;
    expect(handshake.auth).toMatchObject({ token: "abc" });
    expect(handshake.query).toMatchObject({ room: "a b", EIO: "4", transport: "websocket" });
    expect(handshake.headers["x-test"]).toBe("yes");
    expect(handshake.address).toBe("127.0.0.1");
    expect(handshake.xdomain).toBe(false);
    expect(Math.abs(Date.now() - handshake.issued)).toBeLessThan(60_000);
    expect(socket.request.url).toContain("/socket.io/");
    expect(socket.id).toBe(client.id);
    expect(socket.conn.transport.name).toBe("websocket");
  });

  test("a client that disconnects says so on both sides, and can connect again", async (context) => {
    const { io, url } = await openServer(context, pair.server);
    const sockets = record(io, "connection");
    const client = await openClient(context, pair.client, url);
    const [[server]] = (await reaches(sockets, 1)) as [[ServerSocket]];
    const there = next(server, "disconnect");
    const here = next(client, "disconnect");
    client.disconnect();
    expect((await here)[0]).toBe("io client disconnect");
    expect((await there)[0]).toBe("client namespace disconnect");
    expect([client.connected, client.active]).toEqual([false, false]);
    client.connect();
    await connected(client);
    await reaches(sockets, 2);
    expect(client.active).toBe(true);
  });

  test("a server that disconnects says so on both sides, and the client stays away", async (context) => {
    const { io, url } = await openServer(context, pair.server);
    const connection = next(io, "connection");
    const client = await openClient(context, pair.client, url);
    const [server] = (await connection) as [ServerSocket];
    const there = next(server, "disconnect");
    const here = next(client, "disconnect");
    server.disconnect(true);
    expect((await here)[0]).toBe("io server disconnect");
    expect((await there)[0]).toBe("server namespace disconnect");
    expect(client.active).toBe(false);
  });

  test("a connection that breaks says so, and the client comes back", async (context) => {
    const { io, url } = await openServer(context, pair.server);
    const relay = await startRelay(context, { port: Number(new URL(url).port) });
    const sockets = record(io, "connection") as [ServerSocket][];
    const client = await openClient(context, pair.client, relay.url);
    await reaches(sockets, 1);
    const there = next(sockets[0]![0], "disconnect");
    const here = next(client, "disconnect");
    const back = next(client.io, "reconnect");
    relay.resetAll();
    expect((await here)[0]).toBe("transport close");
    expect((await there)[0]).toMatch(/^transport (close|error)$/);
    expect(client.active).toBe(true);
    expect(await back).toEqual([1]);
    await reaches(sockets, 2);
    await connected(client);
  });

  test("events from before the connection are sent when it is there", async (context) => {
    const { io, url } = await openServer(context, pair.server);
    io.on("connection", (socket) => echo(socket));
    const client = makeClient(context, pair.client, url, { autoConnect: false });
    const answers = ["a", "b"].map((text) => client.emitWithAck("echo", text));
    expect(client.connected).toBe(false);
    client.connect();
    expect(await Promise.all(answers)).toEqual([["a"], ["b"]]);
  });

  test("a server out of reach is a connect_error, and the client goes on trying", async (context) => {
    const { io, url } = await openServer(context, pair.server);
    const relay = await startRelay(context, { port: Number(new URL(url).port) });
    relay.refuse();
    const client = makeClient(context, pair.client, relay.url);
    const [error] = (await next(client, "connect_error")) as [Error];
    expect(error).toBeInstanceOf(Error);
    expect(client.active).toBe(true);
    const connection = next(io, "connection");
    await relay.listen();
    await connection;
  });

  test("io.close() tells both sides, and frees the port", async (context) => {
    const { io, url } = await openServer(context, pair.server);
    const connection = next(io, "connection");
    const client = await openClient(context, pair.client, url, { reconnection: false });
    const [server] = (await connection) as [ServerSocket];
    const there = next(server, "disconnect");
    const here = next(client, "disconnect");
    await io.close();
    expect((await here)[0]).toMatch(/^(transport close|io server disconnect)$/);
    expect((await there)[0]).toBe("server shutting down");
    const again = createServer();
    context.onTestFinished(() => void again.close());
    await new Promise<void>((resolve, reject) => {
      again.once("error", reject);
      again.listen(Number(new URL(url).port), "127.0.0.1", resolve);
    });
  });

  test("a server is made from options, then listen() or attach()", async (context) => {
    const byListen = makeServer(context, pair.server);
    byListen.listen(0);
    const byAttach = makeServer(context, pair.server);
    byAttach.attach(0);
    for (const io of [byListen, byAttach]) {
      io.on("connection", (socket) => echo(socket));
      await roundTrips(await openClient(context, pair.client, `http://127.0.0.1:${await portOf(io)}`));
    }
  });
});

function echo(socket: ServerSocket): void {
  socket.on("echo", (...args) => {
    const answer = args.pop() as (values: unknown[]) => void;
    answer(args);
  });
}

async function roundTrips(client: {
  emitWithAck(event: string, ...args: unknown[]): Promise<unknown>;
}): Promise<void> {
  const bytes = Buffer.from([0, 255]);
  expect(await client.emitWithAck("echo", "text", { bytes })).toEqual(["text", { bytes }]);
}

async function portOf(io: Server): Promise<number> {
  const { httpServer } = io as unknown as { httpServer: { address(): AddressInfo | null } };
  return (await until(() => httpServer.address(), { what: "listening" })).port;
}
