/**
 * Preloaded by a worker that runs a mutant, with the mutant's name in the address of this module: changes the
 * sources that its patches name as they are loaded. The files themselves stay as they are.
 */

import { registerHooks } from "node:module";
import { fileOf, mutate, readMutant, sourceOf } from "./mutant.ts";

const name = new URL(import.meta.url).searchParams.get("mutant") ?? "";
const { patches } = readMutant(name);
const sources = new Map(
  patches.map((patch) => {
    const url = new URL(`../../${fileOf(patch)}`, import.meta.url).href;
    return [url, mutate(sourceOf(patch), patch, name)] as const;
  }),
);

registerHooks({
  load(url, context, nextLoad) {
    const source = sources.get(url);
    if (source === undefined) return nextLoad(url, context);
    // Types are stripped from what a hook returns as from what is read.
    return { format: "module-typescript", source, shortCircuit: true };
  },
});
