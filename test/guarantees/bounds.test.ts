/** Every queue has an end: what happens there is said, and nobody else notices. */

import { expect, test } from "vitest";
import { startRelay } from "../harness/relay.ts";
import { until } from "../harness/until.ts";
import { openClient, startClient } from "./client.ts";
import { startNode } from "./node.ts";

test("G2 G7 a slow reader costs no memory, delays nobody, and gets everything in order", async (context) => {
  const bufferedCharactersLimit = 100_000;
  const node = await startNode(context, { delivery: { bufferedCharactersLimit } });
  const relay = await startRelay(context, node);
  relay.shape = { toClientBytesPerSecond: 20_000 };
  const slow = await openClient(context, relay.url, { name: "slow", rooms: ["flood"] });
  const fast = await openClient(context, node.url, { name: "fast", rooms: ["flood", "calm"] });
  await Promise.all([slow.roundTrip(), fast.roundTrip()]);
  let waitingMax = 0;
  // 40 MB, where the kernel's and the relay's buffers hold at most a few.
  const [rounds, perRound, padding] = [20, 500, 4_000];
  for (let round = 0; round < rounds; round += 1) {
    await node.publish("flood", round * perRound + 1, perRound, padding);
    await fast.receives("flood", (round + 1) * perRound);
    const { waitingToBeWritten } = await node.status();
    waitingMax = Math.max(waitingMax, ...waitingToBeWritten);
  }
  const askedAt = performance.now();
  await fast.roundTrip();
  expect(performance.now() - askedAt).toBeLessThan(1_000);
  const total = rounds * perRound;
  expect(slow.received("flood").length).toBeLessThan(total / 2);
  // One page of the log may come on top of the limit.
  expect(waitingMax).toBeLessThan(bufferedCharactersLimit + 600_000);
  relay.latest.toClient.pace({});
  await slow.receives("flood", total, 30_000);
  await slow.roundTrip();
  const everything = Array.from({ length: total }, (_, index) => index + 1);
  expect(slow.received("flood")).toEqual(everything);
  expect(fast.received("flood")).toEqual(everything);
  expect({ slow: slow.gaps, fast: fast.gaps, disconnects: slow.disconnects.length }).toEqual({
    slow: [],
    fast: [],
    disconnects: 0,
  });
});

test("G1 G7 a full outbox says so at once, and what was taken is handled", async (context) => {
  const node = await startNode(context);
  const ann = startClient(context, node.url, {
    name: "ann",
    delivery: { outboxLimit: 5 },
    socket: { autoConnect: false },
  });
  const taken = [1, 2, 3, 4, 5].map((id) => ann.call({ id }));
  await expect(ann.call({ id: 6 })).rejects.toMatchObject({ code: "outbox_full" });
  expect(() => ann.socket.emit("call", { id: 7 })).toThrowError(
    expect.objectContaining({ code: "outbox_full" }),
  );
  const failure = await new Promise((resolve) => ann.socket.timeout(1_000).emit("call", { id: 8 }, resolve));
  expect(failure).toMatchObject({ code: "outbox_full" });
  ann.socket.connect();
  await Promise.all(taken);
  await ann.call({ id: 9 });
  expect(node.handled().map((call) => call.id)).toEqual([1, 2, 3, 4, 5, 9]);
  expect(ann.settled).toHaveLength(6);
});

test("G6 G7 sessions evicted from memory are none the worse for it", async (context) => {
  const node = await startNode(context, { delivery: { suspendedSessionsLimit: 2 } });
  const names = ["ann", "bob", "cid", "dan", "eve"];
  const clients = await Promise.all(
    names.map((name) => openClient(context, node.url, { name, rooms: ["all"] })),
  );
  await Promise.all(clients.map((client) => client.roundTrip()));
  for (const client of clients) await client.leave();
  await node.reaches("two suspended sessions", ({ figures, reports }) => {
    const ended = reports.sessionEvents.filter((event) => event.startsWith("end ")).length;
    return figures.suspendedSessions === 2 && figures.sessions === 2 && ended === 3;
  });
  await node.publish("all", 1, 4);
  for (const client of clients) await client.return();
  for (const client of clients) {
    expect(await client.receives("all", 4)).toEqual([1, 2, 3, 4]);
    expect(new Set(client.connects).size).toBe(1);
    expect(client.gaps).toEqual([]);
  }
  await node.reaches(
    "five sessions",
    ({ figures }) => figures.suspendedSessions === 0 && figures.sessions === 5,
  );
});

test("G1 G6 G7 with no room for suspended sessions handlers still run once", async (context) => {
  const node = await startNode(context, { delivery: { suspendedSessionsLimit: 0 } });
  const relay = await startRelay(context, node);
  const ann = await openClient(context, relay.url, { name: "ann", rooms: ["all"] });
  await ann.roundTrip();
  // The server still believes in the old connection when the new one comes.
  relay.latest.resetClient();
  await ann.connected(2);
  await ann.roundTrip();
  const answer = ann.call({ id: 1, delayMs: 500, publishTo: "all" });
  await until(() => node.handled().length === 1, { what: "the handler runs" });
  relay.resetAll();
  await ann.connected(3);
  expect(await answer).toMatchObject({ id: 1 });
  expect(await ann.receives("all", 1)).toEqual([1]);
  expect(node.handled()).toHaveLength(1);
  expect(new Set(ann.connects).size).toBe(1);
});

test("G4 G7 above the limit of callbacks the oldest is given up with a reason", async (context) => {
  const node = await startNode(context, { delivery: { repliesLimit: 2 } });
  const ann = await openClient(context, node.url, { name: "ann" });
  await ann.leave();
  for (const question of [1, 2, 3]) await node.ask(question, ann.connects[0], question);
  expect(await node.answered(1)).toEqual([{ error: "reply_timeout" }]);
  expect((await node.status()).figures.waitingReplies).toBe(2);
  await ann.return();
  await until(async () => (await node.answered(3)).length > 0, { what: "the answers" });
  expect(await node.answered(2)).toEqual([{ value: 4 }]);
  expect(await node.answered(3)).toEqual([{ value: 6 }]);
});

test("G1 G2 G7 a full store queue refuses by name, and events run again", async (context) => {
  const node = await startNode(context, {
    delivery: { storeQueueLimit: 20, retryDelayMs: 10, retryDelayMaxMs: 50 },
  });
  const ann = await openClient(context, node.url, { name: "ann", rooms: ["all", "called"] });
  await ann.roundTrip();
  const results = await node.publish("called", 1, 300);
  const stored = results.flatMap((result, index) => (typeof result === "number" ? [index + 1] : []));
  expect(stored.length).toBeGreaterThan(0);
  expect(new Set(results.filter((result) => typeof result === "string"))).toEqual(new Set(["store_busy"]));
  const ids = Array.from({ length: 200 }, (_, index) => index + 1);
  await Promise.all(ids.map((id) => ann.call({ id, publishTo: "all" })));
  await ann.receives("all", ids.length);
  await ann.roundTrip();
  expect(ann.received("called")).toEqual(stored);
  // Each once; a refused publish is made later, so the order is that of the runs that got through.
  expect(ann.received("all").toSorted((a, b) => a - b)).toEqual(ids);
  const { reports } = await node.status();
  expect(reports.publishFailed.length).toBeGreaterThan(0);
  expect(new Set(reports.publishFailed)).toEqual(new Set(["entry store_busy"]));
  expect(node.handled().length).toBeGreaterThan(ids.length);
  expect(ann.disconnects).toEqual([]);
});
