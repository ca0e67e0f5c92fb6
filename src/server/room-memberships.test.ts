/** Leaving and joining while other processes publish: what the store has in order, a node hears out of it. */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { until } from "../../test/harness/until.ts";
import { io } from "../client/index.ts";
import { DeliveryError } from "../protocol/errors.ts";
import { roomKey } from "../protocol/stream-key.ts";
import { MemoryEngine } from "../store/memory.ts";
import { entriesOf, type OperationOf } from "../store/operation.ts";
import { queuedStore } from "../store/queued-store.ts";
import { Server, type Socket } from "./index.ts";

/**
 * A server whose commits wait, before it hears of them, for what `meanwhile` does at other processes. Commits
 * with what `refuses` names are not done.
 */
async function openServer(
  meanwhile: (kinds: readonly string[]) => Promise<void> = () => Promise.resolve(),
  refuses: (kind: string) => boolean = () => false,
) {
  const engine = new MemoryEngine({});
  const store = queuedStore(
    {
      durability: "memory",
      commit: async (operations) => {
        if (operations.some(({ kind }) => refuses(kind))) throw new DeliveryError("store_unavailable");
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
  const publishElsewhere = async (room: string, event: string, except: readonly string[] = []) => {
    const what = { keys: [roomKey("/", room)], payload: JSON.stringify([event]), at: 0 };
    const request = except.length === 0 ? what : { ...what, except };
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
    const { client, shown } = openClient(node.url);
    await client.emitWithAck("again");
    expect(shown).toEqual(["between"]);
    // The node finds out with the next entry that its view of the room began in front of the one between.
    await node.publishElsewhere("room", "after");
    await until(() => shown.includes("after"), { what: "the next entry", state: () => shown.join(" ") });
    expect(shown).toEqual(["between", "after"]);
  },
);

test("G2 who joins with history, leaves and joins with more of it is shown all of that", async () => {
  // The page of the first member is under way while it is detached.
  const node = await openServer(async (kinds) => {
    if (kinds.includes("read")) await new Promise((resolve) => void setImmediate(resolve));
  });
  node.server.on("connection", (socket: Socket) => {
    socket.on("again", async (done: () => void) => {
      void socket.join("room", { last: 1 });
      void socket.leave("room");
      await socket.join("room", { last: 2 });
      done();
    });
  });
  await node.publishElsewhere("room", "one");
  await node.publishElsewhere("room", "two");
  const { client, shown } = openClient(node.url);
  await client.emitWithAck("again");
  await until(() => shown.includes("two"), { what: "the history", state: () => shown.join(" ") });
  expect(shown).toEqual(["one", "two"]);
});

test("G6 who is taken out of a room is shown no more of it, also when the leave was refused", async () => {
  let refusals = 1;
  const kinds: string[] = [];
  const node = await openServer(
    async (committed) => void kinds.push(...committed),
    (kind) => kind === "leave" && refusals-- > 0,
  );
  node.server.on("connection", (socket: Socket) => {
    void socket.join("room");
    socket.on("ask", (done: () => void) => done());
  });
  const { client, shown } = openClient(node.url);
  await client.emitWithAck("ask");
  node.server.in("room").socketsLeave("room");
  await until(() => kinds.includes("withdraw"), { what: "the withdrawal", state: () => kinds.join(" ") });
  // Behind the withdrawal in the store, so this node has heard of both.
  await node.server.to("other").publish("marker");
  await node.publishElsewhere("room", "after");
  await client.emitWithAck("ask");
  expect([refusals, shown]).toEqual([0, []]);
});

test("G2 what excepts a room is not shown to its members while their session ends", async () => {
  const node = await openServer();
  node.server.on("connection", (socket: Socket) => {
    void socket.join("quiet");
    socket.on("leave", async () => {
      await socket.join("room", { last: 2 });
      socket.delivery.session?.end();
    });
  });
  await node.publishElsewhere("room", "for others", ["quiet"]);
  await node.publishElsewhere("room", "for all");
  const { client, shown } = openClient(node.url);
  client.emit("leave");
  await until(() => shown.includes("for all"), { what: "the history", state: () => shown.join(" ") });
  expect(shown).toEqual(["for all"]);
});

function openClient(url: string) {
  const client = io(url, { transports: ["websocket"] });
  onTestFinished(() => void client.close());
  const shown: string[] = [];
  client.onAny((event: string) => void shown.push(event));
  return { client, shown };
}
