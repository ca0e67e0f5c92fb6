/**
 * A full disk stops acknowledgements, not the server; when there is room again everything goes on where it
 * was.
 */

import { expect, test, type TestContext } from "vitest";
import { until } from "../harness/until.ts";
import { type GuaranteeClient, openClient } from "./client.ts";
import type { DeliveryOptions } from "holdfast";
import { startNode, type TestNode } from "./node.ts";

const settings = "?maxPages=400";
const ids = Array.from({ length: 60 }, (_, index) => index + 1);

test("G1 G2 G5 a full disk acknowledges nothing, and with room again nothing is lost", async (context) => {
  const { node, ann, bob } = await fullDisk(context, {});
  const answers = Promise.all(ids.map((id) => ann.call({ id, publishTo: "all" })));
  // The only thing to store of the first is its answer, and that does not fit either.
  const quiet = ann.call({ id: 62, answerCharacters: 20_000 });
  const large = ann.call({ id: 61, publishTo: "all", payload: "y".repeat(200_000) });
  await node.reaches(
    "handlers that could not be recorded",
    ({ reports }) => reports.publishFailed.length > 100,
  );
  expect(ann.settled.filter(({ sequence }) => sequence > ann.recorded)).toEqual([]);
  expect(bob.received("all")).toEqual([]);
  // Who loses the connection now comes back as soon as that can be stored.
  bob.socket.io.engine.close();
  await bob.disconnected(1);
  await until(() => node.handled().length > ids.length, { what: "calls are run again" });
  await node.kill("SIGTERM");
  await node.restart({ storeSettings: "" });
  await allArriveOnce(ann, bob, [answers, quiet, large]);
});

test("G1 G2 G5 room that retention makes is used without a restart", async (context) => {
  const { node, ann, bob } = await fullDisk(context, {
    sweepIntervalMs: 200,
    retention: { entryAgeMs: 2_500, keyAgeMs: 60_000 },
  });
  const { pid } = node.child;
  const answers = Promise.all(ids.map((id) => ann.call({ id, publishTo: "all" })));
  // The only thing to store of the first is its answer, and that does not fit either.
  const quiet = ann.call({ id: 62, answerCharacters: 20_000 });
  const large = ann.call({ id: 61, publishTo: "all", payload: "y".repeat(200_000) });
  await node.reaches(
    "handlers that could not be recorded",
    ({ reports }) => reports.publishFailed.length > 50,
  );
  expect(ann.settled.filter(({ sequence }) => sequence > ann.recorded)).toEqual([]);
  await allArriveOnce(ann, bob, [answers, quiet, large]);
  expect(node.child.pid).toBe(pid);
  expect({ ann: ann.gaps, bob: bob.gaps }).toEqual({ ann: [], bob: [] });
});

/** A server whose store takes nothing more, and two clients that were there before. */
async function fullDisk(
  context: TestContext,
  delivery: DeliveryOptions,
): Promise<{ node: TestNode; ann: GuaranteeClient & { recorded: number }; bob: GuaranteeClient }> {
  const node = await startNode(context, {
    storeSettings: settings,
    delivery: { retryDelayMs: 20, retryDelayMaxMs: 200, ...delivery },
  });
  const ann = await openClient(context, node.url, { name: "ann", rooms: ["all"] });
  const bob = await openClient(context, node.url, { name: "bob", rooms: ["all"] });
  await Promise.all([ann.roundTrip(), bob.roundTrip()]);
  await ann.settles();
  const recorded = ann.socket.delivery.lastSequence;
  // Ballast of decreasing size, until not even a small entry finds room.
  for (const padding of [100_000, 10_000, 1_000, 10]) {
    await until(async () => (await node.publish("ballast", 1, 1, padding)).includes("store_full"), {
      what: "a full store",
      deadlineMs: 20_000,
    });
  }
  return { node, ann: Object.assign(ann, { recorded }), bob };
}

async function allArriveOnce(
  ann: GuaranteeClient,
  bob: GuaranteeClient,
  pending: readonly Promise<unknown>[],
): Promise<void> {
  await ann.settles(30_000);
  await Promise.all(pending);
  for (const client of [ann, bob]) {
    await client.receives("all", 61);
    await client.roundTrip();
    expect(client.received("all").toSorted((a, b) => a - b)).toEqual([...ids, 61]);
    expect(new Set(client.connects).size).toBe(1);
  }
  expect(ann.received("all")).toEqual(bob.received("all"));
  const settled = ann.settled.map(({ sequence }) => sequence);
  expect(new Set(settled).size).toBe(settled.length);
}
