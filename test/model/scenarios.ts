/** What is explored: each scenario is a bound on how often each thing may happen, in any order. */

import { explore, type Exploration } from "./explore.ts";
import { type Budgets, noBudgets } from "./model-state.ts";
import type { Rule } from "./rules.ts";
import { sessionModel } from "./session-model.ts";

export type Scenario = { readonly name: string; readonly budgets: Budgets };

function scenario(name: string, budgets: Partial<Budgets>): Scenario {
  return { name, budgets: { ...noBudgets, ...budgets } };
}

/** Explored by the suite, in seconds. */
export const scenarios: readonly Scenario[] = [
  scenario("two events, a link breaks", { events: 2, connects: 1, breaks: 1 }),
  scenario("a link breaks, a node crashes", { events: 1, connects: 2, breaks: 1, crashes: 1 }),
  scenario("two events, a node crashes", { events: 2, connects: 2, crashes: 1 }),
  scenario("the page is reloaded", { events: 1, connects: 2, reloads: 1 }),
  scenario("the page is reloaded while it connects", { events: 1, connects: 1, breaks: 1, reloads: 1 }),
  scenario("the page is reloaded and its session lost", { events: 1, connects: 1, breaks: 1, losses: 1 }),
  scenario("the session is copied", { events: 1, copyEvents: 1, connects: 2, copies: 1 }),
];

/** Explored on request, in minutes. */
export const wideScenarios: readonly Scenario[] = [
  scenario("two links break", { events: 1, connects: 2, breaks: 2 }),
  scenario("two events, a link breaks, a node crashes", { events: 2, connects: 2, breaks: 1, crashes: 1 }),
  scenario("a link breaks, the page is reloaded", { events: 1, connects: 2, breaks: 1, reloads: 1 }),
  scenario("two nodes crash", { events: 1, connects: 2, breaks: 1, crashes: 2 }),
  scenario("two events, the page is reloaded", { events: 2, connects: 2, reloads: 1, crashes: 1 }),
  scenario("the session is lost on the way", { events: 1, connects: 2, breaks: 1, losses: 1 }),
  scenario("the session is copied, a node crashes", {
    events: 1,
    copyEvents: 1,
    connects: 2,
    copies: 1,
    crashes: 1,
  }),
  scenario("the session is copied, a link breaks", {
    events: 1,
    copyEvents: 1,
    connects: 2,
    copies: 1,
    breaks: 1,
  }),
];

/** `without`: rules that the model goes without, to see it refuted. */
export function exploreScenario({ budgets }: Scenario, without: readonly Rule[] = []): Exploration {
  return explore(sessionModel(budgets, without), { statesMax: 3_000_000, settles: "some" });
}
