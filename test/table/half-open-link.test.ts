/**
 * The link goes half-open: the client is reset, the server is never told, and the client is back after a
 * second.
 */

import { expect, type TestContext } from "vitest";
import { openClient } from "../harness/client.ts";
import { clean, type Verdict } from "../harness/ledger.ts";
import { startRelay } from "../harness/relay.ts";
import { startServer, type Kind } from "../harness/server.ts";
import { range, received, row } from "./row.ts";

row("G2 half-open link", {
  body: loseTheClientSilently,
  outcomes: {
    stock: {
      verb: "loses",
      check: ({ verdict }) => expect(verdict).toEqual({ ...clean, lost: range(5, 9) }),
    },
    "stock with recovery": {
      verb: "does not recover, and loses",
      check: ({ verdict, recovered }) => {
        expect(recovered).toBe(false);
        expect(verdict).toEqual({ ...clean, lost: range(5, 9) });
      },
    },
    Holdfast: {
      verb: "delivers",
      check: ({ verdict, recovered, gaps }) => {
        expect(verdict).toEqual(clean);
        expect(recovered).toBe(true);
        expect(gaps).toEqual([]);
      },
    },
  },
});

async function loseTheClientSilently(context: TestContext, kind: Kind): Promise<Observation> {
  const server = await startServer(context, kind);
  const relay = await startRelay(context, server);
  const client = await openClient(context, kind, relay.url, {
    name: "ann",
    rooms: ["lobby"],
    socket: { reconnectionDelay: 1_000, reconnectionDelayMax: 1_000, randomizationFactor: 0 },
  });
  await server.hasMembers("lobby");
  await server.publish({ room: "lobby", from: 1, count: 4 });
  await client.receives("lobby", 4);

  relay.latest.hold();
  await server.publish({ room: "lobby", from: 5, count: 5 });
  relay.latest.resetClient();

  await client.connected(2);
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
