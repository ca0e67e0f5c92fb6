/** What workers have to say to each other when a client comes back to another one than it had left. */

import { io, type Socket } from "holdfast/client";
import { expect, test } from "vitest";
import type { Owner } from "../harness/owner.ts";
import { until } from "../harness/until.ts";
import { startTree } from "./tree.ts";

test("G4 an answer reaches the worker that asked, by another worker, and is answered in turn", {
  timeout: 60_000,
}, async (context) => {
  const tree = await startTree(context, { kind: "Holdfast", workers: 2 });
  const socket = open(context, tree.url);
  const asking = await whereIs(socket);
  type Answer = (value: string, thanked: (pid: number) => void) => void;
  const questions: Answer[] = [];
  socket.on("question", (_id: string, answer: Answer) => questions.push(answer));
  const answered: unknown[][] = [];
  socket.on("answered", (...values: unknown[]) => answered.push(values));
  await socket.emitWithAck("ask me", "q1");
  await until(() => questions.length === 1, { what: "the question to arrive" });
  await moveAway(socket, asking);
  const thanked: number[] = [];
  questions[0]?.("yes", (pid) => thanked.push(pid));
  await until(() => answered.length === 1 && thanked.length === 1, {
    what: "the answer to arrive, and the answer to it",
    state: () => JSON.stringify({ answered, thanked }),
  });
  expect(answered).toEqual([["yes", asking]]);
  expect(thanked).toEqual([asking]);
  expect(await whereIs(socket)).not.toBe(asking);
});

function open(owner: Owner, url: string): Socket {
  const socket = io(url, {
    forceNew: true,
    transports: ["websocket"],
    reconnectionDelay: 20,
    reconnectionDelayMax: 50,
  });
  owner.onTestFinished(() => void socket.disconnect());
  return socket;
}

function whereIs(socket: Socket): Promise<number> {
  return socket.emitWithAck("where") as Promise<number>;
}

/** Breaks the link until the client is back at another worker. */
async function moveAway(socket: Socket, from: number): Promise<void> {
  await until(
    async () => {
      if ((await whereIs(socket)) !== from) return true;
      socket.io.engine.close();
      return false;
    },
    { what: "the client to be at another worker", deadlineMs: 20_000 },
  );
}
