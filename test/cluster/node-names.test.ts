/**
 * Two process trees must not have one node name: the second does not start, and the first does not notice.
 */

import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { programPath, startChild, type Child } from "../harness/child.ts";
import type { Owner } from "../harness/owner.ts";
import { Chatter } from "./chatter.ts";
import { type HoldfastProcess, startHoldfast, workerCount } from "./holdfast-process.ts";

const fix =
  "Give each process tree its own HOLDFAST_NODE, or none to have one drawn; or end the other first.";
const single = { HOLDFAST_WORKERS: "" };
const tree = { HOLDFAST_WORKERS: String(workerCount) };

test.for([
  ["a tree beside a tree", tree, tree],
  ["a tree beside one process", single, tree],
  ["one process beside a tree", tree, single],
] as const)(
  "%s with its node name: one line, exit 2, nothing started",
  {
    timeout: 60_000,
  },
  async ([, first, second], context) => {
    const firstMark = crypto.randomUUID();
    const environment = { ...first, HOLDFAST_NODE: "abc", HOLDFAST_TEST_MARK: firstMark };
    const holdfast = await startHoldfast(context, { environment });
    const left = await Chatter.open(context, holdfast.url, "A");
    const right = await Chatter.open(context, holdfast.url, "B");
    await left.say(3);
    const mark = crypto.randomUUID();
    const refused = startBeside(context, holdfast, {
      ...second,
      HOLDFAST_NODE: "abc",
      HOLDFAST_TEST_MARK: mark,
    });
    expect(await refused.exited(20_000)).toEqual({ code: 2, signal: null });
    const line = `HOLDFAST_NODE=abc: Another process has this node name on the same store. ${fix}`;
    expect(refused.stderr).toBe(`${line}\n`);
    expect(refused.stdout).toBe("");
    expect(processesMarked(mark)).toEqual([]);
    // Those of the first are all there, and would be found.
    expect(processesMarked(firstMark)).toHaveLength(1 + Number(first.HOLDFAST_WORKERS));
    await right.say(3);
    for (const chatter of [left, right]) {
      await chatter.sees(6);
      expect(chatter.shown).toEqual(["A 1", "A 2", "A 3", "B 1", "B 2", "B 3"]);
    }
  },
);

test("a roll keeps the name, and it stays taken", { timeout: 60_000 }, async (context) => {
  const holdfast = await startHoldfast(context, { environment: { HOLDFAST_NODE: "abc" } });
  expect((await holdfast.roll(context)).code).toBe(0);
  const refused = startBeside(context, holdfast, { ...tree, HOLDFAST_NODE: "abc" });
  expect((await refused.exited(20_000)).code).toBe(2);
  expect(await nodeNameAt(context, holdfast)).toBe("abc");
});

test("SIGKILL frees the name at once, and so does the end in order", { timeout: 60_000 }, async (context) => {
  const environment = { HOLDFAST_NODE: "abc" };
  const holdfast = await startHoldfast(context, { environment });
  for (const signal of ["SIGKILL", "SIGTERM"] as const) {
    await holdfast.child.kill(signal, 20_000);
    holdfast.child.restart();
    await holdfast.child.line(/Holdfast is at/, 30_000);
  }
});

test("trees without a name draw different ones, also when they start together", {
  timeout: 60_000,
}, async (context) => {
  const holdfast = await startHoldfast(context, { environment: single });
  const HOLDFAST_STORE = `sqlite:${holdfast.storeFile}`;
  const others = await Promise.all(
    [single, single, tree].map((how) => startHoldfast(context, { environment: { ...how, HOLDFAST_STORE } })),
  );
  const names = await Promise.all([holdfast, ...others].map((each) => nodeNameAt(context, each)));
  for (const name of names) expect(name).toMatch(/^_\w\w$/);
  expect(new Set(names).size).toBe(names.length);
});

/** A process on the same store; whether it starts is for the test to see. */
function startBeside(owner: Owner, holdfast: HoldfastProcess, environment: Record<string, string>): Child {
  return startChild(owner, {
    program: programPath("../../src/main.ts", import.meta.url),
    environment: {
      PORT: "0",
      HOST: "127.0.0.1",
      HOLDFAST_INTERNAL_PORT: "0",
      HOLDFAST_STORE: `sqlite:${holdfast.storeFile}`,
      HOLDFAST_CHAT_DATABASE: `${holdfast.storeFile}.chat`,
      ...environment,
    },
  });
}

async function nodeNameAt(owner: Owner, holdfast: HoldfastProcess): Promise<string> {
  const { socket } = await Chatter.open(owner, holdfast.url, "A");
  return socket.io.engine.id.slice(0, 3);
}

/** Processes whose environment says so, whoever their parent is by now. */
function processesMarked(mark: string): readonly string[] {
  return readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/environ`, "utf8").includes(mark);
    } catch {
      // It has ended meanwhile.
      return false;
    }
  });
}
