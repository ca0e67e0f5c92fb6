/** Leaving and joining while other processes publish: what the store has in order, a node hears out of it. */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { until } from "../../test/harness/until.ts";
import { io } from "../client/index.ts";
import { roomKey } from "../protocol/stream-key.ts";
import { MemoryEngine } from "../store/memory.ts";
import { entriesOf, type OperationOf } from "../store/operation.ts";
import { queuedStore } from "../store/queued-store.ts";
import { Server, type Socket } from "./index.ts";

/** A server whose commits wait, before it hears of them, for what `meanwhile` does at other processes. */
async function openServer(meanwhile: (kinds: readonly string[]) => Promise<void>) {
  const engine = new MemoryEngine({});
  const store = queuedStore(
    {
      durability: "memory",
      commit: async (operations) => {
        const results = await engine.commit(operations);
        await meanwhile(operations.map(({ kind }) => kind));
        return results;
      },
      close: () => Promise.resolve(),
    },
    { queueLimit: 1_000, queueBytesLimit: 1_000_000 },
  );
  let announce: Parameters<typeof store.onCommitted>[0] = () => undefined;
  const { onCommitted } = store;
  store.onCommitted = (listener) => {
    announce = listener;
    onCommitted.call(store, listener);
  };
  const http = createServer();
  const server = new Server(http, { delivery: { store } });
  onTestFinished(() => server.delivery.close());
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const publishElsewhere = async (room: string, event: string) => {
    const request = { keys: [roomKey("/", room)], payload: JSON.stringify([event]), at: 0 };
    const append: OperationOf<"append"> = { kind: "append", request };
    const [result] = await engine.commit([append]);
    if (result !== undefined) announce(entriesOf(append, result), "others");
  };
  return { server, publishElsewhere, url: `http://127.0.0.1:${(http.address() as AddressInfo).port}` };
}

test.for([1, 2])(
  "G2 an entry between a leave and its confirmation is shown once to one who joins again (%i times)",
  async (times) => {
    const node = await openServer(async (kinds) => {
      if (kinds.includes("leave")) await node.publishElsewhere("room", "between");
    });
    node.server.on("connection", (socket: Socket) => {
      void socket.join("room");
      socket.on("again", async (done: () => void) => {
        const joined: unknown[] = [];
        for (let time = 0; time < times; time += 1) {
          void socket.leave("room");
          joined.push(socket.join("room"));
        }
        await Promise.all(joined);
        done();
      });
    });
    const client = io(node.url, { transports: ["websocket"] });
    onTestFinished(() => void client.close());
    const shown: string[] = [];
    client.onAny((event: string) => void shown.push(event));
    await client.emitWithAck("again");
    expect(shown).toEqual(["between"]);
    // The node finds out with the next entry that its view of the room began in front of the one between.
    await node.publishElsewhere("room", "after");
    await until(() => shown.includes("after"), { what: "the next entry", state: () => shown.join(" ") });
    expect(shown).toEqual(["between", "after"]);
  },
);
