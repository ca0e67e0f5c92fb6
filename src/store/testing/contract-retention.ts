/** Contract: what a sweep removes, and what it must not. */

import { describe, expect, test } from "vitest";
import {
  append,
  closingAfterEach,
  join,
  keyOf,
  open,
  payloads,
  payloadsOf,
  retention,
} from "./contract-setup.ts";
import type { MakeStore } from "./contract-setup.ts";
import type { Store } from "../port.ts";

export function retentionContract(makeStore: MakeStore): void {
  const make = closingAfterEach(makeStore);

  describe("sweep", () => {
    test("trims by age", async () => {
      const store = await make();
      await fill(store, "room", [1000, 1100, 1200]);
      const swept = await store.sweep(retention({ now: 2000, entryAgeMs: 850 }));
      expect(swept).toEqual({ expiredSessions: [], trimmedEntries: 2, droppedStreams: 0 });
      expect(await store.heads([keyOf("room")])).toMatchObject([{ low: 3, head: 3 }]);
      expect(await payloadsOf(store, "room")).toEqual(["3"]);
    });

    test("trims by count, each stream by itself", async () => {
      const store = await make();
      await fill(store, "long", [1, 2, 3, 4, 5]);
      await fill(store, "short", [1, 2]);
      expect(await store.sweep(retention({ entriesPerStream: 2 }))).toMatchObject({ trimmedEntries: 3 });
      expect(await payloadsOf(store, "long")).toEqual(["4", "5"]);
      expect(await payloadsOf(store, "short")).toEqual(["1", "2"]);
    });

    test("trims all of a stream and goes on counting where it was", async () => {
      const store = await make();
      await fill(store, "room", [1, 2, 3]);
      const { epoch } = await append(store, "room", "4", { at: 1 });
      await store.sweep(retention({ entryAgeMs: 500 }));
      expect(await store.heads([keyOf("room")])).toMatchObject([{ low: 5, head: 4 }]);
      expect(await append(store, "room", "5")).toMatchObject({ offset: 5, epoch });
    });

    test("trims more than one step of it", async () => {
      const store = await make();
      await Promise.all(
        Array.from({ length: 5000 }, (_, n) => append(store, `room ${n % 2}`, "", { at: n })),
      );
      const swept = await store.sweep(retention({ now: 5000, entryAgeMs: 0, entriesPerStream: 3 }));
      expect(swept.trimmedEntries).toBe(5000);
      await Promise.all(Array.from({ length: 5000 }, () => append(store, "room 1", "", { at: 5000 })));
      expect(await store.sweep(retention({ entriesPerStream: 3 }))).toMatchObject({ trimmedEntries: 4997 });
    });

    test("keeps what a cursor has not passed, up to the mailbox limits", async () => {
      const store = await make();
      const { move, stream } = await mailbox(store, ["phone", "desk"]);
      await fill(store, "mail", [1000, 1001, 1002, 1003, 1004, 1005]);
      const ordinary = { now: 2000, entryAgeMs: 100, entriesPerStream: 1 };
      expect(await store.sweep(retention(ordinary))).toMatchObject({ trimmedEntries: 0 });
      await move("phone", 4);
      await move("desk", 2);
      expect(await store.sweep(retention(ordinary))).toMatchObject({ trimmedEntries: 2 });
      expect(await payloads(store, stream)).toEqual(["3", "4", "5", "6"]);
      await store.sweep(retention({ mailboxEntries: 3 }));
      expect(await payloads(store, stream)).toEqual(["4", "5", "6"]);
      await store.sweep(retention({ now: 2000, mailboxAgeMs: 995 }));
      expect(await payloads(store, stream)).toEqual(["6"]);
    });

    test("trims what every cursor has passed, even when it is young", async () => {
      const store = await make();
      const { move } = await mailbox(store, ["phone", "desk"]);
      await fill(store, "mail", [1000, 1001, 1002]);
      await move("phone", 3);
      expect(await store.sweep(retention())).toMatchObject({ trimmedEntries: 0 });
      await move("desk", 2);
      expect(await store.sweep(retention())).toMatchObject({ trimmedEntries: 2 });
      expect(await store.heads([keyOf("mail")])).toMatchObject([{ low: 3, head: 3 }]);
    });

    test("keeps what cursors have passed for a session that may have to resume over it", async () => {
      const store = await make();
      const { move } = await mailbox(store, ["me"]);
      const second = await open(store, "second tab");
      await join(store, second, "mail", { kind: "cursor", consumer: "me" });
      await fill(store, "mail", [1000, 1001]);
      await move("me", 2);
      expect(await store.sweep(retention())).toMatchObject({ trimmedEntries: 0 });
      await store.endSession("second tab", keyOf("second tab"));
      expect(await store.sweep(retention())).toMatchObject({ trimmedEntries: 2 });
      const ordinary = await open(store, "reads without a cursor");
      await join(store, ordinary, "mail");
      await fill(store, "mail", [1000, 1001]);
      await move("me", 4);
      expect(await store.sweep(retention())).toMatchObject({ trimmedEntries: 0 });
      expect(await store.sweep(retention({ now: 2000, entryAgeMs: 1 }))).toMatchObject({ trimmedEntries: 2 });
    });

    test("shows a returning consumer what the limits have cut", async () => {
      const store = await make();
      const { move } = await mailbox(store, ["me"]);
      await fill(store, "mail", [1, 2, 3, 4]);
      await move("me", 1);
      await store.sweep(retention({ mailboxEntries: 1 }));
      const fence = await open(store, "later");
      const { base, head } = await join(store, fence, "mail", { kind: "cursor", consumer: "me" });
      expect([base.offset, head.low, head.head]).toEqual([1, 4, 4]);
    });

    test("forgets the application's own keys by age", async () => {
      const store = await make();
      const key = (scope: string) => ({ idempotency: { scope, sequence: 0, position: 0 } });
      await append(store, "room", "x", { at: 1000, ...key("old") });
      await append(store, "room", "x", { at: 1900, ...key("young") });
      await append(store, "room", "x", {
        at: 1000,
        idempotency: { scope: "nobody", sequence: 7, position: 0 },
      });
      await store.sweep(retention({ now: 2000, keyAgeMs: 500 }));
      expect(await append(store, "room", "x", key("young"))).toMatchObject({ duplicate: true });
      expect(await append(store, "room", "x", key("old"))).toMatchObject({ duplicate: false });
      expect(
        await append(store, "room", "x", { idempotency: { scope: "nobody", sequence: 7, position: 0 } }),
      ).toMatchObject({ duplicate: false });
    });

    test("drops a stream that nothing needs for long, and never uses its id again", async () => {
      const store = await make();
      const fence = await open(store, "s", { expiresAt: 1_000_000 });
      const gone = await append(store, "gone", "x", { at: 1 });
      await join(store, fence, "has a member");
      await append(store, "s", "the session's own", { at: 1 });
      const { move } = await mailbox(store, ["me"]);
      await fill(store, "mail", [1]);
      await move("me", 1);
      const at = (now: number) => store.sweep(retention({ now, entryAgeMs: 1000 }));
      expect(await at(5000)).toMatchObject({ trimmedEntries: 3, droppedStreams: 0 });
      expect(await at(5900)).toMatchObject({ droppedStreams: 0 });
      expect(await at(6000)).toMatchObject({ droppedStreams: 1 });
      const names = ["gone", "has a member", "s", "mail"].map(keyOf);
      expect((await store.heads(names)).map((head) => head !== undefined)).toEqual([false, true, true, true]);
      const reborn = await append(store, "gone", "y");
      expect(reborn.stream).toBeGreaterThan(gone.stream);
      expect(reborn).toMatchObject({ offset: 1 });
      expect(reborn.epoch).not.toBe(gone.epoch);
    });

    test("spares a stream that is used again in time", async () => {
      const store = await make();
      const { stream } = await append(store, "room", "x", { at: 1 });
      const at = (now: number) => store.sweep(retention({ now, entryAgeMs: 1000 }));
      await at(5000);
      await append(store, "room", "y", { at: 5500 });
      expect(await at(6200)).toMatchObject({ droppedStreams: 0 });
      await at(7000);
      const fence = await open(store, "s", { expiresAt: 1_000_000 });
      expect((await join(store, fence, "room")).head).toMatchObject({ stream, head: 2 });
      expect(await at(9000)).toMatchObject({ droppedStreams: 0 });
    });
  });
}

/** Appends one entry per time. */
async function fill(store: Store, room: string, times: readonly number[]): Promise<void> {
  const [head] = await store.heads([keyOf(room)]);
  const before = head?.head ?? 0;
  for (const [index, at] of times.entries()) await append(store, room, `${before + index + 1}`, { at });
}

/** Makes the stream "mail" with one session for each consumer. */
async function mailbox(store: Store, consumers: readonly string[]) {
  let stream = 0;
  for (const consumer of consumers) {
    const fence = await open(store, `of ${consumer}`, { expiresAt: 1_000_000 });
    stream = (await join(store, fence, "mail", { kind: "cursor", consumer })).head.stream;
  }
  const move = async (consumer: string, offset: number) => {
    const [head] = await store.heads([keyOf("mail")]);
    const position = { epoch: head?.epoch ?? "", offset };
    await store.moveCursor({ consumer, stream, position });
  };
  return { move, stream };
}
