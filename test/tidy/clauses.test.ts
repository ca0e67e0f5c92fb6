import { expect, test } from "vitest";
import { bugFindings, clausesOf, quoteFindings, quotesOf } from "./clauses.ts";
import { filesMatching, report, type SourceFile } from "./repository.ts";

const transcripts = filesMatching(/^test\/transcripts\/.*\.txt$/);

function page(path: string): SourceFile {
  const [found] = filesMatching(new RegExp(`^${path}$`));
  if (found === undefined) throw new Error(`${path} is missing`);
  return found;
}

test("each clause of the protocol is quoted by a transcript, word for word", () => {
  expect(report(quoteFindings(page("docs/PROTOCOL.md"), transcripts))).toEqual([]);
});

test("each bug that the simulation has found is told by a transcript", () => {
  const testing = page("docs/TESTING.md");
  expect(bugFindings(testing, []).length).toBeGreaterThan(10);
  expect(report(bugFindings(testing, transcripts))).toEqual([]);
});

const protocol = `# Title

What it is.

## Words

- **word**: what it means.

## Types

    formula := json

A value that is wrong
is refused. Others are not.

Client:
1. Sends.
2. Waits
   for long.

| what | limit |
| --- | --- |
| hello | 3 |
`;

test("clauses are paragraphs, items and rows behind the words", () => {
  expect(clausesOf(protocol).map(({ section, line, text }) => [section, line, text])).toEqual([
    ["Types", 13, "A value that is wrong is refused. Others are not."],
    ["Types", 17, "Sends."],
    ["Types", 18, "Waits for long."],
    ["Types", 23, "| hello | 3 |"],
  ]);
});

test("a quote goes over several lines, and ends with them", () => {
  const text = "# Why.\n# > Waits\n# > for long.\n#\n# > Sends.\n# And then.\npair\n";
  expect(quotesOf(text)).toEqual(["Waits for long.", "Sends."]);
});

test("refuses a clause that nobody quotes, a quote that does not stand there, and an untold bug", () => {
  const quoting = {
    path: "a.txt",
    text: "# > is refused. Others\n# > are not.\n#\n# > Sends more.\n#\n# > | hello | 3\n",
  };
  expect(report(quoteFindings({ path: "P.md", text: protocol }, [quoting]))).toEqual([
    'P.md:13: no transcript quotes "A value that is wrong is refused. Others are not." (Types)',
    'P.md:17: no transcript quotes "Sends." (Types)',
    'P.md:18: no transcript quotes "Waits for long." (Types)',
    'a.txt: "Sends more." does not stand in P.md like this',
  ]);
  const rows = "| what | commit |\n| a | `1234567` |\n| b | `7654321` |\n";
  const table = { path: "T.md", text: `${rows}\n## Bugs found by simulation\n${rows}` };
  expect(report(bugFindings(table, [{ path: "b.txt", text: "# Bug 7654321\n" }]))).toEqual([
    "T.md:7: no transcript tells of bug 1234567",
  ]);
});
