/** What can be said of the scenarios, and of the command that runs them, without a run. */

import { expect, test } from "vitest";
import { readCommands, UsageError } from "../command-line.ts";
import { sentenceOf, slotOf, threeNodes } from "../topology/topology.ts";
import { scenarios } from "./index.ts";

test("every scenario has a name of its own, by which the command finds it", () => {
  const names = scenarios.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  for (const name of names) expect(readCommands([name])[0]?.scenario.name).toBe(name);
});

test("the nodes of a slot are named as the proxies know them, and a cluster is one of them", () => {
  expect(slotOf("a", threeNodes)).toEqual(["a00", "a01", "a02"]);
  expect(slotOf("b", { nodes: 5, edge: "haproxy" })).toEqual(["b00", "b01", "b02", "b03", "b04"]);
  expect(slotOf("a", { nodes: 3, edge: "primary" })).toEqual(["a00"]);
});

test("the report names what the servers were", () => {
  const topologies = scenarios.flatMap(({ topology }) => (topology === undefined ? [] : [topology]));
  expect(topologies.map(({ edge }) => edge).toSorted()).toEqual(["haproxy", "nginx", "primary"]);
  expect(sentenceOf({ nodes: 5, edge: "haproxy" })).toBe(
    "five nodes behind the shipped HAProxy configuration",
  );
  expect(sentenceOf({ nodes: 2, edge: "primary" })).toBe("one primary with two workers");
});

test("--raw is for every control but retries, which are the client's own", () => {
  expect(readCommands(["steady", "--raw", "--control", "csr"])[0]?.raw).toBe(true);
  expect(readCommands(["steady"])[0]?.raw).toBe(false);
  expect(() => readCommands(["steady", "--raw", "--control", "retries"])).toThrow(UsageError);
});
