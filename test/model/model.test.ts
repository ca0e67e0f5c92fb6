/**
 * The model of resume and fencing: it holds within its bounds, and without any one of its rules it does not.
 */

import { describe, expect, test } from "vitest";
import { explore, type Model, narrate } from "./explore.ts";
import { type Budgets, noBudgets } from "./model-state.ts";
import { clauses, type Rule } from "./rules.ts";
import { exploreScenario, scenarios } from "./scenarios.ts";

describe("the explorer", () => {
  /** Adds one or two until it is at 4 or 5; then it stops, or goes round. */
  function counter(broken: number, goesRound: boolean): Model<{ at: number }> {
    const by = (step: number) => ({
      inevitable: true,
      say: () => `Adds ${step}.`,
      apply: (state: { at: number }) => void (state.at += step),
    });
    return {
      initial: () => ({ at: 0 }),
      clone: (state) => ({ ...state }),
      name: ({ at }) => String(at),
      calm: (state) => state,
      actions: ({ at }) => [...(at < 4 ? [by(1), by(2)] : []), ...(goesRound && at > 3 ? [by(-at)] : [])],
      broken: ({ at }) => (at === broken ? `${at} is reached.` : ""),
      unsettled: ({ at }) => (at < 4 ? "It stops early." : ""),
    };
  }

  const ones = Array.from({ length: 4 }, () => "Adds 1.");

  test("visits every state once and finds the shortest path to a broken one", () => {
    const whole = explore(counter(99, false), { statesMax: 100, settles: "each" });
    expect(whole).toMatchObject({ complete: true, states: 6, transitions: 8, depth: 3 });
    expect(whole.counterexample).toBeUndefined();
    // What follows by itself from the first state on is looked at before anything else.
    const { counterexample } = explore(counter(4, false), { statesMax: 100, settles: "some" });
    expect(counterexample?.steps).toEqual(["From here on there are no more faults.", ...ones]);
    const chosen = { ...counter(4, false), calm: () => ({ at: 5 }) };
    const found = explore(chosen, { statesMax: 100, settles: "each" }).counterexample;
    expect(found).toEqual({ what: "4 is reached.", steps: ["Adds 2.", "Adds 2."] });
  });

  test("sees what never settles, and gives up without a verdict beyond its bound", () => {
    const round = explore(counter(99, true), { statesMax: 100, settles: "each" }).counterexample;
    expect(round?.what).toBe("it goes on like this for ever");
    expect(explore(counter(99, false), { statesMax: 1, settles: "each" }).complete).toBe(false);
  });
});

describe("the model of resume and fencing", () => {
  for (const scenario of scenarios) {
    test(`G1, G5, G6 hold in every order of what may happen: ${scenario.name}`, () => {
      const { counterexample, complete, states } = exploreScenario(scenario);
      expect(counterexample && narrate(counterexample)).toBeUndefined();
      expect(complete).toBe(true);
      expect(states).toBeGreaterThan(500);
    });
  }
});

describe("without one of its rules the model is refuted", () => {
  const [one, two] = [
    { events: 1, connects: 2, breaks: 1 },
    { events: 2, connects: 2, breaks: 1 },
  ];
  const crash = { ...one, crashes: 1 };
  const reload = { ...one, reloads: 1 };
  const copy = { ...one, copyEvents: 1, copies: 1 };

  const refuted: readonly (readonly [Rule, Partial<Budgets>, what: RegExp])[] = [
    ["fence", one, /A holder of generation 1 has written into generation 2/],
    ["appendFence", copy, /Event 11 ended well, and its effect is not there/],
    ["refusalMoves", copy, /Event 1 never ends/],
    ["generation", one, /Two nodes can write as generation 1/],
    ["heldInbox", crash, /The holder runs event 1 although its outcome is recorded/],
    ["holderStored", crash, /connected to a node that does not hold its session/],
    ["holderStored", copy, /Event \d+ was answered with the outcome of event \d+/],
    ["late", crash, /connected to a node that does not hold its session/],
    ["copy", copy, /it goes on like this for ever/],
    ["heardBySaying", reload, /The only client there is lost its session/],
    ["heardAtOnce", reload, /connected to a node that does not hold its session/],
    ["heardHere", copy, /Event 1 was answered with the outcome of event 11/],
    ["knownSequence", copy, /without an end|answered with the outcome/],
    ["unsentNext", copy, /Event 11 was answered with the outcome of event 1/],
    ["outcomesKept", one, /The holder runs event 1 although its outcome is recorded/],
    ["recordFirst", one, /told an outcome of event 1 that is not in the store/],
    ["lowConfirmed", one, /Event 1 never ends/],
    ["ascending", two, /sequence 2 where 1 was expected/],
    ["unsettledResent", one, /low-water mark beyond what was sent/],
    ["keys", crash, /The effect of event 1 is there twice/],
  ];

  test("each rule is left out once", () => {
    expect(new Set(refuted.map(([rule]) => rule))).toEqual(new Set(Object.keys(clauses)));
  });

  for (const [rule, budgets, what] of refuted) {
    test(`${rule}: ${clauses[rule]} (${Object.entries(budgets).join(" ")})`, () => {
      const whole = { ...noBudgets, ...budgets };
      const { counterexample } = exploreScenario({ name: rule, budgets: whole }, [rule]);
      expect(counterexample?.what).toMatch(what);
      expect(narrate(counterexample ?? { what: "", steps: [] })).toMatch(/^ {2}1\. .*\n[^]*BROKEN: /);
    });
  }
});
