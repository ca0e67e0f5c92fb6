/** A Redis that has reached its maxmemory, and one that has been rewound. */

import { expect } from "vitest";
import { roomKey } from "../../src/protocol/stream-key.ts";
import { openStore } from "../../src/store/open.ts";
import {
  append,
  keyOf,
  open,
  recordRequest,
  resume,
  retention,
} from "../../src/store/testing/contract-setup.ts";
import { startRedis } from "../harness/redis-server.ts";
import { redisTest } from "../harness/redis-test.ts";

redisTest(
  "G7 what does not fit into Redis is refused as a whole, and a sweep makes room",
  async (context) => {
    const redis = await startRedis(context);
    const store = await openStore(redis.address);
    context.onTestFinished(() => store.close());
    const fence = await open(store, "s", { expiresAt: 10 ** 12 });
    const first = await append(store, "room", "x".repeat(2_000_000));
    const { used_memory: used } = Object.fromEntries(await redis.info("memory"));
    await redis.command("CONFIG", "SET", "maxmemory", Number(used) - 500_000);
    const results = await Promise.allSettled([
      append(store, "room", "y".repeat(10_000)),
      store.record(recordRequest(fence, 1)),
    ]);
    for (const result of results) {
      expect(result).toMatchObject({ reason: { code: "store_full", retryable: true } });
    }
    // What is there can be read, by those who resume too much later.
    expect(await store.heads([keyOf("room")])).toMatchObject([{ head: 1 }]);
    expect(await store.sweep(retention({ entryAgeMs: 0 }))).toMatchObject({ trimmedEntries: 1 });
    expect(await append(store, "room", "z")).toMatchObject({ stream: first.stream, offset: 2 });
    expect((await resume(store, "s")).outcomes).toEqual([]);
  },
);

redisTest("G3 a server that comes back with less says up to where a stream still holds", async (context) => {
  const redis = await startRedis(context, { appendonly: "always" });
  const store = await openStore(redis.address);
  context.onTestFinished(() => store.close());
  const { epoch, stream } = await append(store, "room", "one");
  // What comes now is in memory alone, as the end of an AOF that is synced each second may be.
  await redis.command("CONFIG", "SET", "appendonly", "no");
  await append(store, "room", "two");
  await redis.kill();
  await redis.restart();
  const [head] = await store.heads([roomKey("/", "room")]);
  expect(head).toMatchObject({ stream, head: 1, earlier: [{ epoch, offset: 1 }] });
  expect(head?.epoch).not.toBe(epoch);
  // Its place is another entry's now, and the epoch says so.
  expect(await append(store, "room", "three")).toMatchObject({ epoch: head?.epoch, offset: 2 });
  // A number that the lost end has given out is not given out again.
  expect((await append(store, "another", "x")).stream).toBeGreaterThan(stream + 1);
});
