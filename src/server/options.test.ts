import { expect, test } from "vitest";
import { resolveOptions } from "./options.ts";

test("G7 what travels whole is not measured on its way, so it is never larger than an event may be", () => {
  const { limits } = resolveOptions({ eventCharactersLimit: 1_024, chunkCharacters: 65_536 }, () => "n00");
  expect(limits).toMatchObject({ eventCharacters: 1_024, chunkCharacters: 1_024 });
});
