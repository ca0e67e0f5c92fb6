import { expect, test } from "vitest";
import { linkFindings, titleFindings } from "./documents.ts";
import { filesMatching, report, repositoryPaths } from "./repository.ts";

const pages = filesMatching(/\.md$/);

test("each page has one title", () => {
  expect(report(titleFindings(pages))).toEqual([]);
});

test("relative links lead to files and headings that exist", () => {
  expect(report(linkFindings(pages, repositoryPaths()))).toEqual([]);
});

test("refuses a page without a title and one with two, and does not count code", () => {
  const none = { path: "none.md", text: "text\n```sh\n# a comment\n```\n" };
  const two = { path: "two.md", text: "# one\n\n# two\n" };
  const one = { path: "one.md", text: "# one\n```sh\n# a comment\n```\n## part\n" };
  expect(report(titleFindings([none, two, one]))).toEqual([
    "none.md: 0 headings of the first level, there has to be one",
    "two.md: 2 headings of the first level, there has to be one",
  ]);
});

test("refuses links to files and headings that are not there", () => {
  const readme = {
    path: "README.md",
    text: [
      "# Title",
      "[a](docs/A.md) [b](docs/B.md) [folder](docs/) [c](docs/A.md#the-api-of-users) [d](docs/A.md#none)",
      "[e](#title) [f](#nothing) [web](https://example.org/x.md) `[code](x.md)`",
      "[g]: ../outside.md",
    ].join("\n"),
  };
  const page = { path: "docs/A.md", text: "# A\n## The `API` of users\n[up](../README.md)\n" };
  expect(report(linkFindings([readme, page], ["README.md", "docs/A.md"]))).toEqual([
    "README.md:2: the link to docs/B.md leads nowhere",
    "README.md:2: docs/A.md has no heading for #none",
    "README.md:3: README.md has no heading for #nothing",
    "README.md:4: the link to ../outside.md leads nowhere",
  ]);
});
