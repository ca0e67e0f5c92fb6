/** Whether a real API server takes everything that is shipped, down to the last field. */

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Installation, kubectl, repository, whyNoCluster } from "./cluster.ts";

const overlays = readdirSync(join(repository, "k8s/overlays"), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);

describe.skipIf(whyNoCluster !== undefined)("the API server", () => {
  test.for(overlays)("takes the overlay %s, without a field that it does not know", async (name, context) => {
    const site = new Installation(context);
    await kubectl("create", "namespace", site.namespace);
    const rendered = await site.rendered(`k8s/overlays/${name}`);
    const { stdout, stderr } = await site.applied(rendered, "--dry-run=server", "--validate=strict");
    const refusals = stderr.split("\n").filter((line) => line !== "" && !line.startsWith("Warning: "));
    // Kinds that an operator brings along, such as ServiceMonitor.
    const unknownKinds = refusals.filter((line) =>
      /no matches for kind|ensure CRDs are installed/.test(line),
    );
    if (unknownKinds.length > 0) console.log(`${name}: not looked at, ${unknownKinds.join("; ")}`);
    expect(refusals.filter((line) => !unknownKinds.includes(line))).toEqual([]);
    expect(stdout).toContain("deployment.apps/holdfast-edge created (server dry run)");
  });
});
