/**
 * The k6 script: each virtual user is one client, the shipped one or socket.io-client as the control has it.
 * It keeps to a schedule of its own that waits for nobody, and writes down what its application sees.
 */

import "./surroundings.ts";
import exec from "k6/execution";
import http from "k6/http";
import type { Options } from "k6/options";
import type { Plan, Start, StartedPlan } from "../contract.ts";
import { VirtualClient } from "./virtual-client.ts";

const plan = JSON.parse(__ENV["PLAN"] ?? "{}") as Plan;
const wholeMs = plan.talkUntilMs + plan.settleMs + 30_000;

export const options: Options = {
  scenarios: {
    clients: {
      executor: "per-vu-iterations",
      vus: plan.clients,
      iterations: 1,
      maxDuration: `${wholeMs}ms`,
      gracefulStop: "1s",
    },
  },
  setupTimeout: "30s",
  hosts: { ...plan.hosts },
  insecureSkipTLSVerify: plan.insecure === true,
};

/** Finds out how far this clock is from the ledger's, and has the ledger say when the run began. */
export function setup(): StartedPlan {
  let best = { roundTripMs: Number.POSITIVE_INFINITY, skewMs: 0 };
  for (let round = 0; round < 10; round += 1) {
    const sentAt = Date.now();
    const there = Number(http.get(`${plan.ledger}/clock`).body);
    const roundTripMs = Date.now() - sentAt;
    if (roundTripMs < best.roundTripMs) best = { roundTripMs, skewMs: there - (sentAt + roundTripMs / 2) };
  }
  const start: Start = { startedAt: Date.now() + 1_000, ...best };
  http.post(`${plan.ledger}/start`, JSON.stringify(start));
  return { ...plan, startedAt: start.startedAt };
}

export default function run(started: StartedPlan): void {
  new VirtualClient(exec.vu.idInTest - 1, started).begin();
}
