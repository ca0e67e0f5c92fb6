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
  | "copy";

export const hazardKinds: readonly HazardKind[] = ["storeFull", "clockJump", "copy"];

export type Hazards = {
  /** Faults that happen as those of the plan do. */
  readonly faults: readonly HazardKind[];
};

/** `also`: those that happen in every run. */
export function hazardsOf(seed: number, also: readonly string[]): Hazards {
  const random = new Seeded(seed ^ 0x2c1b3c6d);
  const happens = (name: string) => also.includes(name) || random.named(name).chance(0.15);
  return { faults: hazardKinds.filter(happens) };
}
