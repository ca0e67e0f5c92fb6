/** What a run is made of, drawn from its seed: sizes, limits, and which faults happen how often (swarm). */

import type { EngineName } from "./engines.ts";
import { type HazardKind, type Hazards, hazardsOf } from "./hazards.ts";
import { Seeded } from "./seeded.ts";
import { type Usage, usageOf } from "./usage.ts";

export type FaultKind =
  | HazardKind
  | "reset"
  | "halfOpenToServer"
  | "halfOpenToClient"
  | "halfOpenBoth"
  | "stall"
  | "offline"
  | "crash"
  | "crashMidway"
  | "powerLoss"
  | "freezeNode"
  | "freezePage"
  | "drain"
  | "storeSlow"
  | "storeRefuses"
  /** The store loses its last moments, and every stream gets a new epoch. */
  | "storeRewinds"
  /** The store loses its last moments and says nothing of it. */
  | "storeRewindsSilently"
  /** Everything loses power at once: all nodes, and the machine of the store. */
  | "blackout"
  | "reload"
  | "reloadSaved";

export const faultKinds: readonly FaultKind[] = [
  "reset",
  "halfOpenToServer",
  "halfOpenToClient",
  "halfOpenBoth",
  "stall",
  "offline",
  "crash",
  "crashMidway",
  "powerLoss",
  "freezeNode",
  "freezePage",
  "drain",
  "storeSlow",
  "storeRefuses",
  "storeRewinds",
  "storeRewindsSilently",
  "blackout",
  "reload",
  "reloadSaved",
];

export type Plan = {
  readonly seed: number;
  readonly store: EngineName;
  readonly nodes: number;
  readonly pages: number;
  readonly rooms: readonly string[];
  readonly usage: Usage;
  readonly hazards: Hazards;
  readonly eventsPerPage: number;
  readonly durationMs: number;
  readonly faults: readonly FaultKind[];
  readonly faultEveryMs: number;
  readonly latencyMs: number;
  readonly charactersPerMs: number;
  readonly bufferCharacters: number;
  readonly large: number;
  readonly aside: number;
  readonly deadlines: number;
  readonly trims: boolean;
  readonly storeLatencyMs: number;
  readonly announcementLost: number;
  readonly announcementLate: number;
  readonly announcementTwice: number;
  readonly skewMs: number;
  readonly delivery: {
    readonly windowEvents: number;
    readonly chunkCharacters: number;
    readonly windowChunks: number;
    readonly bufferedCharactersLimit: number;
    readonly suspendedSessionsLimit: number;
    readonly sweepIntervalMs: number;
    readonly handlerTimeoutMs: number;
    readonly unhandledHoldMs: number;
    readonly retryDelayMs: number;
    readonly retryDelayMaxMs: number;
  };
};

/** `also`: faults that happen only when they are asked for, and hazards that are to happen. */
export function planOf(seed: number, also: readonly string[], store: EngineName): Plan {
  const random = new Seeded(seed);
  const often = (probability: number, value: number) => (random.chance(probability) ? value : 0);
  // Drawn on their own, so that a run without them is what it was.
  const rarely = new Seeded(seed ^ 0x3f84d5b5);
  const faults = faultKinds.filter((kind) => {
    const rare = rareFaults.get(kind);
    return rare === undefined ? random.chance(0.4) : also.includes(kind) || rarely.named(kind).chance(rare);
  });
  const nodes = random.pick([1, 1, 2, 2, 3]);
  const hazards = hazardsOf(seed, also);
  return {
    seed,
    store,
    nodes,
    pages: random.whole(1, 4),
    rooms: ["red", "blue", "green"].slice(0, random.whole(1, 3)),
    usage: usageOf(seed),
    hazards,
    eventsPerPage: random.whole(4, 30),
    durationMs: random.whole(5_000, 60_000),
    faults: [...faults, ...hazards.faults],
    faultEveryMs: random.pick([500, 2_000, 5_000, 15_000]),
    latencyMs: random.pick([1, 5, 30, 150]),
    charactersPerMs: random.pick([4, 20, 1_000, 100_000]),
    bufferCharacters: random.pick([300, 2_000, 65_536]),
    large: often(0.5, random.pick([0.05, 0.3])),
    aside: often(0.4, 0.3),
    deadlines: often(0.4, 0.2),
    trims: random.chance(0.2),
    storeLatencyMs: random.pick([0, 1, 5, 40]),
    announcementLost: often(0.4, 0.2),
    announcementLate: often(0.4, 0.3),
    announcementTwice: often(0.4, 0.3),
    skewMs: often(0.3, 90_000),
    delivery: {
      windowEvents: random.pick([4, 8, 256]),
      chunkCharacters: random.pick([256, 1_000, 65_536]),
      windowChunks: random.pick([1, 2, 8]),
      bufferedCharactersLimit: random.pick([1_024, 4_096, 1_000_000]),
      suspendedSessionsLimit: random.pick([0, 1, 10_000]),
      sweepIntervalMs: random.pick([250, 1_000, 5_000]),
      handlerTimeoutMs: random.pick([2_000, 8_000]),
      unhandledHoldMs: random.pick([0, 300, 1_000]),
      retryDelayMs: random.pick([10, 500]),
      retryDelayMaxMs: 2_000,
    },
  };
}

/** By probability. Those with none are known to break guarantees (see `docs/TESTING.md`). */
const rareFaults: ReadonlyMap<FaultKind, number> = new Map([
  ["copy", 0],
  ["storeRewinds", 0.05],
  ["storeRewindsSilently", 0],
]);
