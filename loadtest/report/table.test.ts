import { expect, test } from "vitest";
import type { Report } from "./report.ts";
import { tableOf } from "./table.ts";

test("a run has a row for each kind of servers, and says when it proves nothing", () => {
  const direction = { owed: 600, lost: 1, duplicated: 0, reordered: 0 };
  const judgement = {
    verdict: { toClients: direction, toServers: { ...direction, duplicated: 2 } },
    course: { absenceMs: { count: 3, p50: 420, p99: 1_260, max: 12_000 } },
  };
  const report = {
    scenario: "drops",
    commit: "abc1234",
    clients: 1_000,
    outcome: { word: "invalid" },
    results: [{ kind: "holdfast", judgement }, { kind: "stock" }],
  } as unknown as Report;
  expect(tableOf([report]).split("\n").slice(2)).toEqual([
    "| drops (`abc1234`), invalid | 1,000 | **Holdfast** | **2** | **2** | **0** | 1,200 | 0.42 / 1.3 / 12 |",
    "|  |  | Socket.IO | not judged |  |  |  |  |",
  ]);
});
