/** `npm run sim -- --model [--wide]`: explores every scenario and prints what was reached. */

import { narrate } from "./explore.ts";
import { exploreScenario, scenarios, wideScenarios } from "./scenarios.ts";

/**
 * Returns the exit code: 1 when something is broken, 2 when a scenario was too large to be explored whole.
 */
export function printModel(options: { readonly wide: boolean }): number {
  const totals = { scenarios: 0, states: 0, transitions: 0, depth: 0, seconds: 0, violations: 0 };
  let isComplete = true;
  for (const scenario of [...scenarios, ...(options.wide ? wideScenarios : [])]) {
    const found = exploreScenario(scenario);
    totals.scenarios += 1;
    totals.states += found.states;
    totals.transitions += found.transitions;
    totals.depth = Math.max(totals.depth, found.depth);
    totals.seconds += found.seconds;
    isComplete &&= found.complete;
    console.log(
      `${scenario.name}: ${found.states} states, ${found.transitions} transitions, depth ${found.depth}, ` +
        `${found.quietStates} states without faults, ${found.seconds.toFixed(1)} s` +
        (found.complete ? "" : ", NOT EXPLORED TO ITS END"),
    );
    if (found.counterexample === undefined) continue;
    totals.violations += 1;
    console.log(narrate(found.counterexample));
  }
  console.log(JSON.stringify({ ...totals, seconds: Number(totals.seconds.toFixed(1)) }));
  if (totals.violations > 0) return 1;
  return isComplete ? 0 : 2;
}
