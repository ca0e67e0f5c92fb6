/** `npm start` with workers on a Redis: the primary hands out connections, and Redis is what they share. */

import { expect } from "vitest";
import { Chatter } from "../cluster/chatter.ts";
import { startHoldfast } from "../cluster/holdfast-process.ts";
import { startRedis } from "../harness/redis-server.ts";
import { redisTest } from "../harness/redis-test.ts";
import { until } from "../harness/until.ts";

redisTest(
  "G2 G6 G9 workers on a Redis are rolled, and talk goes on",
  { timeout: 90_000 },
  async (context) => {
    const { address } = await startRedis(context);
    const holdfast = await startHoldfast(context, { environment: { HOLDFAST_STORE: address } });
    const opening = ["A", "B", "C", "D"].map((letter) => Chatter.open(context, holdfast.url, letter));
    const chatters = await Promise.all(opening);
    const came: (string | undefined)[][] = chatters.map(({ socket }) => [socket.id]);
    for (const [index, { socket }] of chatters.entries())
      socket.on("connect", () => came[index]?.push(socket.recovered ? socket.id : undefined));
    const talk = async (count: number) => {
      await Promise.all(chatters.map((chatter) => chatter.say(5)));
      for (const chatter of chatters) await chatter.sees(count);
    };
    await talk(20);
    holdfast.child.signal("SIGHUP");
    const haveMoved = () => came.every((ids) => ids.length >= 2);
    await until(haveMoved, {
      what: "all to come back",
      deadlineMs: 30_000,
      state: () => JSON.stringify(came),
    });
    await talk(40);
    for (const [index, { shown, gaps }] of chatters.entries()) {
      expect(shown).toEqual(chatters[0]?.shown);
      expect(gaps).toEqual([]);
      // Each with the session that it had.
      expect(new Set(came[index]).size).toBe(1);
    }
  },
);
