import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { errorCatalogue } from "../../src/protocol/errors.ts";
import {
  dependencyFindings,
  environmentFindings,
  errorFindings,
  errorPage,
  type Lockfile,
  type Manifest,
  pinFindings,
} from "./catalogues.ts";
import { filesMatching, report, root, type SourceFile } from "./repository.ts";

const manifest = JSON.parse(fileAt("package.json").text) as Manifest;
const lockfile = JSON.parse(fileAt("package-lock.json").text) as Lockfile;

test("docs/ERRORS.md lists the catalogue of errors, no more and no less", () => {
  if (process.env["UPDATE"] === "1") {
    writeFileSync(join(root, "docs/ERRORS.md"), errorPage(errorCatalogue));
  }
  expect(report(errorFindings(errorCatalogue, fileAt("docs/ERRORS.md")))).toEqual([]);
});

test.runIf(exists("docs/CONFIGURATION.md"))(
  "every environment variable is documented, and nothing else",
  () => {
    const sources = filesMatching(/^src\/.*\.ts$/);
    expect(report(environmentFindings(sources, fileAt("docs/CONFIGURATION.md")))).toEqual([]);
  },
);

test.runIf(exists("docs/ARCHITECTURE.md"))("every dependency is named with its reason", () => {
  const names = [...Object.keys(manifest.dependencies), ...Object.keys(manifest.devDependencies)];
  expect(report(dependencyFindings(names, fileAt("docs/ARCHITECTURE.md")))).toEqual([]);
});

test("versions are exact and the lockfile names no registry", () => {
  expect(report(pinFindings(manifest, lockfile))).toEqual([]);
});

test("refuses an error page with a row too few, one too many and one that differs", () => {
  const row = { message: "It | failed.", retryable: true, fix: "Nothing." };
  const text = errorPage({ stale: row, changed: row, same: row });
  const catalogue = { same: row, changed: { ...row, retryable: false }, added: row };
  expect(text).toContain("| `same` | It \\| failed. | yes | Nothing. |");
  expect(report(errorFindings(catalogue, { path: "ERRORS.md", text }))).toEqual([
    "ERRORS.md: the row of changed differs from the catalogue",
    "ERRORS.md: the row of added is missing",
    "ERRORS.md: stale is not in the catalogue",
  ]);
});

test("refuses variables that are not documented and rows that nothing reads", () => {
  const text = [
    "const a = process.env.ALPHA; // process.env.COMMENT",
    'const b = process.env["BETA"];',
    "const settings = { HOLDFAST_GAMMA: 1, PORT: 2 };",
  ].join("\n");
  const page = { path: "C.md", text: "| `PORT` | 1 |\n| `BETA` | 1 |\n| `HOLDFAST_OLD` | 1 |\n" };
  expect(report(environmentFindings([{ path: "src/a.ts", text }], page))).toEqual([
    "src/a.ts:1: ALPHA is not in C.md",
    "src/a.ts:3: HOLDFAST_GAMMA is not in C.md",
    "C.md: HOLDFAST_OLD is read by nothing",
  ]);
});

test("refuses a dependency that only another one's name contains", () => {
  const page = { path: "A.md", text: "We use `socket.io-client` and @types/ws." };
  expect(report(dependencyFindings(["socket.io", "socket.io-client", "ws", "@types/ws"], page))).toEqual([
    "A.md: the dependency socket.io is not named",
    "A.md: the dependency ws is not named",
  ]);
});

test("refuses ranges and lockfile entries with a registry", () => {
  const ranges = { dependencies: { one: "^1.0.0", two: "1.0.0" }, devDependencies: { three: "latest" } };
  const packages = {
    "node_modules/two": {},
    "node_modules/one": { resolved: "https://example.org/one.tgz" },
  };
  expect(report(pinFindings(ranges, { packages }))).toEqual([
    'package.json: one is "^1.0.0", not an exact version',
    'package.json: three is "latest", not an exact version',
    "package-lock.json: node_modules/one names the registry it came from",
  ]);
});

function fileAt(path: string): SourceFile {
  return { path, text: exists(path) ? readFileSync(join(root, path), "utf8") : "" };
}

function exists(path: string): boolean {
  return existsSync(join(root, path));
}
