/** An event of two megabytes with the default limits, and a small one behind it. */

import { expect, type TestContext } from "vitest";
import { openClient } from "../harness/client.ts";
import { startServer, type Kind } from "../harness/server.ts";
import { fingerprint } from "../harness/server-program.ts";
import { within } from "../harness/until.ts";
import { row, type Outcome } from "./row.ts";

const payload = "Holdfast ".repeat(222_223).slice(0, 2_000_000);

const refused: Outcome<Observation> = {
  verb: "disconnects four times, then fails",
  check: ({ large, small, disconnects, handledIds }) => {
    expect(large).toEqual({ error: "socket has been disconnected" });
    expect(disconnects).toEqual(Array(4).fill("transport close"));
    expect(small).toMatchObject({ reply: { id: 2 } });
    expect(handledIds).toEqual([2]);
  },
};

row("G8 event of 2 MB", {
  body: emitTwoMegabytes,
  outcomes: {
    stock: refused,
    "stock with recovery": refused,
    Holdfast: {
      verb: "handles it over one connection",
      check: ({ large, small, disconnects, handledIds }) => {
        expect(large).toEqual({ reply: { id: 1, ...fingerprint(payload) } });
        expect(small).toMatchObject({ reply: { id: 2 } });
        expect(disconnects).toEqual([]);
        expect(handledIds).toEqual([1, 2]);
      },
    },
  },
});

async function emitTwoMegabytes(context: TestContext, kind: Kind): Promise<Observation> {
  const server = await startServer(context, kind);
  const client = await openClient(context, kind, server.url, {
    name: "ann",
    socket: { retries: 3, ackTimeout: 10_000 },
  });
  const settle = (id: number, text?: string): Promise<object> =>
    client.work({ id, ...(text === undefined ? {} : { payload: text }) }).then(
      (reply) => ({ reply }),
      (error: Error) => ({ error: error.message }),
    );
  const both = Promise.all([settle(1, payload), settle(2)]);
  const [large, small] = await within(both, { what: "terminal states of both events", deadlineMs: 20_000 });
  return {
    large,
    small,
    disconnects: client.disconnects,
    handledIds: server.handled().map((handled) => handled.id),
  };
}

type Observation = {
  readonly large: object;
  readonly small: object;
  readonly disconnects: readonly string[];
  readonly handledIds: readonly number[];
};
