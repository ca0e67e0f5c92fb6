/**
 * A client emits with `retries: 3` while its link dies four times, each time just after the event was
 * written.
 */

import { expect, type TestContext } from "vitest";
import { openClient } from "../harness/client.ts";
import { startRelay } from "../harness/relay.ts";
import { startServer, type Kind } from "../harness/server.ts";
import { until, within } from "../harness/until.ts";
import { row, type Outcome } from "./row.ts";

const thrownAway: Outcome<Observation> = {
  verb: "throws the event away: the server saw it 0 times",
  check: ({ outcome, handled, connected }) => {
    expect(outcome).toEqual({ error: "socket has been disconnected" });
    expect({ handled, connected }).toEqual({ handled: 0, connected: true });
  },
};

row("G1 link that flaps four times", {
  body: emitWhileTheLinkFlaps,
  outcomes: {
    stock: thrownAway,
    "stock with recovery": thrownAway,
    Holdfast: {
      verb: "handles the event once, and acknowledges it",
      check: ({ outcome, handled }) => {
        expect(outcome).toMatchObject({ reply: { id: 1 } });
        expect(handled).toBe(1);
      },
    },
  },
});

async function emitWhileTheLinkFlaps(context: TestContext, kind: Kind): Promise<Observation> {
  const server = await startServer(context, kind);
  const relay = await startRelay(context, server);
  const client = await openClient(context, kind, relay.url, {
    name: "ann",
    socket: { retries: 3, ackTimeout: 10_000 },
  });
  let flapping = true;
  // The client library writes its queue in the same turn in which it says `connect`; the relay reads in a
  // later one.
  client.socket.on("connect", () => {
    if (flapping) relay.latest.toServer.hold();
  });
  relay.latest.toServer.hold();
  const settled = client.work({ id: 1 }).then(
    (reply) => ({ reply }),
    (error: Error) => ({ error: error.message }),
  );
  for (const flap of [1, 2, 3, 4]) {
    await until(() => relay.latest.toServer.heldBytes > 0, { what: `the event is written, time ${flap}` });
    if (flap === 4) flapping = false;
    relay.resetAll();
    await client.connected(flap + 1);
  }
  const outcome = await within(settled, { what: "a terminal state of the event", deadlineMs: 20_000 });
  await client.roundTrip();
  return { outcome, handled: server.handled().length, connected: client.socket.connected };
}

type Observation = {
  readonly outcome: object;
  readonly handled: number;
  readonly connected: boolean;
};
