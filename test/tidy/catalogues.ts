/** What the code offers and what the documents list has to be the same, both ways. */
import { type Finding, isTest, type SourceFile } from "./repository.ts";
import { lineAt, withoutComments } from "./source-text.ts";

/** The whole text of docs/ERRORS.md: one row for each error of the catalogue, in its order. */
export function errorPage(catalogue: ErrorCatalogue): string {
  const rows = Object.entries(catalogue).map(
    ([code, { message, retryable, fix }]) =>
      `| \`${code}\` | ${cell(message)} | ${retryable ? "yes" : "no"} | ${cell(fix)} |`,
  );
  return [
    "# Errors",
    "",
    "Every error that Holdfast reports has one of these codes, as `error.code`. Codes are stable; messages",
    "are for people and may change. *Retryable*: the same call may succeed later, nothing else changing.",
    "",
    "Rows are never reused for something else. This page is written from `src/protocol/errors.ts` by",
    "`UPDATE=1 npx vitest run test/tidy/catalogues.test.ts`, and the same test fails when the two differ.",
    "",
    "| code | message | retryable | what to do |",
    "| --- | --- | --- | --- |",
    ...rows,
    "",
  ].join("\n");
}

/** Errors that the page lacks or tells differently, and rows for errors that the catalogue does not have. */
export function errorFindings(catalogue: ErrorCatalogue, page: SourceFile): readonly Finding[] {
  const wanted = errorRows(errorPage(catalogue));
  const found = errorRows(page.text);
  const missing = [...wanted].flatMap(([code, row]) => {
    const message = found.has(code) ? "differs from the catalogue" : "is missing";
    return found.get(code) === row ? [] : [{ path: page.path, message: `the row of ${code} ${message}` }];
  });
  const stale = [...found.keys()]
    .filter((code) => !wanted.has(code))
    .map((code) => ({ path: page.path, message: `${code} is not in the catalogue` }));
  return [...missing, ...stale];
}

/**
 * Environment variables that the sources read and docs/CONFIGURATION.md does not name, and rows of its table
 * for variables that nothing reads.
 */
export function environmentFindings(files: readonly SourceFile[], page: SourceFile): readonly Finding[] {
  const sources = files.filter(({ path }) => path.startsWith("src/") && !isTest(path));
  const read = sources.flatMap(environmentNames);
  const documented = new Set([...page.text.matchAll(/`([A-Z][A-Z0-9_]+)`/g)].map((match) => match[1]));
  const missing = read
    .filter(({ name }) => !documented.has(name))
    .map(({ name, path, line }) => ({ path, line, message: `${name} is not in ${page.path}` }));
  const stale = [...page.text.matchAll(/^\| `([A-Z][A-Z0-9_]+)` \|/gm)]
    .map((match) => match[1] ?? "")
    .filter((name) => !sources.some(({ text }) => new RegExp(`\\b${name}\\b`).test(text)))
    .map((name) => ({ path: page.path, message: `${name} is read by nothing` }));
  return [...missing, ...stale];
}

/** Packages whose reason to be there is not told. */
export function dependencyFindings(names: readonly string[], page: SourceFile): readonly Finding[] {
  return names
    .filter((name) => !new RegExp(`(?<![\\w@/.-])${name.replaceAll(".", "\\.")}(?![\\w/-])`).test(page.text))
    .map((name) => ({ path: page.path, message: `the dependency ${name} is not named` }));
}

/** Versions that are ranges, and lockfile entries that name the registry they came from. */
export function pinFindings(manifest: Manifest, lockfile: Lockfile): readonly Finding[] {
  const ranges = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies })
    .filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))
    .map(([name, version]) => ({
      path: "package.json",
      message: `${name} is "${version}", not an exact version`,
    }));
  const resolved = Object.entries(lockfile.packages)
    .filter(([, row]) => row.resolved !== undefined)
    .map(([name]) => ({ path: "package-lock.json", message: `${name} names the registry it came from` }));
  return [...ranges, ...resolved];
}

function environmentNames({ path, text }: SourceFile): readonly EnvironmentUse[] {
  const code = withoutComments(text);
  const patterns = [
    /\bprocess\.env\.([A-Z][A-Z0-9_]*)/g,
    /\bprocess\.env\[["']([A-Z][A-Z0-9_]*)["']\]/g,
    /\b(HOLDFAST_[A-Z0-9_]*[A-Z0-9])\b/g,
  ];
  const uses = patterns.flatMap((pattern) =>
    [...code.matchAll(pattern)].map((match) => ({
      name: match[1] ?? "",
      path,
      line: lineAt(code, match.index),
    })),
  );
  return uses.filter(({ name }, index) => uses.findIndex((other) => other.name === name) === index);
}

function errorRows(page: string): ReadonlyMap<string, string> {
  return new Map(
    [...page.matchAll(/^\| `([a-z][a-z0-9_]*)` \|.*$/gm)].map((match) => [match[1] ?? "", match[0]]),
  );
}

/** A bar would end the cell of the table, a line end the row. */
function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("\n", " ");
}

// --- types ---

export type ErrorCatalogue = Readonly<
  Record<string, { readonly message: string; readonly retryable: boolean; readonly fix: string }>
>;

export type Manifest = {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
};

export type Lockfile = { readonly packages: Readonly<Record<string, { readonly resolved?: string }>> };

type EnvironmentUse = { readonly name: string; readonly path: string; readonly line: number };
