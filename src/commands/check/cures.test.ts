import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { places } from "./cures.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));

/** Those of a folder that is not here are not here either. */
const known = Object.values(places).filter((place) => existsSync(join(root, place.split("/")[0] ?? "")));

test.for(known)("%s, where cures send their reader, is there", (place) => {
  expect(existsSync(join(root, place))).toBe(true);
});
