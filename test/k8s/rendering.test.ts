/**
 * Goal: k8s/rendered/ is what its sources make, and every component works with every overlay, alone and with
 * all others.
 */

import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { findKustomize, missingKustomize } from "../../scripts/kustomize/binary.ts";
import {
  type Combination,
  components,
  overlays,
  render,
  renderedFolder,
  renderings,
} from "../../scripts/kustomize/renderings.ts";
import { allFindings } from "../kubernetes-manifests/all-rules.ts";
import { parseManifests, readManifests } from "../kubernetes-manifests/manifests.ts";

const kustomize = await findKustomize();
if (kustomize === undefined) console.warn(`skipped: nothing is rendered anew. ${missingKustomize}`);

describe.runIf(kustomize)("rendered anew", () => {
  test.each(renderings.map((rendering) => [rendering.name, rendering] as const))(
    "k8s/rendered/%s.yaml is what its source makes",
    async (name, rendering) => {
      // Compared as what they say: versions of kustomize differ in how they break lines.
      const anew = parseManifests(await renderedBy(rendering));
      expect(readManifests(join(renderedFolder, `${name}.yaml`))).toEqual(anew);
    },
  );

  describe.each(overlays)("overlay %s", (overlay) => {
    test.each(components)("with %s and nothing else", async (component) => {
      const manifests = parseManifests(await renderedBy({ overlay, components: [component] }));
      expect(await allFindings(manifests)).toEqual([]);
    });

    test("with all components together", async () => {
      const manifests = parseManifests(await renderedBy({ overlay, components: "all" }));
      expect(await allFindings(manifests)).toEqual([]);
    });
  });
});

async function renderedBy(combination: Combination): Promise<string> {
  if (kustomize === undefined) throw new Error(missingKustomize);
  return await render(kustomize, combination);
}
