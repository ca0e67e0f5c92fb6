/**
 * Small scenarios, cut in front of every single frame in turn, in every way a link or a server can go away.
 * Whatever the moment: each event's outcome is recorded once, the caller hears one end, and the room is shown
 * without holes.
 */

import { expect, test } from "vitest";
import type { Run } from "./inbox.ts";
import { Pair, type PairOptions } from "./testing/pair.ts";

const long = "x".repeat(150);

type Scenario = {
  readonly options?: PairOptions;
  readonly play: (pair: Pair) => void;
  readonly handled: readonly string[];
  readonly shown?: readonly string[];
  readonly outcomes: Readonly<Record<string, string>>;
  /** Uploads that were sent aside take no place in the order. */
  readonly unordered?: boolean;
};

const scenarios: Record<string, Scenario> = {
  "ten events through a window of four": {
    play: (pair) => {
      for (let index = 0; index < 10; index++) pair.emit(`e${index}`);
    },
    handled: Array.from({ length: 10 }, (_, index) => `e${index}`),
    outcomes: Object.fromEntries(Array.from({ length: 10 }, (_, index) => [`e${index}`, "ok"])),
  },
  "an event that asks for a reply, and one whose handler refuses": {
    options: { handle: (run) => (nameOf(run) === "no" ? { kind: "rejected", code: "not_now" } : undefined) },
    play: (pair) => {
      pair.emit("ask", { wantsReply: true });
      pair.emit("no");
    },
    handled: ["ask", "no"],
    outcomes: { ask: 'ok [["re ask"]]', no: "rejected not_now" },
  },
  "an upload between two small events": {
    play: (pair) => {
      pair.emit("a");
      pair.emit("large", { args: [long] });
      pair.emit("b");
    },
    handled: ["a", "large", "b"],
    outcomes: { a: "ok", large: "ok", b: "ok" },
  },
  "two uploads, the second complete before the first": {
    play: (pair) => {
      pair.emit("large", { args: [long] });
      pair.emit("between");
      pair.emit("smaller", { args: [long.slice(0, 30)] });
      pair.emit("last");
    },
    handled: ["large", "between", "smaller", "last"],
    outcomes: { large: "ok", between: "ok", smaller: "ok", last: "ok" },
  },
  "an upload sent aside": {
    play: (pair) => {
      pair.emit("large", { args: [long], aside: true });
      pair.emit("a");
      pair.emit("b");
    },
    handled: ["a", "b", "large"],
    outcomes: { large: "ok", a: "ok", b: "ok" },
    unordered: true,
  },
  "what the room is sent, small and large": {
    play: (pair) => {
      for (let index = 0; index < 4; index++) pair.publish(`p${index}`);
      pair.publish("large", { args: [long] });
      pair.publish("p5");
      pair.emit("e");
    },
    handled: ["e"],
    shown: ["p0", "p1", "p2", "p3", "large", "p5"],
    outcomes: { e: "ok" },
  },
  "announcements that are lost": {
    play: (pair) => {
      pair.publish("p0");
      pair.publish("p1", { announce: false });
      pair.publish("p2", { announce: false });
      pair.publish("p3");
    },
    handled: [],
    shown: ["p0", "p1", "p2", "p3"],
    outcomes: {},
  },
};

const ways: Record<string, (pair: Pair) => void> = {
  "both sides notice": (pair) => pair.cut(),
  "the link is half open": (pair) => pair.cutHalfOpen(),
  "the server crashes": (pair) => pair.crashServer(),
  "the session moves to another process": (pair) => pair.moveServer(),
  "the page is reloaded": (pair) => pair.reloadPage(),
};

/** Plays a scenario on a settled connection; `cutAt` counts frames from there. */
function run(scenario: Scenario, cutAt: number, way: (pair: Pair) => void, commitMs: number): Pair {
  const pair = new Pair({ ...scenario.options, commitMs });
  pair.connect();
  pair.drive();
  pair.frames = 0;
  pair.cutAtFrame = cutAt;
  pair.onCut = () => way(pair);
  scenario.play(pair);
  pair.drive();
  return pair;
}

for (const [name, scenario] of Object.entries(scenarios)) {
  for (const [wayName, way] of Object.entries(ways)) {
    test(`G1 G2 ${name}, cut in front of every frame: ${wayName}`, () => {
      const runsOnce = wayName !== "the server crashes" && wayName !== "the session moves to another process";
      for (const commitMs of [0, 2, 7]) {
        const whole = run(scenario, Number.POSITIVE_INFINITY, way, commitMs);
        check(whole, scenario, { runsOnce: true, at: `commits after ${commitMs} ms` });
        for (let cutAt = 1; cutAt <= whole.frames; cutAt++) {
          const pair = run(scenario, cutAt, way, commitMs);
          check(pair, scenario, { runsOnce, at: `cut at ${cutAt}, commits after ${commitMs} ms` });
        }
      }
    });
  }
}

function check(
  pair: Pair,
  scenario: Scenario,
  how: { readonly runsOnce: boolean; readonly at: string },
): void {
  const { at } = how;
  const first = [...new Set(pair.handledNames)];
  const expected = [...scenario.handled];
  if (scenario.unordered === true) expect(new Set(first), at).toEqual(new Set(expected));
  else expect(first, at).toEqual(expected);
  // Only where the process is gone may a handler have run without its outcome having been recorded.
  if (how.runsOnce) expect(pair.handled.length, at).toBe(expected.length);
  expect(pair.outcomes, at).toEqual(scenario.outcomes);
  expect(pair.shownNames, at).toEqual(scenario.shown ?? []);
  expect(pair.violations, at).toEqual([]);
  expect(pair.refused, at).toEqual([]);
  expect(pair.client.pending, at).toBe(0);
}

function nameOf(run: Run): unknown {
  return (run.payload as unknown[])[0];
}
