/**
 * A payload of 20 MB travels in chunks: past cuts of the link, beside heartbeats, and not in the way of small
 * events.
 */

import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { startRelay, type Relay } from "../harness/relay.ts";
import { fingerprint } from "../harness/server-program.ts";
import { until } from "../harness/until.ts";
import { openClient } from "./client.ts";
import { startNode } from "./node.ts";

const megabyte = 1_000_000;
const largeBytes = 20 * megabyte;
/** What three cuts may cost: the chunks in flight, a page of the log, and what the sockets' buffers held. */
const wireBytesMax = 28 * megabyte;
const cuts = [4 * megabyte, 9 * megabyte, 15 * megabyte];
/** A connection on which nothing else passes for so long is given up. */
const heartbeats = { pingInterval: 200, pingTimeout: 2_000 };

test("G1 G8 20 MB go up past three cuts, and other rooms' entries arrive meanwhile", async (context) => {
  const node = await startNode(context, { server: heartbeats });
  const relay = await startRelay(context, node);
  relay.shape = { toServerBytesPerSecond: 20 * megabyte };
  const ann = await openClient(context, relay.url, { name: "ann", rooms: ["calm"] });
  await ann.roundTrip();
  const payload = randomBytes(largeBytes / 2).toString("hex");
  const order: number[] = [];
  const settle = (id: number, text?: string): Promise<unknown> =>
    ann.call({ id, ...(text === undefined ? {} : { payload: text }) }).finally(() => order.push(id));
  const all = Promise.all([settle(1), settle(2, payload), settle(3), settle(4)]);
  for (const [index, cut] of cuts.entries()) {
    await until(() => relay.bytesToServer > cut, { what: `${cut} bytes`, deadlineMs: 20_000 });
    await node.publish("calm", index + 1, 1);
    await ann.receives("calm", index + 1);
    expect(order).toEqual([1]);
    relay.resetAll();
    await ann.connected(index + 2);
  }
  const [, large] = await all;
  expect(large).toMatchObject({ id: 2, ...fingerprint(payload) });
  expect(node.handled().map((call) => call.id)).toEqual([1, 2, 3, 4]);
  expect(relay.bytesToServer).toBeGreaterThan(largeBytes);
  expect(relay.bytesToServer).toBeLessThan(wireBytesMax);
  expect(ann.disconnects).toEqual(Array(3).fill("transport close"));
  expect(ann.received("calm")).toEqual([1, 2, 3]);
});

test("G8 an upload goes on from the stored chunk in a new process", async (context) => {
  const node = await startNode(context, { server: heartbeats });
  const relay = await startRelay(context, node);
  relay.shape = { toServerBytesPerSecond: 20 * megabyte };
  const ann = await openClient(context, relay.url, { name: "ann" });
  const payload = randomBytes(5 * megabyte);
  const answer = ann.call({ id: 1, payload });
  await until(() => relay.bytesToServer > 5 * megabyte, { what: "most of it" });
  await node.kill();
  await node.restart();
  expect(await answer).toMatchObject({ id: 1, ...fingerprint(payload) });
  expect(node.handled()).toHaveLength(1);
  expect(relay.bytesToServer).toBeLessThan(9 * megabyte);
});

test("G2 G8 20 MB come down past three cuts, in their place, and other rooms pass", async (context) => {
  const node = await startNode(context, { server: heartbeats });
  const relay = await startRelay(context, node);
  const ann = await openClient(context, relay.url, { name: "ann", rooms: ["large", "calm"] });
  const bob = await openClient(context, node.url, { name: "bob", rooms: ["large"] });
  await Promise.all([ann.roundTrip(), bob.roundTrip()]);
  await node.publish("large", 1, 1);
  const published = node.publish("large", 2, 1, largeBytes).then(() => node.publish("large", 3, 2));
  const calm = node.publish("calm", 1, 3);
  for (const [index, cut] of cuts.entries()) {
    await until(() => relay.bytesToClient > cut, { what: `${cut} bytes`, deadlineMs: 20_000 });
    relay.resetAll();
    await ann.connected(index + 2);
    expect(ann.received("large")).toEqual([1]);
  }
  await Promise.all([published, calm]);
  for (const client of [ann, bob]) {
    expect(await client.receives("large", 4, 30_000)).toEqual([1, 2, 3, 4]);
    const paddings = client.entries.map((entry) => (entry as { padding?: string }).padding?.length ?? 0);
    expect(Math.max(...paddings)).toBe(largeBytes);
    expect(client.gaps).toEqual([]);
  }
  const arrivals = ann.entries.map(({ room, id }) => `${room} ${id}`);
  expect(arrivals.slice(0, 4)).toEqual(["large 1", "calm 1", "calm 2", "calm 3"]);
  expect(relay.bytesToClient).toBeGreaterThan(largeBytes);
  expect(relay.bytesToClient).toBeLessThan(wireBytesMax);
  expect(ann.disconnects).toEqual(Array(3).fill("transport close"));
  expect(bob.disconnects).toEqual([]);
});

test("G8 small events overtake what is sent aside, and heartbeats pass on a slow link", async (context) => {
  const node = await startNode(context, { server: heartbeats });
  const relay = await startRelay(context, node);
  // The upload takes some six seconds: a few times the ping timeout.
  relay.shape = { toServerBytesPerSecond: megabyte / 2, toClientBytesPerSecond: megabyte / 2 };
  const ann = await openClient(context, relay.url, { name: "ann", rooms: ["calm"] });
  await ann.roundTrip();
  const payload = randomBytes(2 * megabyte);
  const large = ann.socket.delivery.aside().emitWithAck("call", { id: 1, payload });
  await uploading(relay, 200_000);
  for (const id of [2, 3, 4]) await ann.call({ id });
  expect(node.handled().map((call) => call.id)).toEqual([2, 3, 4]);
  expect(relay.bytesToServer).toBeLessThan(2 * megabyte);
  expect(await large).toMatchObject({ id: 1, ...fingerprint(payload) });
  expect(node.handled().map((call) => call.id)).toEqual([2, 3, 4, 1]);
  expect(ann.disconnects).toEqual([]);
});

test("G8 an event above the server's limit is refused where it is emitted", async (context) => {
  const node = await startNode(context, { delivery: { eventCharactersLimit: 100_000 } });
  const ann = await openClient(context, node.url, { name: "ann" });
  await ann.roundTrip();
  const tooLarge = { id: 1, payload: "x".repeat(100_001) };
  await expect(ann.call(tooLarge)).rejects.toMatchObject({ code: "event_too_large" });
  expect(await ann.call({ id: 2, payload: "x".repeat(99_000) })).toMatchObject({ id: 2, bytes: 99_000 });
  expect(ann.disconnects).toEqual([]);
});

async function uploading(relay: Relay, bytes: number): Promise<void> {
  await until(() => relay.bytesToServer > bytes, { what: `${bytes} bytes of the upload` });
}
