/** Who may start a handler: a process that has lost the session without knowing must not. */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { io } from "../client/index.ts";
import { DeliveryError } from "../protocol/errors.ts";
import { MemoryEngine } from "../store/memory.ts";
import type { Operation, OperationOf } from "../store/operation.ts";
import { queuedStore } from "../store/queued-store.ts";
import { Server, type Session, type Socket } from "./index.ts";

async function openServer() {
  const engine = new MemoryEngine({});
  const commits: Operation["kind"][] = [];
  let failures = 0;
  const store = queuedStore(
    {
      durability: "memory",
      commit: async (operations) => {
        commits.push(...operations.map(({ kind }) => kind));
        if (failures > 0 && operations.some(({ kind }) => kind === "peekSession")) {
          failures -= 1;
          throw new DeliveryError("store_unavailable");
        }
        return await engine.commit(operations);
      },
      close: () => Promise.resolve(),
    },
    { queueLimit: 1_000, queueBytesLimit: 1_000_000 },
  );
  const http = createServer();
  const server = new Server(http, { delivery: { store } });
  onTestFinished(() => server.delivery.close());
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const peek = async (session: string) => {
    const request = { session, now: Date.now() };
    const [found] = await engine.commit([
      { kind: "peekSession", request } satisfies OperationOf<"peekSession">,
    ]);
    return found as { readonly tokenDigest: string };
  };
  return {
    server,
    commits,
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    failNextPeeks: (count: number) => {
      failures = count;
    },
    /** Another process resumes the session; this one hears nothing of it. */
    takeElsewhere: async (session: string) => {
      const { tokenDigest } = await peek(session);
      const holder = {
        principal: undefined,
        node: "elsewhere",
        claim: { low: Number.POSITIVE_INFINITY, next: Number.POSITIVE_INFINITY },
        now: Date.now(),
        expiresAt: Date.now() + 60_000,
      };
      await engine.commit([{ kind: "resumeSession", request: { session, tokenDigest, ...holder } }]);
    },
  };
}

/** The whole process stands still, as it does when it is stopped and goes on. */
function standStill(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2_100);
}

function openClient(url: string) {
  const client = io(url, { transports: ["websocket"], reconnectionDelay: 1, reconnectionDelayMax: 1 });
  onTestFinished(() => void client.close());
  return client;
}

test("G1 a process that wakes up does not run events of sessions that have gone on elsewhere", async () => {
  const node = await openServer();
  const runs: number[] = [];
  let session: Session | undefined;
  node.server.on("connection", (socket: Socket) => {
    session = socket.delivery.session;
    socket.on("work", (acknowledge: (generation: number) => void) => {
      runs.push(socket.delivery.generation);
      acknowledge(socket.delivery.generation);
    });
  });
  const client = openClient(node.url);
  expect(await client.emitWithAck("work")).toBe(1);
  await node.takeElsewhere(session?.id ?? "");
  const worked = client.emitWithAck("work");
  standStill();
  // The client is told, comes back to this process, and only then the event is run.
  expect(await worked).toBe(3);
  expect(runs).toEqual([1, 3]);
});

test("G1 a process that wakes up asks once, and goes on in order with what it still holds", async () => {
  const node = await openServer();
  const runs: number[] = [];
  node.server.on("connection", (socket: Socket) => {
    socket.on("work", (number: number, acknowledge: () => void) => {
      runs.push(number);
      acknowledge();
    });
  });
  const client = openClient(node.url);
  await client.emitWithAck("work", 0);
  expect(node.commits.filter((kind) => kind === "peekSession")).toEqual([]);
  standStill();
  node.failNextPeeks(1);
  await Promise.all([1, 2, 3].map((number) => client.emitWithAck("work", number)));
  await client.emitWithAck("work", 4);
  expect(runs).toEqual([0, 1, 2, 3, 4]);
  // One that fails, and one that answers for all that wait.
  expect(node.commits.filter((kind) => kind === "peekSession")).toHaveLength(2);
});
