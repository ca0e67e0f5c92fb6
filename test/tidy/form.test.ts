import { expect, test } from "vitest";
import {
  fileLengthFindings,
  focusFindings,
  lineLengthFindings,
  machinePathFindings,
  nameFindings,
  unfinishedFindings,
} from "./form.ts";
import { filesMatching, report, repositoryPaths } from "./repository.ts";

const sources = filesMatching(/^((src|test|bench|scripts)\/.*|[^/]+)\.(ts|mts|js|mjs)$/);
const written = filesMatching(/\.(ts|mts|mjs|js|json|html|css|md|sh|cfg|conf|ya?ml)$|^\.ci\/run$/);

test("lines are short enough to read two files side by side", () => {
  expect(report(lineLengthFindings(sources))).toEqual([]);
});

test("files are short enough to be about one noun", () => {
  expect(report(fileLengthFindings(sources))).toEqual([]);
});

test("file names say what is inside", () => {
  expect(report(nameFindings(repositoryPaths()))).toEqual([]);
});

test("no test is focused or only announced", () => {
  expect(report(focusFindings(sources))).toEqual([]);
});

test("nothing is marked as unfinished", () => {
  expect(report(unfinishedFindings(written))).toEqual([]);
});

test("no path of one machine is written down", () => {
  expect(report(machinePathFindings(written))).toEqual([]);
});

test("refuses a line of 111 characters and takes one of 110", () => {
  const text = `${"a".repeat(110)}\n${"b".repeat(111)}\n`;
  expect(report(lineLengthFindings([{ path: "src/a.ts", text }]))).toEqual([
    "src/a.ts:2: 111 characters, at most 110",
  ]);
});

test("refuses a file of 401 lines and takes one of 400", () => {
  const files = [400, 401].map((count) => ({ path: `src/${count}.ts`, text: "\n".repeat(count) }));
  expect(report(fileLengthFindings(files))).toEqual(["src/401.ts: 401 lines, at most 400; split it"]);
});

test.for(["src/utils.ts", "src/server/session-manager.ts", "test/helpers/a.ts", "src/common.ts"])(
  "refuses the name %s",
  (path) => {
    expect(nameFindings([path])).toHaveLength(1);
  },
);

test("takes names that only contain such a word", () => {
  expect(nameFindings(["src/commons-license.ts", "src/miscount.ts", "src/server/session.ts"])).toEqual([]);
});

test("refuses focused tests, also behind other modifiers, and takes them in strings", () => {
  const text = 'test.only("a");\ndescribe.concurrent.only("b");\nit.todo("c");\nconst d = "test.only";';
  expect(report(focusFindings([{ path: "a.test.ts", text }]))).toEqual([
    "a.test.ts:1: test.only must not be committed",
    "a.test.ts:2: describe.concurrent.only must not be committed",
    "a.test.ts:3: it.todo must not be committed",
  ]);
});

test("refuses a mark of unfinished work in a comment", () => {
  const files = [{ path: "src/a.ts", text: `const a = 1; // ${"TO"}DO: more\nconst todo = 2;` }];
  expect(report(unfinishedFindings(files))).toEqual([
    `src/a.ts:1: ${"TO"}DO marks unfinished work; finish it or write an issue`,
  ]);
});

test("refuses an absolute path of one machine and takes URLs and relative paths", () => {
  const text = ["`cd /ho" + "me/ann/holdfast`", "https://example.org/home/page", "./tmp/a", "a/root/b"].join(
    "\n",
  );
  expect(report(machinePathFindings([{ path: "README.md", text }]))).toEqual([
    `README.md:1: /ho${"me/ann"} is a path of one machine`,
  ]);
});
