/** What happens to nodes and to one Redis while clients wander and nodes publish: nothing that they see. */

import { expect } from "vitest";
import { redisTest } from "../harness/redis-test.ts";
import { beginJourney } from "./journey.ts";
import { startRedisStore } from "./stores.ts";
import { noFaults } from "./verdict.ts";

redisTest(
  "G1 G2 a node is killed with SIGKILL and started again: nothing is lost",
  {
    timeout: 120_000,
  },
  async (context) => {
    const { stores } = await startRedisStore(context);
    const journey = await beginJourney(context, { stores });
    await journey.goesOn(1);
    const node = journey.fleet.nodes[1]!;
    await node.kill();
    await journey.goesOn(1);
    await node.restart();
    await journey.talkAgain(1);
    await journey.goesOn(2);
    const verdict = await journey.end();
    expect(verdict.faults).toEqual(noFaults);
    expect(verdict.gaps).toEqual([]);
  },
);

redisTest(
  "G2 G7 Redis stands still for three seconds: nothing is lost, and nobody is let go",
  {
    timeout: 120_000,
  },
  async (context) => {
    const { redis, stores } = await startRedisStore(context);
    const journey = await beginJourney(context, { stores, residents: 9 });
    await journey.goesOn(1);
    redis.pause();
    await journey.goesOn(1.5, "tried");
    const before = await journey.fleet.progress();
    // What is stored nowhere has nothing to wait for.
    await journey.whisper("volatile");
    await journey.whisper("local");
    await journey.goesOn(1.5, "tried");
    expect((await journey.fleet.progress()).receipts).toBe(before.receipts);
    redis.resume();
    await journey.goesOn(2);
    const verdict = await journey.end();
    expect(verdict.faults).toEqual(noFaults);
    expect(verdict.gaps).toEqual([]);
    const residents = journey.reports.filter(({ isResident }) => isResident);
    const connects = residents.map(({ moments }) => moments.filter(({ kind }) => kind === "connect").length);
    expect(connects).toEqual(Array(9).fill(1));
  },
);

redisTest(
  "G2 Redis is killed and comes back with its AOF: what was fsynced is all there",
  {
    timeout: 120_000,
  },
  async (context) => {
    const { redis, stores } = await startRedisStore(context, "durability=fsynced", { appendonly: "always" });
    const journey = await beginJourney(context, { stores });
    await journey.goesOn(1);
    await redis.kill();
    await journey.goesOn(1, "tried");
    await redis.restart();
    await journey.goesOn(2);
    const verdict = await journey.end();
    expect(verdict.faults).toEqual(noFaults);
    expect(verdict.gaps).toEqual([]);
    expect(verdict.durabilities).toEqual(["fsynced"]);
  },
);
