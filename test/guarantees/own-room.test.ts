/** What is sent to a session itself, and to everyone, without any room that the application made. */

import { expect, test } from "vitest";
import { startRelay } from "../harness/relay.ts";
import { openClient } from "./client.ts";
import { everyone } from "./contract.ts";
import { startNode } from "./node.ts";
import { Chance } from "./seed.ts";

test("G2 the first entry to a session may come while it is away, from a new process", async (context) => {
  const node = await startNode(context);
  const ann = await openClient(context, node.url, { name: "ann" });
  const [own = ""] = ann.connects;
  await ann.leave();
  await node.kill();
  await node.restart();
  await node.publish(own, 1, 2);
  await node.publish(everyone, 1, 2);
  await node.kill();
  await node.restart();
  await node.publish(own, 3, 1);
  await ann.return();
  await node.publish(own, 4, 1);
  await node.publish(everyone, 3, 1);
  expect(await ann.receives(own, 4)).toEqual([1, 2, 3, 4]);
  expect(await ann.receives(everyone, 3)).toEqual([1, 2, 3]);
  await ann.roundTrip();
  expect(ann.entries).toHaveLength(7);
  expect(ann.gaps).toEqual([]);
});

test("G2 entries to a session and to everyone at every moment of its reconnects", async (context) => {
  const chance = new Chance(context);
  const node = await startNode(context, { server: { pingInterval: 300, pingTimeout: 300 } });
  const relay = await startRelay(context, node);
  const clients = await Promise.all(
    Array.from({ length: 8 }, (_, index) => openClient(context, relay.url, { name: `client ${index}` })),
  );
  const owns = clients.map((client) => client.connects[0] ?? "");
  const count = 400;
  for (let id = 1; id <= count; id += 1) {
    // Small pauses between publishes come from the answers that are waited for.
    await Promise.all([node.publish(everyone, id, 1), ...owns.map((own) => node.publish(own, id, 1))]);
    const link = relay.open[chance.between(0, 20)];
    if (link !== undefined && chance.next() < 0.7) link.reset();
    else if (link !== undefined) link.resetClient();
  }
  const all = Array.from({ length: count }, (_, index) => index + 1);
  for (const [index, client] of clients.entries()) {
    expect(await client.receives(owns[index] ?? "", count)).toEqual(all);
    expect(await client.receives(everyone, count)).toEqual(all);
    await client.roundTrip();
    expect(client.entries).toHaveLength(2 * count);
    expect(new Set(client.connects)).toEqual(new Set([owns[index]]));
    expect({ gaps: client.gaps, refused: client.refused }).toEqual({ gaps: [], refused: [] });
  }
  expect(relay.connections.length).toBeGreaterThan(20);
});
