/** A Redis that is away costs what is not stored its way to the other node, and nothing else. */

import { expect, type TestContext } from "vitest";
import { record } from "../compatibility/pair.ts";
import { type RedisServer, startRedis } from "../harness/redis-server.ts";
import { redisTest } from "../harness/redis-test.ts";
import { until, within } from "../harness/until.ts";
import { startRedisCluster } from "../harness/redis-cluster.ts";
import { startRedisSentinel } from "../harness/redis-sentinel.ts";
import { openNode, openNodes, reachEachOther, type TestNode } from "./nodes.ts";

redisTest("nodes reach each other again after Redis was killed and started again", async (context) => {
  const unhandled = recordUnhandled(context);
  const redis = await startRedis(context, { appendonly: "always" });
  const nodes = await openNodes(context, redis.address);
  const [here, there] = nodes;
  const far = await there.member(["before"]);
  await redis.kill();
  await until(() => here.errors.length > 0 && there.errors.length > 0, { what: "both report it" });
  await callEverything(here);
  const joined = far.server.join("during");
  const left = far.server.leave("before");
  await redis.restart();
  await joined;
  await left;
  await reachEachOther(nodes);
  // After a restart the store has its clients resume, because it may have lost what it had not yet written.
  const count = async (room: string) => (await here.io.in(room).fetchSockets()).length;
  await until(async () => (await count("during")) === 1, { what: "the client is back, in its new room" });
  expect(await count("before")).toBe(0);
  await hears(here, far.client, "during");
  const channels = await redis.command<string[]>("PUBSUB", "SHARDCHANNELS");
  const ofRooms = channels.filter((name) => name.includes(":bus#/#") && name.includes("#/#during#"));
  expect([ofRooms.length, channels.some((name) => name.endsWith("#before#"))]).toEqual([1, false]);
  expect(unhandled).toEqual([]);
});

redisTest("nodes reach each other again after a master of the Cluster was started again", async (context) => {
  const unhandled = recordUnhandled(context);
  const cluster = await startRedisCluster(context, { masters: 3, server: { appendonly: "always" } });
  const nodes = await openNodes(context, cluster.address);
  const [here, there] = nodes;
  const far = await there.member(["room"]);
  const prefix = "holdfast:bus#/#";
  const master = await cluster.ownerOf(await cluster.slotOf(prefix));
  await master.kill();
  await until(() => here.errors.length > 0, { what: "a report", deadlineMs: 20_000 });
  await callEverything(here);
  await master.restart();
  await cluster.isComplete();
  await reachEachOther(nodes);
  await hears(here, far.client, "room");
  expect(unhandled).toEqual([]);
});

redisTest("nodes reach each other again when a slot has moved to another master", async (context) => {
  const unhandled = recordUnhandled(context);
  const cluster = await startRedisCluster(context);
  const nodes = await openNodes(context, cluster.address);
  const slot = await cluster.slotOf("holdfast:bus#/#");
  const target = cluster.masters.indexOf(await cluster.ownerOf(slot)) === 0 ? 1 : 0;
  await cluster.moveSlot(slot, target);
  await reachEachOther(nodes);
  expect(await nodes[0].io.of("/").adapter.serverCount()).toBe(2);
  expect(unhandled).toEqual([]);
});

redisTest("nodes reach each other again when a replica has taken the master's place", async (context) => {
  const unhandled = recordUnhandled(context);
  const sentinel = await startRedisSentinel(context, { replicas: 1 });
  const nodes = await openNodes(context, sentinel.address);
  const [here, there] = nodes;
  const far = await there.member(["room"]);
  await sentinel.killMaster();
  await reachEachOther(nodes);
  await hears(here, far.client, "room");
  expect(unhandled).toEqual([]);
});

redisTest.for(["killed", "paused"])("a server closes in time while Redis is %s", async (how, context) => {
  const unhandled = recordUnhandled(context);
  const redis = await startRedis(context);
  const node = await openNode(context, `${redis.address}?outageMs=1000`);
  await node.member(["room"]);
  await away(redis, how);
  node.io.volatile.emit("event");
  await within(node.io.close(), { what: "closed", deadlineMs: 10_000 });
  if (how === "paused") redis.resume();
  expect(unhandled).toEqual([]);
});

redisTest("a server closes in time when Redis has never been there", async (context) => {
  const unhandled = recordUnhandled(context);
  const redis = await startRedis(context);
  await redis.kill();
  const node = await openNode(context, redis.address).catch((error: unknown) => error);
  expect(node).toMatchObject({ code: "store_unavailable" });
  expect(unhandled).toEqual([]);
});

async function away(redis: RedisServer, how: string): Promise<void> {
  if (how === "killed") await redis.kill();
  else redis.pause();
}

/** What an outage fails says so, where anybody can be told. */
async function callEverything({ io }: TestNode): Promise<void> {
  io.serverSideEmit("tell");
  io.volatile.emit("event");
  io.to("room").volatile.emit("event");
  io.in("nobody").socketsJoin("x");
  io.in("nobody").disconnectSockets();
  await expect(io.fetchSockets()).rejects.toMatchObject({ code: "store_unavailable" });
  await expect(io.serverSideEmitWithAck("ask")).rejects.toMatchObject({ code: "store_unavailable" });
  await expect(io.volatile.timeout(100).emitWithAck("ask")).rejects.toThrow("timed out");
}

async function hears(node: TestNode, client: Parameters<typeof record>[0], room: string): Promise<void> {
  const events = record(client, "volatile");
  await until(
    () => {
      node.io.to(room).volatile.emit("volatile");
      return events.length > 0;
    },
    { what: "a volatile event", deadlineMs: 20_000 },
  );
}

function recordUnhandled(context: TestContext): unknown[] {
  const errors: unknown[] = [];
  const note = (error: unknown) => void errors.push(error);
  process.on("unhandledRejection", note);
  context.onTestFinished(() => void process.off("unhandledRejection", note));
  return errors;
}
