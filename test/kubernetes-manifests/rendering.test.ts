/**
 * Goal: k8s/rendered/ is what its sources make. Method: a digest of the sources is kept beside the rendered
 * files; whether they say the same is looked at where kustomize is, in test/k8s.
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { digestOfSources, renderedFolder } from "../../scripts/kustomize/renderings.ts";

test("the sources have not changed since npm run k8s:render", () => {
  expect(readFileSync(join(renderedFolder, "sources.sha256"), "utf8").trim()).toBe(digestOfSources());
});
