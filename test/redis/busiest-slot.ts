/** Where the work of a cluster is, whatever its keys are called. */

import type { RedisCluster } from "../harness/redis-cluster.ts";

/** The slot of the key that takes the most memory: under load that is the busiest room's log. */
export async function busiestSlot(cluster: RedisCluster): Promise<number> {
  let [largest, most] = ["", 0];
  for (const master of cluster.masters) {
    const keys = await master.command<string[]>("KEYS", "*");
    const sizes = await Promise.all(keys.map((key) => master.command<number | null>("MEMORY", "USAGE", key)));
    for (const [index, size] of sizes.entries()) {
      if ((size ?? 0) > most) [largest, most] = [keys[index] ?? "", size ?? 0];
    }
  }
  if (most === 0) throw new Error("The cluster holds no keys");
  return await cluster.slotOf(largest);
}
