/** What is measured: each row runs one trial, the same for both sides, and returns its figures. */

import { setTimeout as pause } from "node:timers/promises";
import { until } from "../test/harness/until.ts";
import type { Counters } from "./load-program.ts";
import { redisRows } from "./redis-rows.ts";
import { figure, type Row, type Size, timedPublish } from "./row.ts";
import type { Workers } from "./server-program.ts";
import type { Counted, Trial } from "./trial.ts";

/** Full size: about five seconds a trial. */
export const fullSize: Size = { warmUpMs: 1_500, forMs: 3_000, share: 1 };
/** Just enough to see that everything works; the figures mean nothing. */
export const tinySize: Size = { warmUpMs: 50, forMs: 150, share: 0.02 };

export const rows: readonly Row[] = [
  fanOut("fan-out to 200 clients", 200, 64),
  fanOut("fan-out to 1000 clients", 1_000, 64),
  // What is on its way at once decides how many entries share a frame: with one, none do.
  fanOut("fan-out to 1000 clients, 8 entries in flight", 1_000, 8),
  fanOut("fan-out to 1000 clients, 1 entry in flight", 1_000, 1),
  {
    name: "fan-out to 1000 clients, 20 events/s",
    run: async (trial, size) => {
      await members(trial, scaled(1_000, size), false);
      await trial.publish({ perSecond: 20 });
      const counted = await trial.during(size);
      assertCounted(counted.delivered, "deliveries");
      return { "server CPU per delivery": figure(cpuPerDelivery(counted), "µs", "lower") };
    },
  },
  {
    name: "acknowledged events, 100 sockets, 10 in flight",
    run: async (trial, size) => {
      await trial.load("senders", { count: scaled(100, size), inFlight: 10 });
      const counted = await trial.during(size);
      assertCounted(counted.acknowledged, "acknowledgements");
      return {
        "events/s": figure(counted.acknowledged / counted.seconds, "1/s", "higher"),
        "load generator CPU": figure(loadShare(counted), "cores", "lower"),
      };
    },
  },
  {
    name: "4000 idle connections",
    run: async (trial, size) => {
      const count = scaled(4_000, size);
      // The first connections load code and warm up; what one more connection costs is the question.
      await trial.load("members", { count: 20, rooms: [] });
      await trial.joined(20);
      const before = await trial.usage({ collect: true });
      await trial.load("members", { count, rooms: [] });
      await trial.joined(20 + count);
      await pause(size.warmUpMs);
      const after = await trial.usage({ collect: true });
      const kibibytes = (after.rssBytes - before.rssBytes) / count / 1_024;
      return { "RSS per connection": figure(kibibytes, "KiB", "lower") };
    },
  },
  { name: "one publish to a room of 10, 50 events/s", run: timedPublish },
  toAnotherWorker("one publish in another worker, 50 events/s", "with hints"),
  toAnotherWorker("one publish in another worker, 50 events/s, no hints", "without hints"),
  ...redisRows,
];

/** From a client of one worker to clients of the other. */
function toAnotherWorker(name: string, workers: Workers): Row {
  const setups = { ours: { kind: "holdfast", workers }, control: { kind: "stock", workers } } as const;
  return { name, setups, run: timedPublish };
}

/** The server publishes; `window` entries are always on their way, from `emit` to the last member. */
function fanOut(name: string, count: number, window: number): Row {
  return {
    name,
    run: async (trial, size) => {
      await members(trial, scaled(count, size), true);
      await trial.publish({ window });
      const counted = await trial.during(size);
      await everythingArrives(trial, scaled(count, size));
      assertCounted(counted.delivered, "deliveries");
      return {
        "deliveries/s": figure(counted.delivered / counted.seconds, "1/s", "higher"),
        "server CPU per delivery": figure(cpuPerDelivery(counted), "µs", "lower"),
        "load generator CPU": figure(loadShare(counted), "cores", "lower"),
      };
    },
  };
}

/** Speed that loses or repeats entries is none: in the end everybody has every entry, no more and no less. */
async function everythingArrives(trial: Trial, count: number): Promise<void> {
  await trial.publish({});
  const { issued } = await trial.usage({ collect: false });
  const expected = issued * count;
  let delivered = 0;
  const reached = async () => (delivered = (await trial.load<Counters>("counters")).delivered) >= expected;
  await until(reached, {
    deadlineMs: 20_000,
    what: "every entry at every member",
    state: () => `${delivered} of ${expected}`,
  });
  if (delivered > expected) throw new Error(`${delivered} deliveries of ${expected}`);
}

async function members(trial: Trial, count: number, credit: boolean): Promise<void> {
  const creditPort = credit ? { creditPort: trial.creditPort } : {};
  await trial.load("members", { count, rooms: ["room"], ...creditPort });
  await trial.joined(count);
}

function scaled(count: number, size: Size): number {
  return Math.max(2, Math.round(count * size.share));
}

/** A row that measured nothing has gone wrong. */
function assertCounted(count: number, what: string): void {
  if (count <= 0) throw new Error(`no ${what} while measuring`);
}

function cpuPerDelivery({ serverCpuMicros, delivered }: Counted): number {
  return serverCpuMicros / delivered;
}

/** Close to 1: the row has measured the load generator. */
function loadShare({ loadCpuMicros, seconds }: Counted): number {
  return loadCpuMicros / 1e6 / seconds;
}
