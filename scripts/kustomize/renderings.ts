/**
 * What is rendered to `k8s/rendered/`, from which files, and how it is told that one of those has changed.
 */

import { createHash } from "node:crypto";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parse, stringify } from "yaml";
import { build, type Kustomize } from "./binary.ts";

export const repository = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");
export const renderedFolder = join(repository, "k8s/rendered");

export const components: readonly string[] = foldersIn("k8s/components");
export const overlays: readonly string[] = foldersIn("k8s/overlays");

/** The files of `k8s/rendered/` by name. */
export const renderings: readonly Rendering[] = [
  ...overlays.map((overlay) => ({ name: overlay, overlay, components: [] })),
  // All kinds that there are in one file, for the tests; not to be applied.
  { name: "everything", overlay: "production", components: "all" as const },
];

/**
 * One overlay with components beside those that it has, in the way in which somebody adds them: as lines in
 * its kustomization. What it has already is left out; applied twice, a resource is an error.
 */
export async function render(kustomize: Kustomize, { overlay, components: added }: Combination) {
  const copy = mkdtempSync(join(tmpdir(), "holdfast-kustomize-"));
  try {
    for (const folder of folders) cpSync(join(repository, folder), join(copy, folder), { recursive: true });
    const path = join(copy, "k8s/overlays", overlay, "kustomization.yaml");
    const kustomization = parse(readFileSync(path, "utf8")) as { components?: string[] };
    const paths = (added === "all" ? components : added).map((name) => `../../components/${name}`);
    kustomization.components = [...new Set([...(kustomization.components ?? []), ...paths])];
    writeFileSync(path, stringify(kustomization));
    return await build(kustomize, join(copy, "k8s/overlays", overlay));
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

/** Of all files that a rendering is made of; it changes when one of them does. */
export function digestOfSources(): string {
  const hash = createHash("sha256");
  for (const path of sources()) hash.update(`${path}\0`).update(readFileSync(join(repository, path)));
  return hash.digest("hex");
}

export function headOf(name: string): string {
  const source =
    name === "everything" ? "k8s/overlays/production with all components" : `k8s/overlays/${name}`;
  return `# Made by npm run k8s:render out of ${source}; a change made here is overwritten.\n`;
}

function sources(): readonly string[] {
  return folders
    .flatMap((folder) =>
      readdirSync(join(repository, folder), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile() && !entry.name.endsWith(".md"))
        .map((entry) => relative(repository, join(entry.parentPath, entry.name))),
    )
    .sort();
}

function foldersIn(folder: string): readonly string[] {
  return readdirSync(join(repository, folder), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
}

/** What kustomize reads; the parts of the edge's configuration are those of `haproxy/`. */
const folders = ["k8s/base", "k8s/components", "k8s/overlays", "haproxy"];

// --- types ---

export type Combination = {
  readonly overlay: string;
  readonly components: readonly string[] | "all";
};

type Rendering = Combination & { readonly name: string };
