import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { places } from "./cures.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));

test.for(Object.values(places))("%s, where cures send their reader, is there", (place) => {
  expect(existsSync(join(root, place))).toBe(true);
});
