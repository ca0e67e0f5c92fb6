/**
 * A client misses entries during a clean drop. Stock recovery covers this, which shows that the losses of the
 * other rows are not the harness's; but after one volatile event whose last argument is a string, it does
 * not: the client takes that string for the offset.
 */

import { expect, type TestContext } from "vitest";
import { openClient } from "../harness/client.ts";
import { clean, type Verdict } from "../harness/ledger.ts";
import { startRelay } from "../harness/relay.ts";
import { startServer, type Kind } from "../harness/server.ts";
import { within } from "../harness/until.ts";
import { range, received, row } from "./row.ts";

row("G2 clean drop", {
  body: (context, kind) => missEntries(context, kind, []),
  outcomes: {
    stock: {
      verb: "loses",
      check: ({ verdict }) => expect(verdict).toEqual({ ...clean, lost: range(5, 9) }),
    },
    "stock with recovery": { verb: "delivers", check: delivers },
    Holdfast: { verb: "delivers", check: delivers },
  },
});

row("G2 volatile event that ends with a string, before a clean drop", {
  body: (context, kind) => missEntries(context, kind, [{ x: 1, y: 2 }, "alice"]),
  outcomes: {
    "stock with recovery": {
      verb: "does not recover, and loses",
      check: ({ verdict, recovered }) => {
        expect(recovered).toBe(false);
        expect(verdict).toEqual({ ...clean, lost: range(5, 9) });
      },
    },
    Holdfast: { verb: "delivers", check: delivers },
  },
});

function delivers({ verdict, recovered, gaps }: Observation): void {
  expect(verdict).toEqual(clean);
  expect(recovered).toBe(true);
  expect(gaps).toEqual([]);
}

async function missEntries(
  context: TestContext,
  kind: Kind,
  cursor: readonly unknown[],
): Promise<Observation> {
  const server = await startServer(context, kind);
  const relay = await startRelay(context, server);
  const client = await openClient(context, kind, relay.url, { name: "ann", rooms: ["lobby"] });
  await server.hasMembers("lobby");
  await server.publish({ room: "lobby", from: 1, count: 4 });
  await client.receives("lobby", 4);
  if (cursor.length > 0) {
    const moved = new Promise<unknown[]>((resolve) =>
      client.socket.on("cursor", (...values) => resolve(values)),
    );
    await server.volatile({ room: "lobby", event: "cursor", values: cursor });
    expect(await within(moved, { what: "the volatile event" })).toEqual(cursor);
  }

  relay.refuse();
  relay.resetAll();
  await server.reaches("the server knows that the client is away", ({ sockets }) => sockets === 0);
  await server.publish({ room: "lobby", from: 5, count: 5 });
  await relay.listen();
  await client.connected(2);
  await server.hasMembers("lobby");
  await server.publish({ room: "lobby", from: 10, count: 1 });
  return {
    verdict: await received(server, client, "lobby", 10),
    recovered: client.connects[1]?.recovered ?? false,
    gaps: client.gaps,
  };
}

type Observation = {
  readonly verdict: Verdict<number>;
  readonly recovered: boolean;
  readonly gaps: readonly unknown[];
};
