/**
 * A client reconnects while the server still believes in its old connection, whose ping then times out. With
 * stock recovery the session of an earlier drop is still stored, so the new socket has the old one's id, and
 * the old one's clean-up takes the rooms of both.
 */

import { expect, type TestContext } from "vitest";
import { openClient } from "../harness/client.ts";
import { clean, type Verdict } from "../harness/ledger.ts";
import { startRelay } from "../harness/relay.ts";
import { startServer, type Kind } from "../harness/server.ts";
import { range, received, row } from "./row.ts";

row("G6 late ping timeout of the old connection", {
  body: reconnectBeforeTheOldConnectionTimesOut,
  outcomes: {
    "stock with recovery": {
      verb: "removes the live socket from its rooms: connected, and deaf for ever",
      check: ({ verdict, members, sockets, connected, recovered }) => {
        expect(recovered).toEqual([false, true, true]);
        expect({ members, sockets, connected }).toEqual({ members: 0, sockets: 0, connected: true });
        expect(verdict).toEqual({ ...clean, lost: range(3, 5) });
      },
    },
    Holdfast: {
      verb: "keeps the live socket in its rooms",
      check: ({ verdict, members, sockets, connected, recovered }) => {
        expect(recovered).toEqual([false, true, true]);
        expect({ members, sockets, connected }).toEqual({ members: 1, sockets: 1, connected: true });
        expect(verdict).toEqual(clean);
      },
    },
  },
});

async function reconnectBeforeTheOldConnectionTimesOut(
  context: TestContext,
  kind: Kind,
): Promise<Observation> {
  const server = await startServer(context, kind, { server: { pingInterval: 1_500, pingTimeout: 1_000 } });
  const relay = await startRelay(context, server);
  const client = await openClient(context, kind, relay.url, { name: "ann", rooms: ["lobby"] });
  await server.hasMembers("lobby");
  await server.publish({ room: "lobby", from: 1, count: 1 });
  await client.receives("lobby", 1);

  // A clean drop first: stock Socket.IO stores a session only then, and keeps it when it is restored.
  relay.resetAll();
  await client.connected(2);
  await server.publish({ room: "lobby", from: 2, count: 1 });
  await client.receives("lobby", 2);

  relay.latest.resetClient();
  await client.connected(3);
  await server.reaches("the old connection is gone", ({ engineClients }) => engineClients === 1);
  await server.publish({ room: "lobby", from: 3, count: 3 });
  const verdict = await received(server, client, "lobby", 5);
  const { rooms, sockets } = await server.status();
  return {
    verdict,
    sockets,
    members: rooms["lobby"]?.length ?? 0,
    connected: client.socket.connected,
    recovered: client.connects.map((connect) => connect.recovered),
  };
}

type Observation = {
  readonly verdict: Verdict<number>;
  readonly members: number;
  readonly sockets: number;
  readonly connected: boolean;
  /** At each of the three connects. */
  readonly recovered: readonly boolean[];
};
