/** Announcements that never come: Redis drops a subscriber, and all it has for it, that does not keep up. */

import { expect } from "vitest";
import { startRedis } from "../harness/redis-server.ts";
import { redisTest } from "../harness/redis-test.ts";
import { until } from "../harness/until.ts";
import { openNodes } from "./nodes.ts";

redisTest("G2 entries whose announcement is lost are found within moments", async (context) => {
  const redis = await startRedis(context);
  const [here, there] = await openNodes(context, redis.address);
  const { client } = await there.member(["room"]);
  const shown: number[] = [];
  client.on("event", (number: number) => shown.push(number));
  // No subscriber keeps up with so little room, and nothing follows to show that something is missing.
  await redis.command("CONFIG", "SET", "client-output-buffer-limit", "pubsub 1kb 0 0");
  for (let number = 1; number <= 3; number += 1) {
    await here.publish("room", "event", number, "x".repeat(40_000));
    // The sweeps look only every ten seconds.
    const what = `entry ${number}`;
    await until(() => shown.length === number, { what, deadlineMs: 5_000, state: () => shown.join(" ") });
  }
  expect(shown).toEqual([1, 2, 3]);
});
