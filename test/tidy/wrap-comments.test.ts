import { expect, test } from "vitest";
import { wrapComments } from "../../scripts/wrap-comments.ts";

const wrap = (...lines: readonly string[]): readonly string[] =>
  wrapComments(lines.join("\n"), 24).split("\n");

test("wraps a paragraph with a long line and leaves the others as they are", () => {
  expect(wrap("// short", "// lines", "", "  // one two three four five", "  // six")).toEqual([
    "// short",
    "// lines",
    "",
    "  // one two three four",
    "  // five six",
  ]);
});

test("unfolds a documentation comment on one line", () => {
  expect(wrap("/** one two three four five six */")).toEqual([
    "/**",
    " * one two three four",
    " * five six",
    " */",
  ]);
});

test("keeps items apart and hangs their further lines", () => {
  expect(
    wrap(" * - one two three four five", " *   six", " * - seven", " * @param one two three four"),
  ).toEqual([
    " * - one two three four",
    " *   five six",
    " * - seven",
    " * @param one two three",
    " *   four",
  ]);
});

test("leaves code, tables and directives alone, however long they are", () => {
  const lines = [
    "const one = two * three * four;",
    "// | a table | with | rows |",
    "// oxlint-disable-next-line some-rule",
  ];
  expect(wrap(...lines)).toEqual(lines);
});
