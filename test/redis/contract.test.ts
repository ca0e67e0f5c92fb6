/** The store contract against a real Redis, alone and as a Cluster. */

import { afterAll, beforeAll, describe } from "vitest";
import { openStore } from "../../src/store/open.ts";
import { storeContract } from "../../src/store/testing/contract.ts";
import { Scope } from "../harness/owner.ts";
import { startRedisCluster } from "../harness/redis-cluster.ts";
import { startRedis } from "../harness/redis-server.ts";
import { redisIsThere } from "../harness/redis-test.ts";

let stores = 0;

/** Every store of the suite has keys of its own. */
function freshPrefix(): string {
  stores += 1;
  return `contract${stores}`;
}

describe.runIf(redisIsThere)("redis", () => {
  const owner = new Scope();
  afterAll(() => owner.end());
  let address = "";
  beforeAll(async () => {
    ({ address } = await startRedis(owner));
  });
  storeContract("redis", (limits) => openStore(`${address}?prefix=${freshPrefix()}`, limits));
});

describe.runIf(redisIsThere)("redis+cluster", () => {
  const owner = new Scope();
  afterAll(() => owner.end());
  let address = "";
  beforeAll(async () => {
    ({ address } = await startRedisCluster(owner, { masters: 3, replicas: 0 }));
  });
  storeContract("redis cluster", (limits) => openStore(`${address}?prefix=${freshPrefix()}`, limits));
});
