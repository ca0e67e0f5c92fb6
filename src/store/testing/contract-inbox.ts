/** Contract: outcomes and uploads. */

import { describe, expect, test } from "vitest";
import { closingAfterEach, open, recordRequest, resume } from "./contract-setup.ts";
import type { MakeStore } from "./contract-setup.ts";

export function inboxContract(makeStore: MakeStore): void {
  const make = closingAfterEach(makeStore);

  describe("outcomes", () => {
    test("G1: are recorded once; a second one gets the first", async () => {
      const store = await make();
      const fence = await open(store, "s");
      const first = { sequence: 1, status: "rejected", body: "no" } as const;
      expect(await store.record({ ...fence, outcome: first, inboxLow: 0 })).toEqual({
        ok: true,
        outcome: first,
      });
      const second = await store.record(recordRequest(fence, 1, { body: "yes" }));
      expect(second).toEqual({ ok: true, outcome: first });
      expect((await resume(store, "s")).outcomes).toEqual([first]);
    });

    test("G1: within one batch too", async () => {
      const store = await make();
      const fence = await open(store, "s");
      const bodies = ["first", "second", "third"];
      const results = await Promise.all(
        bodies.map((body) => store.record(recordRequest(fence, 1, { body }))),
      );
      for (const result of results) expect(result).toMatchObject({ outcome: { body: "first" } });
    });

    test("below the confirmed mark are duplicates of something settled, and ignored", async () => {
      const store = await make();
      const fence = await open(store, "s");
      await store.record(recordRequest(fence, 5, { inboxLow: 5 }));
      expect(await store.record(recordRequest(fence, 4))).toMatchObject({ ok: true });
      const { inboxLow, outcomes } = await resume(store, "s");
      expect(inboxLow).toBe(5);
      expect(outcomes.map((outcome) => outcome.sequence)).toEqual([5]);
    });

    test("the mark never falls", async () => {
      const store = await make();
      const fence = await open(store, "s");
      await store.record(recordRequest(fence, 5, { inboxLow: 5 }));
      await store.record(recordRequest(fence, 6, { inboxLow: 2 }));
      expect((await resume(store, "s")).inboxLow).toBe(5);
    });

    test("G7: that are confirmed are deleted", async () => {
      const store = await make();
      const fence = await open(store, "s");
      for (let sequence = 1; sequence <= 500; sequence += 1) {
        void store.record(recordRequest(fence, sequence, { inboxLow: Math.max(0, sequence - 2) }));
      }
      const { outcomes } = await store.figures();
      expect(outcomes).toBeLessThanOrEqual(3 + 32);
      expect((await resume(store, "s")).outcomes.map((outcome) => outcome.sequence)).toEqual([498, 499, 500]);
    });

    test("G1: of the largest sequence are recorded", async () => {
      const store = await make();
      const fence = await open(store, "s");
      await store.record(recordRequest(fence, Number.MAX_SAFE_INTEGER));
      expect((await resume(store, "s")).outcomes[0]?.sequence).toBe(Number.MAX_SAFE_INTEGER);
      await expect(store.record(recordRequest(fence, 2 ** 53))).rejects.toThrow("natural numbers");
    });
  });

  describe("uploads", () => {
    test("G8: take the next chunk only, and say how many they have", async () => {
      const store = await make();
      const fence = await open(store, "s");
      const put = async (index: number, text: string) => {
        const result = await store.putChunk({ ...fence, sequence: 3, index, text });
        return result.ok ? result.chunks : result.reason;
      };
      expect([await put(0, "a"), await put(2, "x"), await put(0, "x"), await put(1, "b")]).toEqual([
        1, 1, 1, 2,
      ]);
      expect(await store.readUpload(fence, 3)).toEqual({ ok: true, text: "ab", chunks: 2 });
      expect(await store.readUpload(fence, 4)).toEqual({ ok: true, text: "", chunks: 0 });
    });

    test("G8: go on after a resume and are kept until the outcome is recorded", async () => {
      const store = await make();
      const first = await open(store, "s");
      await store.putChunk({ ...first, sequence: 1, index: 0, text: "a" });
      await store.putChunk({ ...first, sequence: 2, index: 0, text: "other" });
      const { generation, uploads } = await resume(store, "s");
      expect(uploads).toEqual([
        { sequence: 1, chunks: 1 },
        { sequence: 2, chunks: 1 },
      ]);
      const fence = { session: "s", generation, node: "bbb" };
      await store.putChunk({ ...fence, sequence: 1, index: 1, text: "b" });
      expect(await store.readUpload(fence, 1)).toEqual({ ok: true, text: "ab", chunks: 2 });
      await store.record(recordRequest(fence, 1));
      expect(await store.readUpload(fence, 1)).toEqual({ ok: true, text: "", chunks: 0 });
      expect(await store.readUpload(fence, 2)).toEqual({ ok: true, text: "other", chunks: 1 });
    });

    test("G7: of an event that is settled are not taken", async () => {
      const store = await make();
      const fence = await open(store, "s");
      await store.record(recordRequest(fence, 5, { inboxLow: 4 }));
      for (const sequence of [3, 5]) {
        const chunk = { ...fence, sequence, index: 0, text: "late" };
        expect(await store.putChunk(chunk)).toEqual({ ok: true, chunks: 0 });
      }
      expect((await resume(store, "s")).uploads).toEqual([]);
    });
  });
}
