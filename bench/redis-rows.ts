/** Rows with a Redis: what a publish through it costs, alone, with others, and to a client of another. */

import { figure, type Row, timedPublish } from "./row.ts";
import type { Counted, Setup } from "./trial.ts";

const sqlite: Setup = { kind: "holdfast" };

export const redisRows: readonly Row[] = [
  publishes("publishes on Redis, in memory, against SQLite", on("memory"), sqlite),
  publishes("publishes on Redis, AOF always, against SQLite", on("fsynced"), sqlite),
  publishes("publishes on Redis, in memory, against redis-streams-adapter", on("memory"), {
    kind: "stock",
    redis: "memory",
  }),
  publishes("publishes of three nodes on Redis, in memory, against one", on("memory", 3), on("memory")),
  publishes("publishes of three nodes on Redis, AOF always, against one", on("fsynced", 3), on("fsynced")),
  toAnotherNode("one publish at another node over Redis, in memory, 50 events/s", "memory"),
  toAnotherNode("one publish at another node over Redis, AOF always, 50 events/s", "fsynced"),
];

function on(redis: "memory" | "fsynced", nodes = 1): Setup {
  return { kind: "holdfast", redis, nodes };
}

/** Each node keeps publishes to many rooms under way, from call to receipt; nobody is in the rooms. */
function publishes(name: string, ours: Setup, control: Setup): Row {
  return {
    name,
    setups: { ours, control },
    run: async (trial, size) => {
      await trial.keepPublishing(underWay);
      const counted = await trial.during(size);
      await trial.keepPublishing(0);
      if (counted.stored <= 0) throw new Error("no publish was stored while measuring");
      return {
        "publishes/s": figure(counted.stored / counted.seconds, "1/s", "higher"),
        "CPU per publish, Redis included": figure(cpuPerPublish(counted), "µs", "lower"),
        ...(control.redis !== undefined && {
          "Redis CPU per publish": figure(counted.redisCpuMicros / counted.stored, "µs", "lower"),
        }),
      };
    },
  };
}

function cpuPerPublish({ serverCpuMicros, redisCpuMicros, stored }: Counted): number {
  return (serverCpuMicros + redisCpuMicros) / stored;
}

/** The clients are at one node, and the one that publishes is at another. */
function toAnotherNode(name: string, redis: "memory" | "fsynced"): Row {
  const nodes = 2;
  const setups = { ours: on(redis, nodes), control: { kind: "stock", redis, nodes } } as const;
  return { name, setups, run: timedPublish };
}

const underWay = 64;
