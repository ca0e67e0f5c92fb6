/** The slot of a busy room moves from one master of a Redis Cluster to another, while clients wander. */

import { expect } from "vitest";
import { startRedisCluster } from "../harness/redis-cluster.ts";
import { redisTest } from "../harness/redis-test.ts";
import { busiestSlot } from "./busiest-slot.ts";
import { beginJourney } from "./journey.ts";
import { shared } from "./stores.ts";
import { noFaults } from "./verdict.ts";

redisTest(
  "G1 G2 the slot of a busy room moves to another master and back: nothing is lost",
  {
    timeout: 120_000,
  },
  async (context) => {
    const cluster = await startRedisCluster(context);
    const journey = await beginJourney(context, { stores: shared(cluster.address) });
    await journey.goesOn(1);
    const slot = await busiestSlot(cluster);
    const home = cluster.masters.indexOf(await cluster.ownerOf(slot));
    for (const master of [(home + 1) % cluster.masters.length, home]) {
      // Half of its keys are here and half are there for a quarter of a second; then nodes may go on.
      const { keys } = await cluster.moveSlot(slot, master, () => journey.goesOn(0.25, "tried"));
      expect(keys).toBeGreaterThan(0);
      expect(await cluster.ownerOf(slot)).toBe(cluster.masters[master]);
      await journey.goesOn(1);
    }
    const verdict = await journey.end();
    expect(verdict.faults).toEqual(noFaults);
    expect(verdict.gaps).toEqual([]);
  },
);
