/** Every scenario there is. */

import { pageReload, soak } from "./life.ts";
import { drops, halfOpen, offlineBeyondRetention, reconnectStorm } from "./links.ts";
import { burstConnect, fanOut, slowConsumers, steady } from "./load.ts";
import type { Scenario } from "./scenario.ts";
import {
  proxyReload,
  proxyRestart,
  rollingDeploy,
  rollingDeploy5,
  rollingDeployCluster,
  rollingDeployNginx,
  scale,
  storeFailover,
  storeRestart,
  workerKill,
} from "./servers.ts";

export const scenarios: readonly Scenario[] = [
  steady,
  fanOut,
  burstConnect,
  drops,
  halfOpen,
  scale,
  workerKill,
  rollingDeploy,
  rollingDeploy5,
  rollingDeployNginx,
  rollingDeployCluster,
  proxyReload,
  proxyRestart,
  storeRestart,
  storeFailover,
  slowConsumers,
  reconnectStorm,
  pageReload,
  soak,
  offlineBeyondRetention,
];
