/** `npm run k8s:render`: writes `k8s/rendered/` anew from its sources. */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { provideKustomize } from "./binary.ts";
import { digestOfSources, headOf, render, renderedFolder, renderings } from "./renderings.ts";

try {
  const kustomize = await provideKustomize((text) => console.error(text));
  mkdirSync(renderedFolder, { recursive: true });
  for (const rendering of renderings) {
    const text = await render(kustomize, rendering);
    writeFileSync(join(renderedFolder, `${rendering.name}.yaml`), headOf(rendering.name) + text);
    console.log(`k8s/rendered/${rendering.name}.yaml`);
  }
  writeFileSync(join(renderedFolder, "sources.sha256"), `${digestOfSources()}\n`);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
