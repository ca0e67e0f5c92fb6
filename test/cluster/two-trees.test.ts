/** Two process trees on one file, an old release and its successor, with clients of both at both. */

import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { io } from "holdfast/client";
import { expect, test } from "vitest";
import { programPath } from "../harness/child.ts";
import type { Owner } from "../harness/owner.ts";
import { until } from "../harness/until.ts";
import { Build } from "./build.ts";
import { Crowd } from "./crowd.ts";
import { Front } from "./front.ts";
import { startTree } from "./tree.ts";

const root = programPath("../..", import.meta.url);
/** Its clients leave within a second or two, while others talk on. */
const tree = { kind: "Holdfast", workers: 2, drain: { batchSize: 2, batchIntervalMs: 200 } } as const;

test("G1 G2 G9 clients of two builds talk across two trees, move to the new one, and back", {
  timeout: 120_000,
}, async (context) => {
  const next = nextBuild(context);
  const { io: nextIo } = await next.client();
  expect(nextIo).not.toBe(io);
  const old = await startTree(context, { ...tree, node: "old" });
  const successor = await startTree(context, { ...tree, node: "new", file: old.file }, next.folder);
  const front = await Front.start(context, { old: old.port, new: successor.port });
  const crowd = await Crowd.gather(context, {
    kind: "Holdfast",
    url: front.url,
    clients: 40,
    roomSize: 20,
    rate: 100,
    longer: 3_000,
    connect: (number) => (isNext(number) ? nextIo : io),
  });
  await expectAllFour(crowd, next.folder);

  crowd.talk();
  await talks(crowd, 200);
  for (const [leaving, staying, ending] of [
    ["old", "new", old],
    ["new", "old", successor],
  ] as const) {
    if (leaving === "new") await old.restart();
    const before = nodesOf(crowd);
    const since = performance.now();
    front.open = [staying];
    // Half of the clients leave in the middle of something, the rest are let go in order.
    front.cut(leaving);
    await ending.end();
    await crowd.allConnected();
    expect(new Set(nodesOf(crowd))).toEqual(new Set([staying]));
    const moves = before.map((node) => (node === leaving ? 1 : 0));
    expect(crowd.reconnectsSince(since).map(({ length }) => length)).toEqual(moves);
    await talks(crowd, 200);
  }
  await crowd.settle();
  expect(crowd.verdict()).toEqual({ lost: 0, duplicated: 0, reordered: 0 });
  expect(crowd.acknowledged).toBe(crowd.emitted);
});

/** Clients of each build are at each tree, and each tree runs its own build. */
async function expectAllFour(crowd: Crowd, nextFolder: string): Promise<void> {
  const folders: Readonly<Record<string, string>> = { old: root, new: nextFolder };
  const found = new Set<string>();
  for (const [number, { socket }] of crowd.members.entries()) {
    const node = nodesOf(crowd)[number] ?? "";
    found.add(`${isNext(number) ? "new" : "old"} client at ${node}`);
    const url = String(await socket.emitWithAck("build"));
    expect(url).toBe(pathToFileURL(join(folders[node] ?? "", "src/server/index.ts")).href);
  }
  expect([...found].toSorted()).toEqual([
    "new client at new",
    "new client at old",
    "old client at new",
    "old client at old",
  ]);
}

/** Which tree each client is connected to. */
function nodesOf(crowd: Crowd): readonly string[] {
  return crowd.members.map(({ socket }) => socket.io.engine.id.slice(0, 3));
}

/** Neighbours are of one build, so that each build is at each tree. */
function isNext(number: number): boolean {
  return number % 4 >= 2;
}

async function talks(crowd: Crowd, count: number): Promise<void> {
  const before = crowd.acknowledged;
  await until(() => crowd.acknowledged >= before + count, { what: "the talk to go on", deadlineMs: 30_000 });
}

/**
 * What a later release may change without a new version of the protocol or of the store: it says more than an
 * older one knows, in both directions, and its limits are others.
 */
function nextBuild(owner: Owner): Build {
  const build = new Build(owner);
  build.change("src/protocol/hello.ts", "JSON.stringify({ v: hello.versions,", "$& later: [1], ");
  build.change("src/server/admission.ts", "version: protocolVersion,", "$&\n ...{ later: [1] },");
  build.change("src/server/options.ts", "windowEvents: { value: 256,", "windowEvents: { value: 16,");
  build.change(
    "src/server/options.ts",
    "chunkCharacters: { value: 65_536,",
    "chunkCharacters: { value: 1_024,",
  );
  return build;
}
