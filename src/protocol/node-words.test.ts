/** Words between processes: each comes out as it went in, and nothing else comes out. */

import { expect, test } from "vitest";
import { decodeWord, encodeWord, type NodeWord } from "./node-words.ts";

const at = { namespace: "/chat", session: "s1" };
const words: readonly NodeWord[] = [
  { kind: "here" },
  { kind: "alive" },
  {
    kind: "answer",
    ...at,
    generation: 3,
    heard: 3,
    since: 2,
    sequence: 7,
    request: "a.1",
    wantsReply: true,
    payload: ["yes", { _hfb: "AA==" }],
  },
  { kind: "take", ...at, generation: 3, low: 1, next: 9 },
  {
    kind: "take",
    ...at,
    generation: 3,
    low: 1,
    next: 9,
    holder: { instance: "i", generation: 2, attempt: 4 },
  },
  { kind: "held", ...at, since: 3, sequences: [4, 7], ask: ["b"] },
  { kind: "done", ...at, since: 3, sequence: 4, places: [] },
  {
    kind: "done",
    ...at,
    since: 3,
    sequence: 4,
    outcome: { status: "ok", body: '["yes"]' },
    places: [{ stream: 2, epoch: "e", offset: 9 }],
  },
];

test.each(words)("$kind comes out as it went in", (word) => {
  expect(decodeWord(encodeWord("a", word))).toEqual({ from: "a", word });
});

test("kinds of a later version, and what is no word, are left alone", () => {
  const [answer, take, held, done] = [words[2], words[3], words[5], words[7]].map((word) => ({ ...word }));
  const wrong: readonly unknown[] = [
    "take",
    ["take"],
    ["take", "a"],
    ["sing", "a", at],
    ["take", 7, take],
    ["take", "a", { ...take, generation: 0 }],
    ["take", "a", { ...take, session: 7 }],
    ["take", "a", { ...take, holder: { instance: "i" } }],
    ["held", "a", { ...held, sequences: ["4"] }],
    ["held", "a", { ...held, ask: "b" }],
    ["answer", "a", { ...answer, wantsReply: 1 }],
    ["answer", "a", { ...answer, request: undefined }],
    ["done", "a", { ...done, outcome: { status: "fine", body: "" } }],
    ["done", "a", { ...done, since: undefined }],
    ["done", "a", { ...done, places: [[2, 9]] }],
  ];
  for (const word of wrong) expect(decodeWord(JSON.stringify(word))).toBeUndefined();
  expect(decodeWord("{")).toBeUndefined();
});
