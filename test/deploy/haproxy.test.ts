/** The parts of `haproxy/`, as shipped, in front of shipped nodes. */

import { describe, test } from "vitest";
import { openSite, whyNoSite } from "./site.ts";
import { expectPassage } from "./passage.ts";

describe.skipIf(whyNoSite !== undefined)("HAProxy", () => {
  test("clients of every transport get through, drop and resume", async (context) => {
    const site = await openSite(context);
    await site.startNodes(["a00", "a01", "a02"]);
    await site.startHaproxy(["base", "edge-http", "nodes", "website-from-nodes"]);
    await expectPassage(context, site.url());
  });
});
