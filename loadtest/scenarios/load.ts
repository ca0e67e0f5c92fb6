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

/** 300 bytes a second are less than is published to a client: it falls behind, and catches up at the end. */
export const slowConsumers: Scenario = {
  name: "slow-consumers",
  title: "every tenth client reads more slowly than entries are published",
  clients: 200,
  rate: 100,
  talkMs: 30_000,
  lateAfterMs: 60_000,
  testedShareMin: 0,
  links: true,
  slowBytesPerSecond: 1_000,
  act: nothing,
};
