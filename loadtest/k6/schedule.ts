/** How many virtual users there are, and when the run begins. */

import http from "k6/http";
import type { Options } from "k6/options";
import type { Plan, Start, StartedPlan } from "../contract.ts";

const plan = JSON.parse(__ENV["PLAN"] ?? "{}") as Plan;
const wholeMs = plan.talkUntilMs + plan.settleMs + 30_000;

export const options: Options = {
  scenarios: {
    clients: {
      executor: "per-vu-iterations",
      vus: Math.ceil(plan.clients / plan.clientsPerUser),
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
