/**
 * The files that belong to the repository, and the form in which the checks of this folder report what they
 * find.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../..", import.meta.url));

/**
 * Every file that git tracks or would track, with `/` between folders; what .gitignore names is not among
 * them.
 */
export function repositoryPaths(): readonly string[] {
  const result = spawnSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "-z"], {
    cwd: root,
    encoding: "utf8",
    timeout: 10_000,
  });
  if (result.status !== 0) {
    throw new Error(`git ls-files failed: ${result.stderr}`);
  }
  const paths = result.stdout.split("\0").filter((path) => path !== "" && existsSync(join(root, path)));
  return [...new Set(paths)].sort();
}

/** The files whose path matches, with their texts. */
export function filesMatching(pattern: RegExp): readonly SourceFile[] {
  return repositoryPaths()
    .filter((path) => pattern.test(path))
    .map((path) => ({ path, text: readFileSync(join(root, path), "utf8") }));
}

/**
 * True for what never runs in production: tests beside their source, and harnesses in folders named
 * `testing`.
 */
export function isTest(path: string): boolean {
  return /\.test\.ts$|\.fixture\.ts$|(^|\/)testing\//.test(path) || path.startsWith("test/");
}

/** One line for each finding, as editors and people read it; an empty list is what a check asks for. */
export function report(findings: readonly Finding[]): readonly string[] {
  return findings.map(
    ({ path, line, message }) => `${path}${line === undefined ? "" : `:${line}`}: ${message}`,
  );
}

// --- types ---

export type SourceFile = { readonly path: string; readonly text: string };

export type Finding = { readonly path: string; readonly line?: number; readonly message: string };
