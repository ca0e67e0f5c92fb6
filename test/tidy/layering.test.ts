import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { layeringFindings, nodeImportFindings, undeclaredFindings } from "./layering.ts";
import { purityFindings } from "./purity.ts";
import { filesMatching, report, root } from "./repository.ts";

const sources = filesMatching(/^src\/.*\.ts$/);
const manifest = JSON.parse(readFileSync(`${root}/package.json`, "utf8")) as {
  readonly dependencies: Readonly<Record<string, string>>;
};

test("imports in src point one way", () => {
  expect(report(layeringFindings(sources))).toEqual([]);
});

test("protocol and client import nothing from Node", () => {
  expect(report(nodeImportFindings(sources))).toEqual([]);
});

test("packages that src imports are dependencies", () => {
  expect(report(undeclaredFindings(sources, Object.keys(manifest.dependencies)))).toEqual([]);
});

test("the protocol has no clock, timers, randomness, console or promises", () => {
  expect(report(purityFindings(sources))).toEqual([]);
});

test.for([
  ["src/protocol/a.ts", 'import { b } from "../store/b.ts";', "protocol imports store (../store/b.ts)"],
  ["src/protocol/a.ts", 'import ms from "ms";', "protocol imports the package ms"],
  ["src/store/a.ts", 'export { b } from "../server/b.ts";', "store imports server (../server/b.ts)"],
  ["src/client/a.ts", 'import "../server/b.ts";', "client imports server (../server/b.ts)"],
  ["src/server/a.ts", 'import "../main.ts";', "server imports main (../main.ts)"],
  ["src/server/a.ts", 'import "holdfast";', "server imports holdfast (holdfast)"],
  ["src/app/a.ts", 'import "../server/b.ts";', "app imports server (../server/b.ts)"],
  ["src/http/a.ts", 'import "../../test/b.ts";', "http imports outside src: test/b.ts (../../test/b.ts)"],
  ["src/new/a.ts", 'import "./b.ts";', "src/new has no place in the order of layers"],
] as const)("refuses %s with %s", ([path, text, message]) => {
  expect(report(layeringFindings([{ path, text }]))).toEqual([`${path}:1: ${message}`]);
});

test("accepts what the order allows, and anything in tests", () => {
  const allowed = [
    { path: "src/server/a.ts", text: 'import "../store/b.ts"; import "node:fs"; import "socket.io";' },
    { path: "src/app/a.ts", text: 'import { Server } from "holdfast";' },
    { path: "src/protocol/a.test.ts", text: 'import "vitest"; import "../client/b.ts";' },
    { path: "src/protocol/testing/pair.ts", text: 'import "node:assert";' },
  ];
  expect(report(layeringFindings(allowed))).toEqual([]);
});

test("refuses a module of Node in the client, and a package that is not declared", () => {
  const text = 'import { join } from "node:path";\nimport x from "@scope/name/part";';
  const files = [{ path: "src/client/a.ts", text }];
  expect(report(nodeImportFindings(files))).toEqual([
    "src/client/a.ts:1: imports node:path; this code has no Node",
  ]);
  expect(report(undeclaredFindings(files, ["socket.io-client"]))).toEqual([
    "src/client/a.ts:2: imports @scope/name, which is not in dependencies",
  ]);
});

test.for([
  "const a = Date.now();",
  "const a = new Date();",
  "performance.now();",
  "Math.random();",
  "setTimeout(f, 1);",
  "clearInterval(a);",
  "setImmediate(f);",
  "queueMicrotask(f);",
  "console.log(1);",
  "async function f() {}",
  "process.exit();",
  "crypto.randomUUID();",
  "Promise.resolve();",
])("refuses %s in the protocol", (text) => {
  expect(purityFindings([{ path: "src/protocol/a.ts", text }])).toHaveLength(1);
});

test("accepts the banned words in comments, strings and tests", () => {
  const files = [
    { path: "src/protocol/a.ts", text: '/** No Date.now, no async. */ const a = "setTimeout";' },
    { path: "src/protocol/a.test.ts", text: "Math.random();" },
    { path: "src/server/a.ts", text: "Math.random();" },
  ];
  expect(report(purityFindings(files))).toEqual([]);
});
