/**
 * What is rendered to `k8s/rendered/`, from which files, and how it is told that one of those has changed.
 */

import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
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
 * One overlay with components beside those that it has. What it has already is left out: applied twice, a
 * resource is an error.
 */
export async function render(kustomize: Kustomize, { overlay, components: added }: Combination) {
  const has = componentsOf(overlay);
  const wanted = (added === "all" ? components : added).filter((name) => !has.includes(name));
  const place = `k8s/overlays/${overlay}`;
  if (wanted.length === 0) return await build(kustomize, join(repository, place));
  // In the repository, because kustomize takes relative paths only; where nobody looks for sources.
  const directory = mkdtempSync(join(repository, "node_modules/.kustomize-"));
  const path = (target: string) => relative(directory, join(repository, target));
  try {
    const lines = [
      "apiVersion: kustomize.config.k8s.io/v1beta1",
      "kind: Kustomization",
      "namespace: holdfast",
      `resources: [${path(place)}]`,
      `components: [${wanted.map((name) => path(`k8s/components/${name}`)).join(", ")}]`,
    ];
    writeFileSync(join(directory, "kustomization.yaml"), `${lines.join("\n")}\n`);
    return await build(kustomize, directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
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

function componentsOf(overlay: string): readonly string[] {
  const text = readFileSync(join(repository, "k8s/overlays", overlay, "kustomization.yaml"), "utf8");
  return [...text.matchAll(/\.\.\/components\/([\w-]+)/g)].map((match) => match[1] ?? "");
}

function sources(): readonly string[] {
  return ["k8s/base", "k8s/components", "k8s/overlays", "haproxy"]
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

// --- types ---

export type Combination = {
  readonly overlay: string;
  readonly components: readonly string[] | "all";
};

type Rendering = Combination & { readonly name: string };
