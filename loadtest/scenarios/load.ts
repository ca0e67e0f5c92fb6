/** Scenarios in which nothing breaks, and the load itself is the matter. */

import type { Scenario } from "./scenario.ts";

const nothing = async () => undefined;

export const steady: Scenario = {
  name: "steady",
  title: "nothing happens",
  clients: 200,
  rate: 100,
  talkMs: 20_000,
  lateAfterMs: 5_000,
  testedShareMin: 0,
  act: nothing,
};

export const fanOut: Scenario = {
  name: "fan-out",
  title: "every entry goes to a room of 100",
  clients: 200,
  rate: 20,
  roomSize: 100,
  talkMs: 20_000,
  lateAfterMs: 5_000,
  testedShareMin: 0,
  act: nothing,
};

export const burstConnect: Scenario = {
  name: "burst-connect",
  title: "all clients connect within half a second",
  clients: 300,
  rate: 60,
  connectMs: 500,
  talkMs: 15_000,
  lateAfterMs: 5_000,
  testedShareMin: 0,
  act: nothing,
};

/**
 * A client whose link carries less than is published to it falls behind, until the link is as fast as the
 * others: then it has to be shown all of it.
 */
export const slowConsumers: Scenario = {
  name: "slow-consumers",
  title: "every tenth client's link carries less than is published to it, for most of the time",
  clients: 200,
  rate: 100,
  talkMs: 40_000,
  lateAfterMs: 60_000,
  testedShareMin: 0,
  links: true,
  slowBytesPerSecond: 1_000,
  act: async ({ links, talkMs, at, note }) => {
    await note("every tenth link carries 1,000 bytes a second");
    await at(talkMs * 0.75);
    await note(`${links.cure()} links are as fast as the others again`);
  },
};
