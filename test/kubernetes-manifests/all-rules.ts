/** Every rule at once, for the many combinations of overlays and components. */

import { alertFindings } from "./alert-rules.ts";
import { edgeFindings } from "./edge-rules.ts";
import type { Manifest } from "./manifests.ts";
import { nodeFindings, securityFindings } from "./pod-rules.ts";
import { objectionsTo } from "./strict-schema.ts";
import { portFindings, referenceFindings, selectorFindings } from "./wiring-rules.ts";

export async function allFindings(manifests: readonly Manifest[]): Promise<readonly string[]> {
  return [...(await schemaFindings(manifests)), ...rules.flatMap((rule) => rule(manifests))];
}

export async function schemaFindings(manifests: readonly Manifest[]): Promise<readonly string[]> {
  const found = manifests.map(async (manifest) => {
    const objections = await objectionsTo(manifest);
    return objections.map((line) => `${manifest.kind} ${manifest.metadata.name}: ${line}`);
  });
  return (await Promise.all(found)).flat();
}

const rules = [
  securityFindings,
  nodeFindings,
  edgeFindings,
  selectorFindings,
  portFindings,
  referenceFindings,
  alertFindings,
];
