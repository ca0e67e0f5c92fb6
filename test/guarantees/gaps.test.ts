/**
 * What can no longer be delivered is reported: which room, from where to where, and why; all other rooms go
 * on.
 */

import { expect, test } from "vitest";
import { startRelay } from "../harness/relay.ts";
import { until } from "../harness/until.ts";
import { type GuaranteeClient, openClient } from "./client.ts";
import { startNode } from "./node.ts";

test("G3 reports what retention took, by room and offset, and the other rooms go on", async (context) => {
  const node = await startNode(context, {
    delivery: { sweepIntervalMs: 50, retention: { entriesPerStream: 10 } },
  });
  const ann = await openClient(context, node.url, { name: "ann", rooms: ["busy", "calm"] });
  await ann.roundTrip();
  await node.publish("busy", 1, 3);
  await ann.receives("busy", 3);
  await ann.leave();
  await node.publish("busy", 4, 30);
  await node.publish("calm", 1, 5);
  await node.trimmedTo("busy", 24);
  await ann.return();
  await ann.receives("busy", 13);
  await ann.receives("calm", 5);
  await ann.roundTrip();
  expect(ann.gaps).toMatchObject([{ room: "busy", from: 4, to: 23, reason: "retention" }]);
  expect(ann.received("busy")).toEqual([1, 2, 3, ...range(24, 33)]);
  expect(ann.received("calm")).toEqual(range(1, 5));
  await node.publish("busy", 34, 1);
  await ann.receives("busy", 14);
  expect(ann.gaps).toHaveLength(1);
});

test("G3 a client ahead of a restored store is told of the reset, and goes on", async (context) => {
  const node = await startNode(context);
  const clients = await Promise.all(
    ["ann", "bob"].map((name) => openClient(context, node.url, { name, rooms: ["rewound", "calm"] })),
  );
  const [ann, bob] = clients as [GuaranteeClient, GuaranteeClient];
  await Promise.all(clients.map((client) => client.roundTrip()));
  await node.publish("rewound", 1, 5);
  await node.publish("calm", 1, 2);
  await Promise.all(clients.map((client) => client.receives("calm", 2)));
  await node.kill("SIGTERM");
  await node.backUpStore();
  await node.restart();
  await ann.connected(2);
  await bob.connected(2);
  await node.publish("rewound", 6, 10);
  await ann.receives("rewound", 15);
  await bob.receives("rewound", 15);
  await node.kill();
  await node.restoreStore();
  await node.restart();
  await ann.connected(3);
  await bob.connected(3);
  const told = (client: GuaranteeClient) => () => client.gaps.length > 0;
  await until(told(ann), { what: "a gap at ann", state: () => ann.report() });
  await until(told(bob), { what: "a gap at bob", state: () => bob.report() });
  // Fewer and more entries than were there before the store went back.
  await node.publish("rewound", 101, 20);
  await node.publish("calm", 3, 1);
  for (const client of clients) {
    await client.receives("rewound", 35);
    await client.receives("calm", 3);
    expect(client.gaps).toMatchObject([{ room: "rewound", from: 16, to: 5, reason: "reset" }]);
    expect(client.received("rewound")).toEqual([...range(1, 15), ...range(101, 120)]);
    expect(client.received("calm")).toEqual([1, 2, 3]);
  }
});

test("G1 G3 an expired session is reported as lost, and what was never sent goes on", async (context) => {
  const node = await startNode(context, { delivery: { sweepIntervalMs: 50, sessionLifeMs: 1_000 } });
  const relay = await startRelay(context, node);
  const ann = await openClient(context, relay.url, { name: "ann", rooms: ["news"] });
  await ann.roundTrip();
  await node.publish("news", 1, 2);
  await ann.receives("news", 2);
  const [id] = ann.connects;
  relay.latest.toServer.hold();
  const sent = outcomeOf(ann, 1);
  await until(() => relay.latest.toServer.heldBytes > 0, { what: "the first call is under way" });
  await ann.leave();
  const unsent = outcomeOf(ann, 2);
  relay.resetAll();
  await node.reaches("the end of the session", ({ reports }) => reports.sessionEvents.includes(`end ${id}`));
  await node.publish("news", 3, 2);
  await ann.return();
  expect(await sent).toMatchObject({ error: "session_lost" });
  expect(await unsent).toMatchObject({ answer: { id: 2 } });
  expect(ann.gaps).toMatchObject([
    { from: 1, reason: "session_lost" },
    { room: "news", from: 3, reason: "session_lost" },
  ]);
  expect(ann.connects[1]).not.toBe(id);
  expect(node.handled().map((call) => call.id)).toEqual([2]);
  await node.publish("news", 5, 1);
  await ann.receives("news", 3);
  expect(ann.received("news")).toEqual([1, 2, 5]);
});

async function outcomeOf(client: GuaranteeClient, id: number): Promise<object> {
  return await client.call({ id }).then(
    (answer) => ({ answer }),
    (error: Error & { code?: string }) => ({ error: error.code }),
  );
}

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}
