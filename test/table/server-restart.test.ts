/** The server's process ends while a client is away, and a new one takes its place. */

import { expect, type TestContext } from "vitest";
import { openClient } from "../harness/client.ts";
import { clean, type Verdict } from "../harness/ledger.ts";
import { startRelay } from "../harness/relay.ts";
import { startServer, type Kind } from "../harness/server.ts";
import { range, received, row } from "./row.ts";

const ends = [
  { name: "server killed with SIGKILL", signal: "SIGKILL" },
  { name: "server restarted with SIGTERM", signal: "SIGTERM" },
] as const;

for (const { name, signal } of ends) {
  row(`G2 ${name}`, {
    body: (context, kind) => restartWhileTheClientIsAway(context, kind, signal),
    outcomes: {
      stock: {
        verb: "loses everything missed",
        check: ({ verdict }) => expect(verdict).toEqual({ ...clean, lost: range(5, 9) }),
      },
      "stock with recovery": {
        verb: "does not recover, and loses everything missed",
        check: ({ verdict, recovered }) => {
          expect(recovered).toBe(false);
          expect(verdict).toEqual({ ...clean, lost: range(5, 9) });
        },
      },
      Holdfast: {
        verb: "delivers everything missed",
        check: ({ verdict, recovered, sameId, gaps }) => {
          expect(verdict).toEqual(clean);
          expect([recovered, sameId]).toEqual([true, true]);
          expect(gaps).toEqual([]);
        },
      },
    },
  });
}

async function restartWhileTheClientIsAway(
  context: TestContext,
  kind: Kind,
  signal: NodeJS.Signals,
): Promise<Observation> {
  const server = await startServer(context, kind);
  const relay = await startRelay(context, server);
  const client = await openClient(context, kind, relay.url, { name: "ann", rooms: ["lobby"] });
  await server.hasMembers("lobby");
  await server.publish({ room: "lobby", from: 1, count: 4 });
  await client.receives("lobby", 4);

  relay.refuse();
  relay.resetAll();
  await server.reaches("the server knows that the client is away", ({ sockets }) => sockets === 0);
  await server.publish({ room: "lobby", from: 5, count: 5 });
  await server.kill(signal);
  await server.restart();
  await relay.listen();

  await client.connected(2);
  await server.hasMembers("lobby");
  await server.publish({ room: "lobby", from: 10, count: 1 });
  await client.receives("lobby", 5);
  return {
    verdict: await received(server, client, "lobby", 10),
    recovered: client.connects[1]?.recovered ?? false,
    sameId: client.connects[0]?.id === client.connects[1]?.id,
    gaps: client.gaps,
  };
}

type Observation = {
  readonly verdict: Verdict<number>;
  readonly recovered: boolean;
  readonly sameId: boolean;
  readonly gaps: readonly unknown[];
};
