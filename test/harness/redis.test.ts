/** The harness around Redis does what the tests that build on it take for granted. */

import { expect } from "vitest";
import { makeCertificate } from "./certificate.ts";
import { programPath, startChild } from "./child.ts";
import { RedisConnection } from "./redis-connection.ts";
import { startRedisCluster } from "./redis-cluster.ts";
import { startRedisSentinel } from "./redis-sentinel.ts";
import { startRedis } from "./redis-server.ts";
import { redisTest } from "./redis-test.ts";
import { until } from "./until.ts";

redisTest("what an AOF holds survives SIGKILL, and without one nothing does", async (context) => {
  const kept = await startRedis(context, { appendonly: "always" });
  const forgotten = await startRedis(context);
  for (const redis of [kept, forgotten]) {
    await redis.command("SET", "key", "value");
    expect((await redis.kill()).signal).toBe("SIGKILL");
    await expect(redis.command("PING")).rejects.toThrow("ECONNREFUSED");
    await redis.restart();
  }
  expect(await kept.command("GET", "key")).toBe("value");
  expect(await forgotten.command("GET", "key")).toBe(null);
});

redisTest("a paused Redis keeps its connections, and answers once it goes on", async (context) => {
  const redis = await startRedis(context);
  const id = await redis.command("CLIENT", "ID");
  redis.pause();
  let answered = false;
  const answer = redis.command("CLIENT", "ID").then((value) => {
    answered = true;
    return value;
  });
  const another = new RedisConnection({ port: redis.port });
  await expect(another.send(["PING"], 100)).rejects.toThrow("Not within 100 ms");
  expect(answered).toBe(false);
  redis.resume();
  expect(await answer).toBe(id);
});

redisTest("a password is asked for, and TLS is spoken", async (context) => {
  const secret = await startRedis(context, { requirePassword: "a-password" });
  await expect(new RedisConnection({ port: secret.port }).send(["PING"])).rejects.toThrow("NOAUTH");
  const redis = await startRedis(context, { tls: await makeCertificate(context) });
  expect(redis.address).toBe(`rediss://127.0.0.1:${redis.port}`);
  expect(await redis.command("PING")).toBe("PONG");
});

redisTest("a replica has its master's data, and the sentinels promote it", async (context) => {
  const sentinel = await startRedisSentinel(context);
  const first = await sentinel.master();
  await first.command("SET", "key", "value");
  expect(await first.command("WAIT", 2, 5_000)).toBe(2);
  const second = await sentinel.killMaster();
  expect(second).not.toBe(first);
  expect(await second.command("GET", "key")).toBe("value");
  await second.command("SET", "key", "another");
  await first.restart();
  await sentinel.follows(first);
  await until(async () => (await first.command("GET", "key")) === "another", { what: "the new data" });
});

redisTest("what a master acknowledges when its replicas are cut off dies with it", async (context) => {
  const sentinel = await startRedisSentinel(context);
  const first = await sentinel.master();
  await first.command("SET", "before", "value");
  expect(await first.command("WAIT", 2, 5_000)).toBe(2);
  await sentinel.cutReplication();
  await first.command("SET", "after", "value");
  expect(await first.command("WAIT", 1, 100)).toBe(0);
  const second = await sentinel.killMaster();
  expect(await second.command("MGET", "before", "after")).toEqual(["value", null]);
  const [other] = await sentinel.replicas();
  await sentinel.follows(other!);
});

redisTest("a cluster moves a slot with the keys in it", async (context) => {
  const cluster = await startRedisCluster(context, { masters: 3, replicas: 3 });
  const keys = Array.from({ length: 250 }, (_none, index) => `{room}:${index}`);
  const slot = await cluster.slotOf("{room}");
  const source = await cluster.ownerOf(slot);
  for (const key of keys) await source.command("SET", key, key);
  const target = cluster.masters.findIndex((master) => master !== source);
  const asked: string[] = [];
  const moved = await cluster.moveSlot(slot, target, async () => {
    for (const key of keys) {
      await source.command("GET", key).catch((error: Error) => asked.push(error.message.split(" ")[0] ?? ""));
    }
  });
  expect(moved).toEqual({ keys: keys.length });
  expect(asked).toEqual(Array(125).fill("ASK"));
  const owner = await cluster.ownerOf(slot);
  expect(owner).toBe(cluster.masters[target]);
  expect(await Promise.all(keys.map((key) => owner.command("GET", key)))).toEqual(keys);
  await expect(source.command("GET", keys[0] ?? "")).rejects.toThrow(`MOVED ${slot} 127.0.0.1:${owner.port}`);
});

redisTest("a replica of a cluster takes the place of its master", async (context) => {
  const cluster = await startRedisCluster(context, { masters: 3, replicas: 3, nodeTimeoutMs: 1_000 });
  const slot = await cluster.slotOf("key");
  const master = await cluster.ownerOf(slot);
  await master.kill();
  const replica = cluster.replicas[cluster.masters.indexOf(master)];
  await until(async () => (await cluster.ownerOf(slot)) === replica, {
    what: "the replica to have the slot",
    deadlineMs: 20_000,
  });
  await cluster.isComplete();
});

redisTest("a Redis whose test process is killed with SIGKILL dies as well", async (context) => {
  const parent = startChild(context, { program: programPath("./redis.fixture.ts", import.meta.url) });
  const { port } = await parent.event<{ port: number }>("ready", 20_000);
  const connection = () => new RedisConnection({ port }).send(["PING"]).catch(() => "gone");
  expect(await connection()).toBe("PONG");
  await parent.kill("SIGKILL");
  await until(async () => (await connection()) === "gone", { what: "the orphan to die" });
});
