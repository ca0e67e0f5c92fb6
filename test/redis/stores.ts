/** The stores of these tests: one address for each node, and what stands behind them. */

import type { Owner } from "../harness/owner.ts";
import { type RedisOptions, type RedisServer, startRedis } from "../harness/redis-server.ts";

/** How many nodes a test has where it does not matter. */
export const nodeCount = 3;

/** The same address for every node. */
export function shared(address: string): string[] {
  return Array.from({ length: nodeCount }, () => address);
}

/** A Redis by itself, and the address with `settings` that every node opens it by. */
export async function startRedisStore(
  owner: Owner,
  settings = "",
  options: RedisOptions = {},
): Promise<{ readonly redis: RedisServer; readonly stores: readonly string[] }> {
  const redis = await startRedis(owner, options);
  return { redis, stores: shared(withSettings(redis.address, settings)) };
}

export function withSettings(address: string, settings: string): string {
  return settings === "" ? address : `${address}?${settings}`;
}
