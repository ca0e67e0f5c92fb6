/** Memberships that two processes begin at the same moment, on one Redis and as a Cluster. */

import { describe, expect } from "vitest";
import { openStore, type Store } from "../../src/store/open.ts";
import { append, join, keyOf, open, resume } from "../../src/store/testing/contract-setup.ts";
import type { Owner } from "../harness/owner.ts";
import { startRedisCluster } from "../harness/redis-cluster.ts";
import { startRedis } from "../harness/redis-server.ts";
import { redisTest } from "../harness/redis-test.ts";

const races = 300;

describe.each([
  { kind: "a Redis alone", start: (owner: Owner) => startRedis(owner) },
  { kind: "a Cluster", start: (owner: Owner) => startRedisCluster(owner, { masters: 3 }) },
])("$kind", ({ start }) => {
  redisTest(
    "G2 what follows an enrolment is shown also to a session that joins by itself meanwhile",
    async (context) => {
      const { address } = await start(context);
      const [here, there] = await Promise.all([stored(context, address), stored(context, address)]);
      const fence = await open(there, "far");
      await join(there, fence, "everybody");
      const missed: string[] = [];
      for (let race = 0; race < races; race += 1) {
        const room = `room ${race}`;
        const selector = { namespace: "/", rooms: ["everybody"], except: [] };
        const enrolling = here.enroll({ selector, rooms: [{ room, key: keyOf(room) }], show: false });
        const following = append(here, room, "follows");
        // Of the turns in which the other process may hear of it, each one comes up.
        for (let turn = race % 10; turn > 0; turn -= 1) await new Promise(setImmediate);
        const [, entry, joined] = await Promise.all([enrolling, following, join(there, fence, room)]);
        if (joined.base.offset >= entry.offset) missed.push(`${room} from ${joined.base.offset}`);
      }
      expect(missed).toEqual([]);
      const { memberships } = await resume(there, "far");
      expect(memberships.filter(({ room, base }) => room.startsWith("room ") && base.offset > 0)).toEqual([]);
    },
  );
});

async function stored(owner: Owner, address: string): Promise<Store> {
  const store = await openStore(`${address}?prefix=memberships`);
  owner.onTestFinished(() => store.close());
  return store;
}
