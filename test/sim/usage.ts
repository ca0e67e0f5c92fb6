/** How a run's application uses Holdfast beside rooms and events: drawn from the seed on its own. */

import { Seeded } from "./seeded.ts";

export type Usage = {
  /** Rooms that are read with durable cursors. */
  readonly mailboxes: readonly string[];
  /** Whether the pages read them as one consumer instead of each as its own. */
  readonly sharedCursor: boolean;
  /** Where a page's room begins for it: `head`, or with some history. */
  readonly history: boolean;
  /** Some pages are in a room whose members are excepted from some entries. */
  readonly quiet: boolean;
};

export function usageOf(seed: number): Usage {
  const random = new Seeded(seed ^ 0x5bd1e995);
  return {
    mailboxes: ["mail-1", "mail-2"].slice(0, random.pick([0, 0, 1, 2])),
    sharedCursor: random.chance(0.25),
    history: random.chance(0.4),
    quiet: random.chance(0.3),
  };
}

/** Nobody leaves it. */
export const quietRoom = "quiet";
