import { expect, test } from "vitest";
import { openStore } from "./open.ts";

test("an address that names no store is refused, and shown without its password", async () => {
  const addresses = [
    "",
    "memory",
    "memory:x",
    "sqlite:",
    "sqlite::memory:",
    "mysql:x",
    "redis://me:secret@host/name",
    "redis://me:secret@one,two",
    "redis+cluster://me:secret@host/1",
    "redis://me:secret@host?durability=often",
    "redis://me:secret@host?maxBytes=1",
    "memory:?maxBytes=0",
    "memory:?maxPages=5",
    "sqlite:x.db?maxPages=many",
    "sqlite:x.db?other=1",
    "constructor:x",
  ];
  for (const address of addresses) {
    const refused = openStore(address);
    await expect(refused).rejects.toMatchObject({ code: "store_invalid" });
    await expect(refused).rejects.not.toThrow("secret");
  }
});
