/** Replies in both directions outlive connections, and the client's outlive the server process. */

import { expect, test } from "vitest";
import { startRelay } from "../harness/relay.ts";
import { until } from "../harness/until.ts";
import { openClient } from "./client.ts";
import { startNode, type TestNode } from "./node.ts";

test("G1 G4 a recorded reply that never arrived is given again after a crash", async (context) => {
  const node = await startNode(context);
  const relay = await startRelay(context, node);
  const ann = await openClient(context, relay.url, { name: "ann" });
  await ann.roundTrip();
  const { pid } = node.child;
  relay.latest.toClient.hold();
  const heldBefore = relay.latest.toClient.heldBytes;
  const answer = ann.call({ id: 7 });
  const refused = ann.socket
    .emitWithAck("nobody listens")
    .catch((error: Error & { code?: string }) => error.code);
  // A reply is written only when its record is committed.
  await until(() => relay.latest.toClient.heldBytes > heldBefore, { what: "the reply is under way" });
  await node.reaches(
    "no event is left",
    ({ figures }) => figures.runningHandlers === 0 && figures.inboxDepth <= 3,
  );
  await node.kill();
  relay.latest.resetClient();
  await node.restart();
  expect(await answer).toMatchObject({ id: 7, pid });
  expect(await refused).toBe("unhandled_event");
  expect(node.handled()).toHaveLength(1);
});

test("G1 G4 replies to a whole window come with the resume, and the next window fits", async (context) => {
  const windowEvents = 8;
  const node = await startNode(context, { delivery: { windowEvents } });
  const relay = await startRelay(context, node);
  const ann = await openClient(context, relay.url, { name: "ann" });
  relay.latest.toClient.hold();
  const ids = Array.from({ length: 6 * windowEvents }, (_, index) => index + 1);
  const answers = Promise.all(ids.map((id) => ann.call({ id })));
  await until(() => node.handled().length === windowEvents, { what: "a whole window is handled" });
  await node.status();
  relay.resetAll();
  await answers;
  expect(node.handled().map((call) => call.id)).toEqual(ids);
  expect({ connects: ann.connects.length, refused: ann.refused }).toEqual({ connects: 2, refused: [] });
});

test("G4 a callback of the server survives the client's reconnect", async (context) => {
  const node = await startNode(context);
  const relay = await startRelay(context, node);
  const ann = await openClient(context, relay.url, { name: "ann" });
  await ann.roundTrip();
  const [session] = ann.connects;
  // The question arrives, and the answer is lost with the link.
  relay.latest.toServer.hold();
  await node.ask(1, session, 21);
  await until(() => ann.questions.length === 1, { what: "the question arrives" });
  await until(() => relay.latest.toServer.heldBytes > 0, { what: "the answer is under way" });
  relay.latest.resetServer();
  relay.resetAll();
  ann.socket.io.engine.close();
  await ann.connected(2);
  expect(await eventualAnswer(node, 1)).toEqual([{ value: 42 }]);
  // And one that is asked while the client is away.
  await ann.leave();
  await node.ask(2, session, 4);
  await ann.return();
  expect(await eventualAnswer(node, 2)).toEqual([{ value: 8 }]);
  expect(ann.questions).toEqual([21, 4]);
});

test("G4 a callback of the server is rejected with the reason when nobody can answer", async (context) => {
  const node = await startNode(context, { delivery: { sweepIntervalMs: 50, sessionLifeMs: 1_000 } });
  const ann = await openClient(context, node.url, { name: "ann" });
  const bob = await openClient(context, node.url, { name: "bob" });
  await ann.leave();
  await node.ask(1, ann.connects[0], 1);
  await node.ask(2, ann.connects[0], 2, 100);
  expect(await eventualAnswer(node, 2)).toEqual([{ error: "Error: operation has timed out" }]);
  expect(await eventualAnswer(node, 1)).toEqual([{ error: "session_closed" }]);
  bob.socket.off("question");
  await node.ask(3, bob.connects[0], 3);
  await node.command("kick", { session: bob.connects[0] });
  expect(await eventualAnswer(node, 3)).toEqual([{ error: "session_closed" }]);
});

test("G4 an answer to a process that is gone changes nothing, and the client goes on", async (context) => {
  const node = await startNode(context);
  const ann = await openClient(context, node.url, { name: "ann" });
  await ann.leave();
  await node.ask(1, ann.connects[0], 5);
  // The figures come out of the store behind the question, which then is stored.
  await node.status();
  await node.kill();
  await node.restart();
  await ann.return();
  // The question was stored, so it arrives; whoever waited for the answer is gone.
  await until(() => ann.questions.length === 1, { what: "the question arrives" });
  await ann.settles();
  expect(await ann.call({ id: 1 })).toMatchObject({ id: 1 });
});

async function eventualAnswer(node: TestNode, question: number): Promise<readonly unknown[]> {
  return await until(
    async () => {
      const answers = await node.answered(question);
      return answers.length > 0 && answers;
    },
    { what: `an answer to question ${question}`, deadlineMs: 15_000 },
  );
}
