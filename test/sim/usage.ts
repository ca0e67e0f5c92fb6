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
  /** What nodes do by themselves, beside publishing. */
  readonly acts: readonly Act[];
  /** Users sign out, at their pages or by their own events. */
  readonly signsOut: boolean;
  readonly outboxLimit: number;
  readonly delivery: {
    readonly repliesLimit: number;
    readonly eventCharactersLimit: number;
    readonly replyCharactersLimit: number;
  };
};

/** `bans`: a user loses a room at the next resume. The rooms of sessions are taken and given by `moves`. */
export type Act = "kicks" | "moves" | "bans" | "flashes" | "orders";

export function usageOf(seed: number): Usage {
  const random = new Seeded(seed ^ 0x5bd1e995);
  const acts: readonly Act[] = ["kicks", "moves", "bans", "flashes", "orders"];
  return {
    mailboxes: ["mail-1", "mail-2"].slice(0, random.pick([0, 0, 1, 2])),
    sharedCursor: random.chance(0.25),
    history: random.chance(0.4),
    quiet: random.chance(0.3),
    acts: acts.filter(() => random.chance(0.3)),
    signsOut: random.chance(0.15),
    outboxLimit: random.pick([3, 10_000, 10_000]),
    delivery: {
      repliesLimit: random.pick([1, 3, 100_000, 100_000]),
      eventCharactersLimit: random.pick([8_000, 100_000, 100_000]),
      replyCharactersLimit: random.pick([1_024, 1_048_576]),
    },
  };
}

/** Nobody leaves it. */
export const quietRoom = "quiet";
