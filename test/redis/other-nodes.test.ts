/**
 * What nodes on one Redis have to say to each other when a client comes back to another one than it had left.
 */

import { expect } from "vitest";
import { next } from "../compatibility/pair.ts";
import { startRedis } from "../harness/redis-server.ts";
import { redisTest } from "../harness/redis-test.ts";
import { until } from "../harness/until.ts";
import { type Member, openNodes, type TestNode } from "./nodes.ts";

redisTest("G4 an answer reaches the node that asked, by another node", async (context) => {
  const { address } = await startRedis(context);
  const [here, there] = await openNodes(context, address);
  const member = await here.member([]);
  const questions: ((value: string) => void)[] = [];
  member.client.on("question", (answer: (value: string) => void) => questions.push(answer));
  const asking = member.server.emitWithAck("question") as Promise<string>;
  await until(() => questions.length === 1, { what: "the question to arrive" });
  await moveTo(member, there);
  questions[0]?.("yes");
  expect(await asking).toBe("yes");
});

redisTest("G1 a handler is not run twice when its client comes back to another node", async (context) => {
  const { address } = await startRedis(context);
  const [here, there] = await openNodes(context, address);
  const member = await here.member([]);
  const runs: string[] = [];
  const { promise: leave, resolve: goOn } = Promise.withResolvers<void>();
  const listen = (name: string) => async (answer: (value: string) => void) => {
    runs.push(name);
    await leave;
    answer(name);
  };
  member.server.on("slow", listen("here"));
  there.io.on("connection", (socket) => void socket.on("slow", listen("there")));
  const slow = member.client.emitWithAck("slow") as Promise<string>;
  await until(() => runs.length === 1, { what: "the handler to run" });
  await moveTo(member, there);
  // What was emitted later waits behind it.
  const behind = member.client.emitWithAck("slow") as Promise<string>;
  goOn();
  expect(await slow).toBe("here");
  expect(await behind).toBe("there");
  expect(runs).toEqual(["here", "there"]);
});

/** Cuts the client's link, so that it comes back to the other node. */
async function moveTo({ client }: Member, node: TestNode): Promise<void> {
  const arrived = next(node.io, "connection");
  Object.assign(client.io, { uri: node.url });
  client.io.engine.close();
  await arrived;
  await until(() => client.connected, { what: "the client to be back" });
}
