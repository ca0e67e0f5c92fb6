/** A Holdfast client that meets a stock server says so, and goes on with Socket.IO's own guarantees. */

import { expect, test } from "vitest";
import type { Socket as HoldfastSocket } from "holdfast/client";
import { startRelay } from "../harness/relay.ts";
import { until } from "../harness/until.ts";
import { connected, makeClient, openServer, reaches, record } from "./pair.ts";

test("what waits in the outbox goes out the stock way, in order, with its callbacks", async (context) => {
  const { io, url } = await openServer(context, "stock");
  const heard: unknown[][] = [];
  io.on("connection", (socket) => {
    socket.onAny((...args) => heard.push(args.filter((value) => typeof value !== "function")));
    socket.on("ask", (question, answer) => answer(`${question}!`));
  });
  const client = makeClient(context, "Holdfast", url, { autoConnect: false }) as unknown as HoldfastSocket;
  const downgrades = record(client.delivery, "downgrade");
  const bytes = Buffer.from([1, 2, 3]);
  client.emit("first", bytes, { deep: [bytes] });
  const answer = client.emitWithAck("ask", "why");
  const timed = new Promise((resolve) => {
    client.timeout(5_000).emit("ask", "when", (...args: unknown[]) => resolve(args));
  });
  client.emit("last");
  expect(client.delivery.pending).toBe(4);
  client.connect();
  expect(await answer).toBe("why!");
  expect(await timed).toEqual([null, "when!"]);
  await reaches(heard, 4);
  expect(heard).toEqual([["first", bytes, { deep: [bytes] }], ["ask", "why"], ["ask", "when"], ["last"]]);
  expect(downgrades).toHaveLength(1);
  expect(client.delivery.guaranteed).toBe(false);
  expect(client.delivery.pending).toBe(0);
});

test("it delivers again when the stock server is replaced by one that does", async (context) => {
  const stock = await openServer(context, "stock");
  const holdfast = await openServer(context, "Holdfast");
  const heard = record(holdfast.io, "connection");
  holdfast.io.on("connection", (socket) => socket.on("ask", (answer) => answer("Holdfast")));
  stock.io.on("connection", (socket) => socket.on("ask", (answer) => answer("stock")));
  const relay = await startRelay(context, { port: Number(new URL(stock.url).port) });
  const client = makeClient(context, "Holdfast", relay.url) as unknown as HoldfastSocket;
  expect(await client.emitWithAck("ask")).toBe("stock");
  expect(client.delivery.guaranteed).toBe(false);
  relay.target = { port: Number(new URL(holdfast.url).port) };
  relay.resetAll();
  await reaches(heard, 1);
  await until(() => client.delivery.guaranteed, { what: "a session" });
  expect(await client.emitWithAck("ask")).toBe("Holdfast");
});

test("it is told a gap, and downgrades, when its server is replaced by a stock one", async (context) => {
  const stock = await openServer(context, "stock");
  const holdfast = await openServer(context, "Holdfast");
  for (const { io } of [stock, holdfast]) {
    io.on("connection", (socket) => socket.on("ask", (answer) => answer("answer")));
  }
  const relay = await startRelay(context, { port: Number(new URL(holdfast.url).port) });
  const client = makeClient(context, "Holdfast", relay.url) as unknown as HoldfastSocket;
  const gaps = record(client.delivery, "gap");
  const downgrades = record(client.delivery, "downgrade");
  expect(await client.emitWithAck("ask")).toBe("answer");
  holdfast.io.emit("event");
  await until(() => client.delivery.positions.some(({ offset }) => offset === 1), { what: "a position" });
  relay.target = { port: Number(new URL(stock.url).port) };
  relay.resetAll();
  await reaches(downgrades, 1);
  await connected(client);
  expect(await client.emitWithAck("ask")).toBe("answer");
  expect(gaps.map(([gap]) => (gap as { reason: string }).reason)).toEqual(["session_lost"]);
});
