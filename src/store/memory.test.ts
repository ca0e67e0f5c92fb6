import { expect, test } from "vitest";
import { storeContract } from "./testing/contract.ts";
import { append, open, recordRequest, resume, retention } from "./testing/contract-setup.ts";
import { openStore } from "./open.ts";

storeContract("memory", (limits) => openStore("memory:", limits));

test("G7: a batch that does not fit into memory is refused as a whole, and a sweep makes room", async () => {
  const store = await openStore("memory:?maxBytes=20000");
  const fence = await open(store, "s");
  const first = await append(store, "room", "x".repeat(14_000));
  const results = await Promise.allSettled([
    store.record(recordRequest(fence, 1)),
    append(store, "room", "y".repeat(6000)),
    store.record(recordRequest(fence, 2)),
  ]);
  for (const result of results)
    expect(result).toMatchObject({ reason: { code: "store_full", retryable: true } });
  expect((await resume(store, "s")).outcomes).toEqual([]);
  await store.sweep(retention({ entryAgeMs: 0 }));
  expect(await append(store, "room", "y".repeat(6000))).toMatchObject({ stream: first.stream, offset: 2 });
  await store.close();
});
