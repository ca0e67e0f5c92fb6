/** Which scenarios can be run against servers of somebody else, and why the others cannot. */

import { scenarios } from "../scenarios/index.ts";
import type { Scenario } from "../scenarios/scenario.ts";

export const watch: Scenario = {
  name: "watch",
  title: "somebody else did things to the servers",
  clients: 100,
  rate: 50,
  talkMs: 120_000,
  lateAfterMs: 20_000,
  testedShareMin: 0,
  act: async () => undefined,
};

/** The scenario of this name, or why it is not for a target. */
export function targetScenario(name: string): Scenario | string {
  const scenario = targetScenarios().find((one) => one.name === name);
  if (scenario !== undefined) return scenario;
  const reason =
    reasons.get(name) ?? (name.startsWith("rolling-deploy") ? reasons.get("rolling-deploy") : "");
  if (reason !== undefined && reason !== "")
    return `${name} cannot be run against a --target: ${reason}. What can: ${namesOf()}.`;
  const isKnown = scenarios.some((one) => one.name === name);
  return isKnown
    ? `${name} cannot be run against a --target: it does things to the servers. What can: ${namesOf()}.`
    : `There is no scenario ${JSON.stringify(name)} for a --target. There are: ${namesOf()}.`;
}

export function targetScenarios(): readonly Scenario[] {
  return [...scenarios.filter((scenario) => suitable.includes(scenario.name)), watch];
}

function namesOf(): string {
  return targetScenarios()
    .map(({ name }) => name)
    .join(", ");
}

const suitable = [
  "steady",
  "fan-out",
  "burst-connect",
  "drops",
  "half-open",
  "slow-consumers",
  "reconnect-storm",
  "page-reload",
  "soak",
];

const forWatch = "use watch, and do it yourself meanwhile";
const reasons: ReadonlyMap<string, string> = new Map([
  ["rolling-deploy", `it replaces the servers; ${forWatch}`],
  ["scale", `it starts and ends servers; ${forWatch}`],
  ["worker-kill", `it kills servers; ${forWatch}`],
  ["proxy-reload", `it reloads the proxy; ${forWatch}`],
  ["proxy-restart", `it kills the proxy; ${forWatch}`],
  ["store-restart", `it ends the store; ${forWatch}`],
  ["store-failover", `it kills the store; ${forWatch}`],
  [
    "offline-beyond-retention",
    "it needs a retention so short that the wait is worth it, which is a setting of the servers",
  ],
]);
