/**
 * Mutants: deliberate faults in the sources, kept as patches, each of which the checkers have to notice. A
 * patch file begins with what is broken, and with the pitfall (known from other systems) that this stands
 * for.
 */

import { readdirSync, readFileSync } from "node:fs";
import { applyPatch, parsePatch, type StructuredPatch } from "diff";

export type Mutant = {
  readonly name: string;
  /** One sentence: what is broken. */
  readonly what: string;
  readonly pitfall: string;
  /** Faults of the world that happen only when they are asked for, by commas, and that this one needs. */
  readonly also: string;
  readonly patches: readonly StructuredPatch[];
};

/** All mutants by name; a part of the name chooses those that have it. */
export function readMutants(part = ""): readonly Mutant[] {
  const files = readdirSync(folder).filter((file) => file.endsWith(".patch") && file.includes(part));
  return files.toSorted().map((file) => readMutant(file.slice(0, -".patch".length)));
}

/** @throws for a file that is no patch, or does not say what it breaks. */
export function readMutant(name: string): Mutant {
  const text = readFileSync(new URL(`${name}.patch`, folder), "utf8");
  const form =
    /^(?<what>[^\n]+(?:\n[^\n]+)*)\nPitfall: (?<pitfall>[^\n]+)\n(?:Also: (?<also>[^\n]+)\n)?\n--- /;
  const header = form.exec(text)?.groups;
  const [what, pitfall] = [header?.["what"], header?.["pitfall"]];
  const patches = parsePatch(text);
  if (what === undefined || pitfall === undefined || patches.every(({ hunks }) => hunks.length === 0)) {
    throw new Error(`${name}.patch does not say what it breaks, and which pitfall that is, before its diff`);
  }
  const also = header?.["also"] ?? "";
  return { name, what: what.replaceAll("\n", " "), pitfall, also, patches };
}

/** The path, from the root of the repository, of the file that a patch changes. */
export function fileOf(patch: StructuredPatch): string {
  return (patch.newFileName ?? "").replace(/^b\//, "");
}

/** @throws when the source is not what the patch was made for; lines may have moved, but not changed. */
export function mutate(source: string, patch: StructuredPatch, name: string): string {
  const mutated = applyPatch(source, patch);
  if (mutated !== false) return mutated;
  throw new Error(`${name}.patch does not apply to ${fileOf(patch)}`);
}

export function sourceOf(patch: StructuredPatch): string {
  return readFileSync(new URL(`../../${fileOf(patch)}`, import.meta.url), "utf8");
}

const folder = new URL("mutants/", import.meta.url);
