/** Contract: appending, reading, idempotency keys, cursors. */

import { describe, expect, test } from "vitest";
import {
  append,
  closingAfterEach,
  join,
  keyOf,
  open,
  payloads,
  payloadsOf,
  recordRequest,
} from "./contract-setup.ts";
import type { MakeStore } from "./contract-setup.ts";

export function streamContract(makeStore: MakeStore): void {
  const make = closingAfterEach(makeStore);

  describe("streams", () => {
    test("number their entries from 1 without holes, each stream by itself", async () => {
      const store = await make();
      const receipts = await Promise.all(["a", "b", "a", "a", "b"].map((room) => append(store, room, room)));
      expect(receipts.map((receipt) => receipt.offset)).toEqual([1, 1, 2, 3, 2]);
      expect(receipts[0]).toEqual({ ...receipts[2], offset: 1 });
      expect(receipts[0]?.stream).toBeGreaterThanOrEqual(1);
      expect(receipts[1]?.stream).not.toBe(receipts[0]?.stream);
      expect(receipts[0]?.epoch).not.toBe(receipts[1]?.epoch);
      expect(receipts[0]?.epoch.length).toBeGreaterThanOrEqual(8);
      expect(receipts[0]).toMatchObject({ duplicate: false, durability: store.durability });
    });

    test("take an entry into several streams, each of which names its places in those before", async () => {
      const store = await make();
      await append(store, "b", "earlier");
      const keys = ["a", "b", "c"].map(keyOf);
      const more = { payload: "x", at: 7, except: ["quiet"], request: "aaa-1" };
      const result = await store.append({ keys, ...more });
      const places = result.ok ? result.receipts.map(({ stream, offset }) => [stream, offset]) : [];
      expect(places.map(([, offset]) => offset)).toEqual([1, 2, 1]);
      for (const [index, [stream = 0, offset = 0]] of places.entries()) {
        const page = await store.read({ stream, after: offset - 1, limit: 10, charactersLimit: 100 });
        const [{ also = [], ...entry } = {}] = page.entries;
        expect(entry).toEqual({ stream, offset, ...more });
        // Where streams live apart the later ones cannot be known yet; one of two is enough to know them for
        // one.
        for (const place of places.slice(0, index)) expect(also).toContainEqual(place);
        for (const place of also) expect(places.toSpliced(index, 1)).toContainEqual(place);
      }
    });

    test("are read page by page, by count and by characters", async () => {
      const store = await make();
      for (const payload of ["aa", "bb", "cc"]) await append(store, "room", payload);
      const { stream } = await append(store, "room", "dd");
      const page = (after: number, limit: number, charactersLimit: number) =>
        store.read({ stream, after, limit, charactersLimit });
      const texts = async (...args: [number, number, number]) =>
        (await page(...args)).entries.map((entry) => entry.payload);
      expect(await texts(0, 2, 100)).toEqual(["aa", "bb"]);
      expect(await texts(2, 9, 100)).toEqual(["cc", "dd"]);
      expect(await texts(0, 9, 3)).toEqual(["aa", "bb"]);
      expect(await texts(0, 9, 0)).toEqual(["aa"]);
      expect(await texts(4, 9, 9)).toEqual([]);
      expect((await page(9, 9, 9)).head).toMatchObject({ low: 1, head: 4, key: keyOf("room") });
      expect(await store.read({ stream: stream + 77, after: 0, limit: 1, charactersLimit: 1 })).toEqual({
        head: undefined,
        entries: [],
      });
    });

    test("G3: have another epoch after renewal, and all else as before", async () => {
      const store = await make();
      const fence = await open(store, "s1");
      for (const payload of ["x", "y"]) await append(store, "room", payload);
      const before = await append(store, "room", "z");
      const joined = await join(store, fence, "room");
      const [head] = await store.heads([keyOf("room")]);
      expect(await store.renewEpochs()).toBe(2);
      const [renewed] = await store.heads([keyOf("room")]);
      expect(renewed).toEqual({ ...head, epoch: renewed?.epoch });
      expect(renewed?.epoch).not.toBe(before.epoch);
      expect(joined.base.epoch).toBe(before.epoch);
      const after = await append(store, "room", "!");
      expect(after).toMatchObject({ epoch: renewed?.epoch, offset: 4, duplicate: false });
      const page = await store.read({ stream: after.stream, after: 2, limit: 9, charactersLimit: 9 });
      expect(page.entries.map(({ payload }) => payload)).toEqual(["z", "!"]);
    });

    test("heads are told without creating anything", async () => {
      const store = await make();
      const { stream, epoch } = await append(store, "a", "1");
      const heads = await store.heads([keyOf("missing"), keyOf("a")]);
      expect(heads).toEqual([undefined, { stream, epoch, key: keyOf("a"), low: 1, head: 1 }]);
      expect((await store.figures()).streams).toBe(1);
    });

    test("keep payloads as they are", async () => {
      const store = await make();
      const texts = ["", "\0", "a\0b", "ä€😀", '"\\\n', "x".repeat(300_000), "😀".repeat(70_000)];
      for (const text of texts) await append(store, "room", text);
      expect(await payloadsOf(store, "room")).toEqual(texts);
    });

    test("prototype names are names like any other", async () => {
      const store = await make();
      const names = [
        "__proto__",
        "constructor",
        "toString",
        "hasOwnProperty",
        "",
        "'; DROP TABLE entries; --",
      ];
      for (const name of names) expect(await store.heads([keyOf(name)])).toEqual([undefined]);
      for (const name of names) {
        const idempotency = { scope: name, sequence: 0, position: 0 };
        const receipt = await append(store, name, name, { idempotency, except: [name], request: name });
        expect(receipt).toMatchObject({ offset: 1, duplicate: false });
        const fence = await open(store, name === "" ? "empty" : name, { principal: name, node: name });
        expect(await join(store, fence, name, { kind: "cursor", consumer: name })).toMatchObject({
          cursor: name,
        });
        expect(await store.record(recordRequest(fence, 1, { body: name }))).toMatchObject({
          outcome: { body: name },
        });
        expect(await payloads(store, receipt.stream)).toEqual([name]);
      }
      expect((await store.figures()).entries).toBe(names.length);
    });
  });

  describe("idempotency keys", () => {
    const idempotency = { scope: "application", sequence: 0, position: 0 };

    test("G5: a repeated append returns the first receipts and changes nothing", async () => {
      const store = await make();
      const request = { keys: [keyOf("a"), keyOf("b")], payload: "1", at: 1, idempotency };
      const first = await store.append(request);
      await append(store, "a", "between");
      const second = await store.append({ ...request, at: 2 });
      if (!first.ok || !second.ok) throw new Error("both appends are taken");
      expect(second.receipts).toEqual(first.receipts.map((receipt) => ({ ...receipt, duplicate: true })));
      expect(await payloadsOf(store, "a")).toEqual(["1", "between"]);
    });

    test("G5: are told apart by scope, sequence and position", async () => {
      const store = await make();
      await open(store, "session");
      for (const scope of ["session", "stranger"]) {
        for (const sequence of [0, 1, 2]) {
          for (const position of [0, 1]) {
            const key = { scope, sequence, position };
            expect(await append(store, "room", "x", { idempotency: key })).toMatchObject({
              duplicate: false,
            });
            expect(await append(store, "room", "x", { idempotency: key })).toMatchObject({ duplicate: true });
          }
        }
      }
    });

    test("G5: work within one batch", async () => {
      const store = await make();
      const receipts = await Promise.all([1, 2, 3].map(() => append(store, "room", "x", { idempotency })));
      expect(receipts.map(({ offset, duplicate }) => [offset, duplicate])).toEqual([
        [1, false],
        [1, true],
        [1, true],
      ]);
    });

    test("with another payload are refused when strict, answered when not", async () => {
      const store = await make();
      await append(store, "room", "one", { idempotency });
      const other = { keys: [keyOf("room")], payload: "two", at: 1, idempotency };
      expect(await store.append({ ...other, strictPayload: true })).toEqual({
        ok: false,
        reason: "key_conflict",
      });
      expect(await store.append({ ...other, payload: "one", strictPayload: true })).toMatchObject({
        ok: true,
      });
      expect(await append(store, "room", "two", { idempotency })).toMatchObject({
        offset: 1,
        duplicate: true,
      });
      expect(await payloadsOf(store, "room")).toEqual(["one"]);
    });

    test("G5: of a session are refused below its low-water mark, where they may be forgotten", async () => {
      const store = await make();
      const fence = await open(store, "s");
      const key = (sequence: number) => ({ idempotency: { scope: "s", sequence, position: 0 } });
      for (const sequence of [1, 40]) await append(store, "room", "x", key(sequence));
      await store.record(recordRequest(fence, 40, { inboxLow: 40 }));
      const known = await append(store, "room", "x", key(40));
      expect(known.duplicate).toBe(true);
      const late = { keys: [keyOf("room")], payload: "x", at: 1, ...key(1) };
      expect(await store.append(late)).toEqual({ ok: false, reason: "stale_generation" });
      expect(await payloads(store, known.stream)).toEqual(["x", "x"]);
    });
  });

  describe("cursors", () => {
    test("move forward only, within their history, and to places that exist", async () => {
      const store = await make();
      for (const text of ["1", "2", "3", "4"]) await append(store, "mail", text);
      const fence = await open(store, "s");
      const { head, base } = await join(store, fence, "mail", { kind: "cursor", consumer: "me" });
      expect(base).toEqual({ epoch: head.epoch, offset: 0 });
      const move = (offset: number, epoch = head.epoch, consumer = "me") =>
        store.moveCursor({ consumer, stream: head.stream, position: { epoch, offset } });
      await Promise.all([move(3), move(2), move(4, "another"), move(5), move(4, head.epoch, "nobody")]);
      await store.moveCursor({ consumer: "me", stream: 99, position: { epoch: "x", offset: 1 } });
      const other = await open(store, "t");
      const again = await join(store, other, "mail", { kind: "cursor", consumer: "me" });
      expect(again).toMatchObject({ base: { epoch: head.epoch, offset: 3 }, cursor: "me" });
    });
  });
}
