/** A link so slow that a whole packet of the log does not get over it before a ping is missed. */

import { expect, test } from "vitest";
import { startRelay } from "../harness/relay.ts";
import { openClient } from "./client.ts";
import { startNode } from "./node.ts";

/** Without a ping for one second a client gives its link up. */
const heartbeats = { pingInterval: 200, pingTimeout: 800 };
/** What gets over the link until then. It is half of the largest packet. */
const bytesPerSecond = 16_000;

test.for([
  ["small entries", 80, 1_000],
  ["an entry in parts", 1, 80_000],
] as const)(
  "G2 %s catch up over a slow link, some with each connection",
  async ([, count, padding], context) => {
    const node = await startNode(context, { server: heartbeats });
    const relay = await startRelay(context, node);
    const ann = await openClient(context, relay.url, { name: "ann", rooms: ["log"] });
    await ann.roundTrip();
    await ann.leave();
    await node.publish("log", 1, count, padding);
    relay.shape = { toClientBytesPerSecond: bytesPerSecond };
    ann.socket.connect();
    const ids = await ann.receives("log", count, 40_000);
    expect(ids).toEqual(Array.from({ length: count }, (_none, index) => index + 1));
    expect(ann.gaps).toEqual([]);
  },
);
