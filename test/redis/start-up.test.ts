/** A Redis that cannot keep what Holdfast promises is refused at the start, in words for an operator. */

import { expect } from "vitest";
import { makeCertificate } from "../harness/certificate.ts";
import { type Child, programPath, startChild } from "../harness/child.ts";
import type { Owner } from "../harness/owner.ts";
import { type RedisOptions, type RedisServer, startRedis } from "../harness/redis-server.ts";
import { redisTest } from "../harness/redis-test.ts";
import { withSettings } from "./stores.ts";

type Refusal = {
  readonly redis?: RedisOptions;
  readonly address: (redis: RedisServer) => string;
  /** What the line has to name. */
  readonly says: RegExp;
  /** A Redis of this version or a newer one can do it. */
  readonly goneIn?: readonly [major: number, minor: number];
};

const plain = (settings: string) => (redis: RedisServer) => withSettings(redis.address, settings);

const refusals: Readonly<Record<string, Refusal>> = {
  "a port that is no number": { address: () => "redis://127.0.0.1:many", says: /HOLDFAST_STORE/ },
  "a setting that nobody knows": { address: plain("durablity=memory"), says: /durablity/ },
  "a durability that there is not": { address: plain("durability=always"), says: /durability/ },
  "no password": {
    redis: { requirePassword: "the-right-one" },
    address: ({ port }) => `redis://127.0.0.1:${port}`,
    says: /password|NOAUTH|authenticat/i,
  },
  "a wrong password": {
    redis: { requirePassword: "the-right-one" },
    address: ({ port }) => `redis://:${wrongPassword}@127.0.0.1:${port}`,
    says: /password|WRONGPASS/i,
  },
  "a Redis that may evict keys": {
    redis: { maxmemoryPolicy: "allkeys-lru" },
    address: plain(""),
    says: /maxmemory-policy.*noeviction|noeviction.*maxmemory-policy/,
  },
  "durability=fsynced without an AOF": { address: plain("durability=fsynced"), says: /append(only|fsync)/ },
  "durability=fsynced with an AOF that is synced each second": {
    redis: { appendonly: "everysec" },
    address: plain("durability=fsynced"),
    says: /appendfsync/,
    // That one can be asked to wait until a write is synced.
    goneIn: [7, 2],
  },
  "a node of a Cluster, by the address of a Redis alone": {
    redis: { lines: ["cluster-enabled yes"] },
    address: plain(""),
    says: /redis\+cluster/,
  },
  "a Redis alone, by the address of a Cluster": {
    address: ({ port }) => `redis+cluster://127.0.0.1:${port}`,
    says: /cluster support disabled/,
  },
  "durability=replicated without a replica": {
    address: plain("durability=replicated"),
    says: /replica/,
  },
};

const wrongPassword = "the-wrong-one";

for (const [name, refusal] of Object.entries(refusals)) {
  redisTest(`${name} is refused at the start`, async (context) => {
    const redis = await startRedis(context, refusal.redis);
    context.skip(await isAtLeast(redis, refusal.goneIn), "this Redis can do it");
    await isRefused(start(context, refusal.address(redis)), refusal.says);
  });
}

redisTest(
  "TLS with a certificate that nobody vouches for is refused, and with one that is trusted it runs",
  async (context) => {
    const tls = await makeCertificate(context);
    const redis = await startRedis(context, { tls });
    await isRefused(start(context, redis.address), /certificate/i);
    const trusting = start(context, redis.address, { NODE_EXTRA_CA_CERTS: tls.authorityFile });
    await trusting.line(/Holdfast is at/, 20_000);
  },
);

redisTest("a replica is refused at the start", async (context) => {
  const primary = await startRedis(context);
  const replica = await startRedis(context, { replicaOf: primary.port });
  await isRefused(start(context, replica.address), /replica/);
});

redisTest("what is in order starts: a password, an AOF that is always synced, a replica", async (context) => {
  const secret = await startRedis(context, { requirePassword: "the-right-one", appendonly: "always" });
  await startRedis(context, { requirePassword: "the-right-one", replicaOf: secret.port });
  const addresses = ["", "durability=memory", "durability=fsynced", "durability=replicated&replicas=1"];
  const children = addresses.map((settings) => start(context, withSettings(secret.address, settings)));
  for (const child of children) {
    await child.line(/Holdfast is at/, 20_000);
    expect(child.stdout + child.stderr).not.toContain("the-right-one");
  }
});

redisTest("a node name is had once; its successor waits for it and gets it", async (context) => {
  const redis = await startRedis(context);
  const { address } = redis;
  const named = { HOLDFAST_NODE: "abc" };
  const first = start(context, address, named);
  await first.line(/Holdfast is at/, 20_000);
  await isRefused(start(context, address, named), /HOLDFAST_NODE=abc.*abc/);
  // Another name, another database and a drawn name are no collision.
  const others = [
    start(context, address, { HOLDFAST_NODE: "abd" }),
    start(context, `${address}/1`, named),
    start(context, address),
  ];
  for (const other of others) await other.line(/Holdfast is at/, 20_000);
  const successor = start(context, address, named);
  await first.kill("SIGKILL");
  await successor.line(/Holdfast is at/, 20_000);
  // Who ends in order gives the name back at once.
  expect(await redis.command("EXISTS", "holdfast:0:node:abc")).toBe(1);
  await successor.kill("SIGTERM");
  expect(await redis.command("EXISTS", "holdfast:0:node:abc")).toBe(0);
});

async function isAtLeast(redis: RedisServer, version: Refusal["goneIn"]): Promise<boolean> {
  if (version === undefined) return false;
  const [major = 0, minor = 0] = ((await redis.info("server")).get("redis_version") ?? "")
    .split(".")
    .map(Number);
  return major > version[0] || (major === version[0] && minor >= version[1]);
}

/** `npm start` with this store. */
function start(owner: Owner, store: string, environment: Readonly<Record<string, string>> = {}): Child {
  return startChild(owner, {
    program: programPath("../../src/main.ts", import.meta.url),
    environment: {
      PORT: "0",
      HOST: "127.0.0.1",
      HOLDFAST_WORKERS: "",
      HOLDFAST_INTERNAL_PORT: "",
      HOLDFAST_CHAT_DATABASE: ":memory:",
      HOLDFAST_STORE: store,
      ...environment,
    },
    deadlineMs: 50_000,
  });
}

/** It ends by itself, has never said where it is, and says in a line or two what is wrong. */
async function isRefused(child: Child, says: RegExp): Promise<void> {
  const { code } = await child.exited(20_000);
  expect(child.stderr).toMatch(says);
  expect(child.stdout).not.toContain("Holdfast is at");
  expect(code).toBe(2);
  expect(child.stderr).not.toMatch(/^\s+at /m);
  expect(child.stderr.trim().split("\n").length).toBeLessThanOrEqual(3);
  expect(child.stderr).not.toContain(wrongPassword);
}
