/** The master of a Redis is killed, and Sentinel puts a replica in its place, while clients wander. */

import { expect } from "vitest";
import { startRedisSentinel } from "../harness/redis-sentinel.ts";
import { redisTest } from "../harness/redis-test.ts";
import { beginJourney } from "./journey.ts";
import { shared, withSettings } from "./stores.ts";
import { noFaults } from "./verdict.ts";

redisTest(
  "G2 a failover loses nothing that was acknowledged as replicated",
  {
    timeout: 120_000,
  },
  async (context) => {
    const sentinel = await startRedisSentinel(context);
    const stores = shared(withSettings(sentinel.address, "durability=replicated&replicas=1"));
    const journey = await beginJourney(context, { stores, ...load });
    await journey.goesOn(1);
    await sentinel.killMaster();
    await journey.goesOn(2);
    const verdict = await journey.end();
    expect(verdict.faults).toEqual(noFaults);
    expect(verdict.gaps).toEqual([]);
    expect(verdict.durabilities).toEqual(["replicated"]);
  },
);

redisTest(
  "G3 what a failover loses of memory is reported as a reset, to everybody who misses it",
  {
    timeout: 120_000,
  },
  async (context) => {
    const sentinel = await startRedisSentinel(context);
    const stores = shared(withSettings(sentinel.address, "durability=memory"));
    const journey = await beginJourney(context, { stores, ...load });
    await journey.goesOn(1);
    // Without this a replica is so close behind that there is rarely anything to lose.
    await sentinel.cutReplication();
    await journey.goesOn(1);
    await sentinel.killMaster();
    await journey.goesOn(2);
    const verdict = await journey.end();
    expect(verdict.faults).toEqual(noFaults);
    expect(verdict.durabilities).toEqual(["memory"]);
    expect(verdict.covered).toBeGreaterThan(0);
    expect(new Set(verdict.gaps.map(({ reason }) => reason))).toEqual(new Set(["reset"]));
    // A reset says where the room goes on; it is no reason to show everything again.
    expect(verdict.repeated).toBeLessThan(verdict.deliveries / 50);
  },
);

/** Half of the usual: there are seven processes of Redis and Sentinel beside the nodes, on two cores. */
const load = { clients: 50, rate: 60 } as const;
