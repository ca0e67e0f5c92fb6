/**
 * What may go wrong in a run beside the faults of its plan: drawn from the seed on its own, so that a run
 * without hazards is what it was.
 */

import { Seeded } from "./seeded.ts";

export type HazardKind =
  /** The store has no space left, until a sweep makes some. */
  | "storeFull"
  /** The wall clock of a node or a page is set, forward or back; its timers go on as before. */
  | "clockJump"
  /** A tab is duplicated, or a page restored beside itself: both go on with one session. */
  | "copy"
  /** Sessions live for seconds, and pages are away for longer than that. */
  | "away";

export const hazardKinds: readonly HazardKind[] = ["storeFull", "clockJump", "copy", "away"];

export type Hazards = {
  /** Faults that happen as those of the plan do. */
  readonly faults: readonly HazardKind[];
  /** Default: that of the product, which no run lasts. */
  readonly sessionLifeMs: number | undefined;
};

/** `also`: those that happen in every run. */
export function hazardsOf(seed: number, also: readonly string[]): Hazards {
  const random = new Seeded(seed ^ 0x2c1b3c6d);
  const happens = (name: string) => also.includes(name) || random.named(name).chance(0.15);
  const faults = hazardKinds.filter(happens);
  return {
    faults,
    sessionLifeMs: faults.includes("away") ? random.named("life").pick([3_000, 12_000, 40_000]) : undefined,
  };
}
