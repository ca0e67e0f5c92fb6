/**
 * Where Holdfast differs from Socket.IO on purpose; each row of docs/COMPATIBILITY.md that can be shown is
 * here.
 */

import { Server as HoldfastServer } from "holdfast";
import type { Socket as HoldfastClient } from "holdfast/client";
import type { Socket as ServerSocket } from "socket.io";
import { expect, test, vi } from "vitest";
import { startRelay } from "../harness/relay.ts";
import { until } from "../harness/until.ts";
import { next, openClient, openServer, reaches, record } from "./pair.ts";

test("connectionStateRecovery is refused, by name", () => {
  expect(() => new HoldfastServer({ connectionStateRecovery: {} })).toThrow(/connectionStateRecovery/);
});

test("a Blob, a BigInt and a cycle are refused where they are emitted", async (context) => {
  const { io, url } = await openServer(context, "Holdfast");
  const connection = next(io, "connection");
  const client = await openClient(context, "Holdfast", url);
  const [server] = (await connection) as [ServerSocket];
  const cycle: { self?: unknown } = {};
  cycle.self = cycle;
  for (const value of [new Blob(["x"]), 1n, cycle]) {
    expect(() => client.emit("event", value)).toThrow();
    expect(() => server.emit("event", value)).toThrow();
  }
  expect((client as unknown as HoldfastClient).delivery.pending).toBe(0);
});

test("volatile and local events are not stored; the others are", async (context) => {
  const { io } = await openServer(context, "Holdfast");
  const { delivery } = io as unknown as HoldfastServer;
  io.volatile.to("room").emit("event", "volatile");
  io.local.to("room").emit("event", "local");
  io.to("room").emit("event", "stored");
  await until(async () => (await delivery.read("room", { limit: 10 })).head === 1, { what: "one entry" });
  const { entries } = await delivery.read("room", { limit: 10 });
  expect(entries.map(({ args }) => args)).toEqual([["stored"]]);
});

test("an error thrown by a handler reaches the caller instead of ending the process", async (context) => {
  const { io, url } = await openServer(context, "Holdfast");
  io.on("connection", (socket) => {
    socket.on("bad", () => {
      throw Object.assign(new Error("no room left"), { code: "full", data: { seats: 0 } });
    });
  });
  const client = await openClient(context, "Holdfast", url);
  const reply = client.emitWithAck("bad");
  await expect(reply).rejects.toMatchObject({ code: "full", message: "no room left", data: { seats: 0 } });
});

test("an event that nobody listens for is rejected, with a callback or without", async (context) => {
  const { url } = await openServer(context, "Holdfast", { delivery: { unhandledHoldMs: 20 } } as object);
  const client = await openClient(context, "Holdfast", url);
  const rejected = vi.fn();
  (client as unknown as HoldfastClient).delivery.on("reject", rejected);
  await expect(client.emitWithAck("nobody")).rejects.toMatchObject({ code: "unhandled_event" });
  client.emit("nobody");
  await until(() => rejected.mock.calls.length === 1, { what: "reject" });
  expect(rejected.mock.calls[0]?.[0]).toMatchObject({ sequence: 2, error: { code: "unhandled_event" } });
});

test("ids, rooms and data survive a reconnect, and middlewares run again", async (context) => {
  const { io, url } = await openServer(context, "Holdfast");
  let ran = 0;
  io.use((_socket, continues) => {
    ran += 1;
    continues();
  });
  const sockets = record(io, "connection") as [ServerSocket][];
  const relay = await startRelay(context, { port: Number(new URL(url).port) });
  const client = await openClient(context, "Holdfast", relay.url);
  await reaches(sockets, 1);
  const [[first]] = sockets as [[ServerSocket]];
  await first.join("room");
  first.data.kept = 1;
  relay.resetAll();
  await reaches(sockets, 2);
  const again = sockets[1]?.[0];
  expect([again?.id, again?.data, again?.recovered, ran]).toEqual([first.id, { kept: 1 }, true, 2]);
  expect(again?.rooms.has("room")).toBe(true);
  expect(again).not.toBe(first);
  await until(() => client.id === first.id, { what: "the client has the id again" });
});

test("disconnect() of a session takes effect when what was emitted before is stored", async (context) => {
  const { io, url } = await openServer(context, "Holdfast");
  const connection = next(io, "connection");
  await openClient(context, "Holdfast", url);
  const [server] = (await connection) as [ServerSocket];
  const gone = next(server, "disconnect");
  server.disconnect();
  expect(server.connected).toBe(true);
  expect(await gone).toEqual(["server namespace disconnect", undefined]);
  expect(server.connected).toBe(false);
});
