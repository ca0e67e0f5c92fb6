/** Every scenario there is. */

import { drops, halfOpen, offlineBeyondRetention, reconnectStorm } from "./links.ts";
import { burstConnect, fanOut, slowConsumers, steady } from "./load.ts";
import type { Scenario } from "./scenario.ts";
import { proxyReload, proxyRestart, rollingDeploy, scale, storeRestart, workerKill } from "./servers.ts";

export const scenarios: readonly Scenario[] = [
  steady,
  fanOut,
  burstConnect,
  drops,
  halfOpen,
  scale,
  workerKill,
  rollingDeploy,
  proxyReload,
  proxyRestart,
  storeRestart,
  slowConsumers,
  reconnectStorm,
  offlineBeyondRetention,
];
