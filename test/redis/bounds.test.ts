/** What Redis has to hold, and what a node has to hear, do not grow with what is published elsewhere. */

import { expect } from "vitest";
import type { RedisServer } from "../harness/redis-server.ts";
import { redisTest } from "../harness/redis-test.ts";
import { startRelay } from "../harness/relay.ts";
import { until } from "../harness/until.ts";
import { startFleet } from "./fleet.ts";
import { startRedisStore } from "./stores.ts";
import { startTravellers } from "./travellers.ts";

redisTest(
  "G7 Redis holds what is retained, however much is published",
  { timeout: 60_000 },
  async (context) => {
    const { redis, stores } = await startRedisStore(context);
    const [entriesPerStream, padding] = [500, 4_000];
    const delivery = { retention: { entriesPerStream }, sweepIntervalMs: 200 };
    const { nodes } = await startFleet(context, { kind: "Holdfast", stores: stores.slice(0, 1), delivery });
    const room = Array<string>(entriesPerStream).fill("flood");
    // A node of a stream holds a hundred entries at most, and only whole ones are trimmed cheaply.
    const isTrimmed = async () => (await longestStream(redis)) <= entriesPerStream + 100;
    const used: number[] = [];
    for (let round = 0; round < 10; round += 1) {
      await nodes[0]!.say(room, padding);
      await until(isTrimmed, { what: "the room to be trimmed", deadlineMs: 20_000 });
      used.push(Number((await redis.info("memory")).get("used_memory")));
    }
    expect(await longestStream(redis)).toBeGreaterThanOrEqual(entriesPerStream);
    // Nine more rounds, of which each brought as much as may be kept, have added less than half of one.
    expect(used.at(-1)! - used[1]!).toBeLessThan((entriesPerStream * padding) / 2);
  },
);

redisTest(
  "G7 a node hears of the streams that it has members of, and of no other",
  {
    timeout: 120_000,
  },
  async (context) => {
    const { redis } = await startRedisStore(context);
    const link = await startRelay(context, { port: redis.port });
    const [streams, watched, perClient] = [10_000, 100, 10];
    const stores = [`redis://127.0.0.1:${link.port}`, redis.address];
    const { nodes } = await startFleet(context, { kind: "Holdfast", stores });
    const [small, publisher] = [nodes[0]!, nodes[1]!];
    const rooms = Array.from({ length: streams }, (_none, index) => `room ${index}`);
    const travellers = Array.from({ length: watched / perClient }, (_none, index) => ({
      name: `client ${index}`,
      rooms: rooms.slice(index * perClient, (index + 1) * perClient),
    }));
    const options = { kind: "Holdfast", ports: [small.port], dropEveryMs: 0, emitEveryMs: 0 } as const;
    const clients = await startTravellers(context, { ...options, travellers }, 1);

    const padding = 200;
    const before = link.bytesToClient;
    const ids: string[] = [];
    for (let from = 0; from < streams; from += 1_000)
      ids.push(...(await publisher.say(rooms.slice(from, from + 1_000), padding)));
    await clients.see(rooms.slice(0, watched).map((room, index) => [room, ids[index] ?? ""] as const));

    // A room has two channels, one for what is stored and one for what is not. The clients' own streams, the
    // namespace's, and a few of the node's own come on top.
    const spare = 2 * travellers.length + 10;
    expect(await subscriptions(redis)).toBeLessThanOrEqual(2 * (watched + spare));
    expect((await small.figures<{ streams: number }>()).streams).toBeLessThanOrEqual(watched + spare);
    // All of it would be ten times that.
    expect(link.bytesToClient - before).toBeLessThan((streams * padding) / 10);
  },
);

/** The length of the longest stream that Redis holds. */
async function longestStream(redis: RedisServer): Promise<number> {
  const keys = await redis.command<string[]>("KEYS", "*");
  const types = await Promise.all(keys.map((key) => redis.command<string>("TYPE", key)));
  const streams = keys.filter((_key, index) => types[index] === "stream");
  return Math.max(0, ...(await Promise.all(streams.map((key) => redis.command<number>("XLEN", key)))));
}

/** Subscriptions of all connections together, of whatever kind. */
async function subscriptions(redis: RedisServer): Promise<number> {
  const list = await redis.command<string>("CLIENT", "LIST");
  return [...list.matchAll(/ (?:sub|psub|ssub)=(\d+)/g)].reduce((sum, [, count]) => sum + Number(count), 0);
}
