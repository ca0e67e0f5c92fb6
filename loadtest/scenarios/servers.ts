/** Scenarios in which servers come and go. */

import type { NodeName } from "../../test/deploy/site.ts";
import { drainLeadMs } from "../fleet.ts";
import type { Scenario } from "./scenario.ts";

const slotB: readonly NodeName[] = ["b00", "b01", "b02"];

/** A deploy as `deploy/` does it: all new servers first, then every old one lets its clients go. */
export const rollingDeploy: Scenario = {
  name: "rolling-deploy",
  title: "three servers behind HAProxy are replaced by three new ones",
  clients: 200,
  rate: 100,
  talkMs: 40_000,
  lateAfterMs: 15_000,
  testedShareMin: 1,
  act: async ({ fleet, first, talkMs, at, talk, note }) => {
    await at(talkMs * 0.1);
    await note("the new servers start");
    await fleet.start(slotB);
    await note("the new servers are ready");
    const drainAtMs = talkMs * 0.4;
    // Old servers publish until they begin to let clients go.
    await talk(slotB, drainAtMs + drainLeadMs);
    await at(drainAtMs);
    await note("the old servers are told to end");
    const codes = await fleet.drain(first);
    await note(`the old servers have ended (${codes.join(", ")})`);
  },
};

/** Each server in turn is killed, and started again a second later. */
export const workerKill: Scenario = {
  name: "worker-kill",
  title: "each of three servers is killed and started again",
  clients: 200,
  rate: 100,
  talkMs: 45_000,
  lateAfterMs: 25_000,
  testedShareMin: 1,
  act: async ({ fleet, first, talkMs, at, talk, note }) => {
    for (const [index, name] of first.entries()) {
      const killAtMs = talkMs * (0.1 + 0.25 * index);
      await at(killAtMs);
      await fleet.kill(name);
      await note(`${name} is killed`, [name]);
      await at(killAtMs + 1_000);
      await fleet.start([name]);
      await note(`${name} is back`);
      await talk([name], killAtMs + talkMs * 0.2);
    }
  },
};
