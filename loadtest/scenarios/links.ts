/** Scenarios in which servers stay as they are, and links break. */

import type { Links } from "../links.ts";
import type { Scenario, Stage } from "./scenario.ts";

/** How often a link breaks on average. */
const dropEveryMs = 15_000;
const stepMs = 250;

/** What the two scenarios below have in common; they differ in how a link breaks. */
const linksBreakByAge = {
  clients: 200,
  rate: 100,
  talkMs: 45_000,
  lateAfterMs: 20_000,
  testedShareMin: 0.85,
  links: true,
} as const;

export const drops: Scenario = {
  ...linksBreakByAge,
  name: "drops",
  title: "each client's link is reset every 15 s",
  act: (stage) => breakByAge(stage, (links, isMeant) => links.reset(isMeant), "resets"),
};

export const halfOpen: Scenario = {
  ...linksBreakByAge,
  name: "half-open",
  title: "each client's link goes half-open every 15 s: the servers are not told",
  act: (stage) => breakByAge(stage, (links, isMeant) => links.halfOpen(isMeant), "half-open links"),
};

/** Each link lives for half to one and a half of the time, so that breaks come at all moments of its life. */
async function breakByAge(
  { links, talkMs, at, note, chance }: Stage,
  breakSome: (links: Links, isMeant: (link: object) => boolean) => number,
  what: string,
): Promise<void> {
  const ends = new WeakMap<object, number>();
  let count = 0;
  await note("links begin to break");
  for (let momentMs = stepMs; momentMs < talkMs * 0.9; momentMs += stepMs) {
    await at(momentMs);
    count += breakSome(links, (link) => {
      // Those that are there at the beginning are of any age.
      const lifeMs = dropEveryMs * (momentMs === stepMs ? 1.5 * chance() : 0.5 + chance());
      const endsAtMs = ends.get(link) ?? momentMs + lifeMs;
      ends.set(link, endsAtMs);
      return momentMs >= endsAtMs;
    });
  }
  await note(`the last of ${count} ${what}`);
}

export const reconnectStorm: Scenario = {
  name: "reconnect-storm",
  title: "all links break in the same moment, three times",
  clients: 200,
  rate: 100,
  talkMs: 40_000,
  lateAfterMs: 20_000,
  testedShareMin: 0.85,
  links: true,
  act: async ({ links, talkMs, at, note }) => {
    for (const share of [0.1, 0.35, 0.6]) {
      await at(talkMs * share);
      await note(`${links.reset(() => true)} links break`);
    }
  },
};

/**
 * More is published meanwhile than is kept, so what is missing has to be reported, and nothing else missing.
 */
export const offlineBeyondRetention: Scenario = {
  name: "offline-beyond-retention",
  title: "all clients are away for longer than entries are kept",
  clients: 100,
  rate: 60,
  talkMs: 45_000,
  lateAfterMs: 40_000,
  testedShareMin: 0.85,
  gapsExpected: true,
  links: true,
  delivery: { retention: { entriesPerStream: 30 }, sweepIntervalMs: 1_000 },
  act: async ({ links, talkMs, at, note }) => {
    await at(talkMs * 0.15);
    links.refuse();
    await note(`${links.reset(() => true)} links break, and nobody can connect`);
    await at(talkMs * 0.6);
    await links.admit();
    await note("clients can connect again");
  },
};
