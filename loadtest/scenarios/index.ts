/** Every scenario there is. */

import { drops, halfOpen } from "./links.ts";
import { rollingDeploy, workerKill } from "./servers.ts";
import type { Scenario } from "./scenario.ts";

const steady: Scenario = {
  name: "steady",
  title: "nothing happens",
  clients: 200,
  rate: 100,
  talkMs: 20_000,
  lateAfterMs: 5_000,
  testedShareMin: 0,
  act: async () => undefined,
};

export const scenarios: readonly Scenario[] = [steady, drops, halfOpen, workerKill, rollingDeploy];
