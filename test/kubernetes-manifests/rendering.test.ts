/**
 * Goal: k8s/rendered/ is what its sources make, and every component works with every overlay, alone and with
 * all others. Method: a digest of the sources is kept beside the rendered files and compared wherever the
 * suite runs; where kustomize is there, everything is rendered anew and held against the schemas and the
 * rules.
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import {
  findKustomize,
  type Kustomize,
  missingKustomize,
  provideKustomize,
} from "../../scripts/kustomize/binary.ts";
import {
  components,
  digestOfSources,
  overlays,
  render,
  renderedFolder,
  renderings,
} from "../../scripts/kustomize/renderings.ts";
import { parseManifests, readManifests } from "./manifests.ts";
import { allFindings } from "./all-rules.ts";

test("the sources have not changed since npm run k8s:render", () => {
  expect(readFileSync(join(renderedFolder, "sources.sha256"), "utf8").trim()).toBe(digestOfSources());
});

// In continuous integration it is built where it is missing; elsewhere nobody should have to wait for that.
const isSkipped = process.env["CI"] !== "true" && (await findKustomize()) === undefined;
if (isSkipped) {
  console.log(`${missingKustomize}\nRenderings are compared by the digest of their sources alone.`);
}

describe.skipIf(isSkipped)("rendered anew", () => {
  let kustomize: Kustomize;
  beforeAll(async () => void (kustomize = await provideKustomize(console.log)), 600_000);

  test.each(renderings.map((rendering) => [rendering.name, rendering] as const))(
    "k8s/rendered/%s.yaml is what its source makes",
    async (name, rendering) => {
      // Compared as what they say: versions of kustomize differ in how they break lines.
      const anew = parseManifests(await render(kustomize, rendering));
      expect(readManifests(join(renderedFolder, `${name}.yaml`))).toEqual(anew);
    },
  );

  describe.each(overlays)("overlay %s", (overlay) => {
    test.each(components)("with %s and nothing else", async (component) => {
      const manifests = parseManifests(await render(kustomize, { overlay, components: [component] }));
      expect(await allFindings(manifests)).toEqual([]);
    });

    test("with all components together", async () => {
      const manifests = parseManifests(await render(kustomize, { overlay, components: "all" }));
      expect(await allFindings(manifests)).toEqual([]);
    });
  });
});
