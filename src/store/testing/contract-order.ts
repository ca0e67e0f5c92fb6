/** Contract: one queue, group commit, announcements, limits, closing. */

import { describe, expect, test } from "vitest";
import { append, closingAfterEach, join, keyOf, open, openRequest, recordRequest } from "./contract-setup.ts";
import type { MakeStore } from "./contract-setup.ts";
import type { CommittedEntry, ReadRequest } from "../port.ts";

export function orderContract(makeStore: MakeStore): void {
  describe("queue", () => {
    const make = closingAfterEach(makeStore);

    test("settles mixed operations in the order in which they were called", async () => {
      const store = await make();
      const fence = await open(store, "s");
      const settled: string[] = [];
      const operations = {
        append: store.append({ keys: [keyOf("room")], payload: "1", at: 1 }),
        openSession: store.openSession(openRequest("t")),
        join: store.join({ ...fence, room: "room", key: keyOf("room"), from: { kind: "head" }, show: true }),
        "append again": store.append({ keys: [keyOf("room")], payload: "2", at: 1 }),
        record: store.record(recordRequest(fence, 1)),
        figures: store.figures(),
        heads: store.heads([keyOf("room")]),
        peek: store.peekSession("s", 1),
        "append once more": store.append({ keys: [keyOf("room")], payload: "3", at: 1 }),
      };
      const noted = Object.entries(operations).map(([name, operation]: [string, Promise<unknown>]) =>
        operation.then(() => settled.push(name)),
      );
      await Promise.all(noted);
      expect(settled).toEqual(Object.keys(operations));
    });

    test("keeps the order of a thousand interleaved operations", async () => {
      const store = await make();
      const fence = await open(store, "s");
      const settled: number[] = [];
      const all = Array.from({ length: 1000 }, (_, index) => {
        const operation: Promise<unknown> =
          index % 3 === 0
            ? store.append({ keys: [keyOf(`room ${index % 7}`)], payload: `${index}`, at: 1 })
            : index % 3 === 1
              ? store.record(recordRequest(fence, index))
              : store.heads([keyOf("room 0")]);
        return operation.then(() => settled.push(index));
      });
      await Promise.all(all);
      expect(settled).toEqual(Array.from({ length: 1000 }, (_, index) => index));
    });

    test("shows an operation the state at its place of the queue", async () => {
      const store = await make();
      const fence = await open(store, "s");
      const [, joined, , late] = await Promise.all([
        append(store, "room", "1"),
        join(store, fence, "room"),
        append(store, "room", "2"),
        store.heads([keyOf("room")]),
      ]);
      expect(joined.head.head).toBe(1);
      expect(joined.base.offset).toBe(1);
      expect(late[0]?.head).toBe(2);
    });

    test("announces entries in commit order and before their promises settle", async () => {
      const store = await make();
      const announced: CommittedEntry[] = [];
      store.onCommitted((entries) => void announced.push(...entries));
      const seen = await Promise.all(
        Array.from({ length: 50 }, async (_, index) => {
          const request = { keys: [keyOf(`room ${index % 3}`)], payload: `${index}`, at: 5 };
          await store.append(request);
          return announced.some((entry) => entry.payload === `${index}`);
        }),
      );
      expect(seen.every(Boolean)).toBe(true);
      expect(announced.map((entry) => entry.payload)).toEqual(
        Array.from({ length: 50 }, (_, index) => `${index}`),
      );
      const page = await store.read({ ...wholePage, stream: announced[0]?.stream ?? 0 });
      const { key, epoch, ...entry } = announced[0] as CommittedEntry;
      expect(page.entries[0]).toEqual(entry);
      expect(page.head).toMatchObject({ key, epoch });
    });

    test("lets a new member register itself before an entry behind its head is announced", async () => {
      const store = await make();
      const fence = await open(store, "s");
      const log: string[] = [];
      store.onCommitted((entries) => void log.push(...entries.map((entry) => entry.payload)));
      const joining = async () => {
        await join(store, fence, "room");
        // A caller is seldom the first to hear: wrappers in between cost a turn each.
        for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
        log.push("joined");
      };
      await Promise.all([append(store, "room", "before"), joining(), append(store, "room", "after")]);
      expect(log).toEqual(["before", "joined", "after"]);
    });

    test("announces nothing for a duplicate", async () => {
      const store = await make();
      let announced = 0;
      store.onCommitted((entries) => {
        announced += entries.length;
      });
      const idempotency = { scope: "mine", sequence: 0, position: 0 };
      await append(store, "room", "1", { idempotency });
      await append(store, "room", "1", { idempotency });
      expect(announced).toBe(1);
    });

    test("a second listener replaces the first", async () => {
      const store = await make();
      const heard: string[] = [];
      store.onCommitted(() => void heard.push("first"));
      store.onCommitted(() => void heard.push("second"));
      await append(store, "room", "1");
      expect(heard).toEqual(["second"]);
    });

    test("G7: refuses with store_busy above queueLimit, and takes operations again afterwards", async () => {
      const store = await make({ queueLimit: 10 });
      const results = await Promise.allSettled(
        Array.from({ length: 15 }, (_, n) => append(store, "room", `${n}`)),
      );
      expect(results.map((result) => result.status)).toEqual([
        ...Array.from({ length: 10 }, () => "fulfilled"),
        ...Array.from({ length: 5 }, () => "rejected"),
      ]);
      expect(results.at(-1)).toMatchObject({ reason: { code: "store_busy", retryable: true } });
      expect((await append(store, "room", "again")).offset).toBe(11);
    });

    test("G7: refuses with store_busy above queueBytesLimit", async () => {
      const store = await make({ queueBytesLimit: 10_000 });
      const first = append(store, "room", "x".repeat(6000));
      await expect(append(store, "room", "y".repeat(6000))).rejects.toMatchObject({ code: "store_busy" });
      await first;
      expect((await append(store, "room", "z".repeat(6000))).offset).toBe(2);
    });

    test("commits what is waiting before it closes, and refuses what comes later", async () => {
      const store = await make();
      const waiting = Promise.all(Array.from({ length: 20 }, (_, n) => append(store, "room", `${n}`)));
      const closed = store.close();
      await expect(store.heads([])).rejects.toMatchObject({ code: "store_unavailable" });
      expect((await waiting).map((receipt) => receipt.offset)).toEqual(
        Array.from({ length: 20 }, (_, n) => n + 1),
      );
      await closed;
      await store.close();
    });

    test("rejects a programmer's error without harm to what waits beside it", async () => {
      const store = await make();
      const good = append(store, "room", "1");
      await expect(store.append({ keys: [], payload: "", at: 1 })).rejects.toThrow("at least one stream");
      await expect(append(store, "half \ud800", "")).rejects.toThrow("well-formed");
      await expect(store.read({ ...wholePage, stream: 1, after: -1 })).rejects.toThrow("natural numbers");
      expect((await good).offset).toBe(1);
    });

    test("counts what waits", async () => {
      const store = await make();
      const first = append(store, "room", "1");
      const figures = store.figures();
      await first;
      expect(await figures).toMatchObject({
        streams: 1,
        entries: 1,
        sessions: 0,
        outcomes: 0,
        waitingOperations: 0,
      });
    });
  });
}

const wholePage: ReadRequest = { stream: 1, after: 0, limit: 1000, charactersLimit: 1_000_000 };
