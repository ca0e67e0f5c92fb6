/** What workers have to say to each other when a client comes back to another one than it had left. */

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { io, type Socket } from "holdfast/client";
import { expect, test } from "vitest";
import type { Owner } from "../harness/owner.ts";
import { until } from "../harness/until.ts";
import { startTree } from "./tree.ts";

test("G4 an answer reaches the worker that asked, by another worker, and is answered in turn", {
  timeout: 60_000,
}, async (context) => {
  const tree = await startTree(context, { kind: "Holdfast", workers: 2 });
  const client = new Client(context, tree.url);
  const { socket } = client;
  const asking = await client.whereabouts();
  type Answer = (value: string, thanked: (pid: number) => void) => void;
  const questions: Answer[] = [];
  socket.on("question", (_id: string, answer: Answer) => questions.push(answer));
  const answered: unknown[][] = [];
  socket.on("answered", (...values: unknown[]) => answered.push(values));
  await socket.emitWithAck("ask me", "q1");
  await until(() => questions.length === 1, { what: "the question to arrive" });
  await client.moveAway(asking);
  const thanked: number[] = [];
  questions[0]?.("yes", (pid) => thanked.push(pid));
  await until(() => answered.length === 1 && thanked.length === 1, {
    what: "the answer to arrive, and the answer to it",
    state: () => JSON.stringify({ answered, thanked }),
  });
  expect(answered).toEqual([["yes", asking]]);
  expect(thanked).toEqual([asking]);
  expect(client.at).not.toBe(asking);
});

test("G1 a handler is not run twice when its client breaks away from it and is at another worker", {
  timeout: 60_000,
}, async (context) => {
  const tree = await startTree(context, { kind: "Holdfast", workers: 2 });
  const client = new Client(context, tree.url);
  const { socket } = client;
  const first = await client.whereabouts();
  const shown: string[] = [];
  socket.on("said", (id: string) => shown.push(id));
  const ends: string[] = [];
  const runs = () => linesOf(`${tree.file}-runs`);
  const slow = socket.emitWithAck("slow", "e1") as Promise<number>;
  void slow.then(() => ends.push("slow"));
  await until(() => runs().length === 1, { what: "the handler to run" });
  await client.moveAway(first);
  const behind = socket.emitWithAck("where") as Promise<number>;
  void behind.then(() => ends.push("behind"));
  // Longer than it waits for one who says nothing.
  await until(() => wordsOf(tree.file, "alive") >= 5, { what: "signs of life", deadlineMs: 20_000 });
  expect(runs()).toEqual([`e1 ${first}`]);
  writeFileSync(`${tree.file}-go`, "");
  expect(await slow).toBe(first);
  expect(await behind).toBe(client.at);
  expect(client.at).not.toBe(first);
  expect({ shown, ends, runs: runs() }).toEqual({
    shown: ["e1"],
    ends: ["slow", "behind"],
    runs: [`e1 ${first}`],
  });
});

/** A client that knows at which worker it is. */
class Client {
  readonly socket: Socket;
  at = 0;

  constructor(owner: Owner, url: string) {
    this.socket = io(url, {
      forceNew: true,
      transports: ["websocket"],
      auth: { tells: true },
      reconnectionDelay: 20,
      reconnectionDelayMax: 50,
    });
    this.socket.on("at", (pid: number) => {
      this.at = pid;
    });
    owner.onTestFinished(() => void this.socket.disconnect());
  }

  async whereabouts(): Promise<number> {
    await until(() => this.at !== 0, { what: "the client to be at a worker", deadlineMs: 20_000 });
    return this.at;
  }

  /** Breaks the link until the client is at another worker. */
  async moveAway(from: number): Promise<void> {
    while (this.at === from) {
      this.at = 0;
      this.socket.io.engine.close();
      await this.whereabouts();
    }
  }
}

function linesOf(file: string): readonly string[] {
  return existsSync(file) ? readFileSync(file, "utf8").trimEnd().split("\n") : [];
}

/** How many words of a kind workers have said to each other. */
function wordsOf(file: string, kind: string): number {
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    const statement = database.prepare("SELECT count(*) AS count FROM entries WHERE payload LIKE ?");
    return Number(statement.get(`["${kind}"%`)?.["count"]);
  } finally {
    database.close();
  }
}
