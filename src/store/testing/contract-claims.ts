/** Contract: of the copies of one client's state the store lets one go on with the session. */

import { describe, expect, test } from "vitest";
import type { Holder } from "../../protocol/holder.ts";
import type * as port from "../port.ts";
import {
  append,
  claimOf,
  closingAfterEach,
  open,
  recordRequest,
  resume,
  resumeRequest,
} from "./contract-setup.ts";
import type { MakeStore } from "./contract-setup.ts";

export function claimContract(makeStore: MakeStore): void {
  const make = closingAfterEach(makeStore);

  describe("claims", () => {
    test("G6: an attempt that its own client has given up comes late and changes nothing", async () => {
      const store = await make();
      await open(store, "s", { holder: { instance: "page", attempt: 1 } });
      expect(await resume(store, "s", { claim: claimOf("page", 3, 1) })).toMatchObject({ generation: 2 });
      for (const attempt of [1, 2, 3]) expect(await reason(store, claimOf("page", attempt, 1))).toBe("late");
      expect(await store.peekSession("s", 1)).toMatchObject({
        generation: 2,
        node: "bbb",
        expiresAt: 20_000,
      });
      expect(await resume(store, "s", { claim: claimOf("page", 4, 1) })).toMatchObject({ generation: 3 });
    });

    test("G6: a copy is refused once another life of the client has been heard", async () => {
      const store = await make();
      await open(store, "s", { holder: { instance: "page", attempt: 1 } });
      const { generation } = await resume(store, "s", { claim: claimOf("copy", 1, 1) });
      // Its welcome may be lost: until it is heard the page goes on.
      expect(await resume(store, "s", { claim: claimOf("page", 2, 1) })).toMatchObject({ generation: 3 });
      const again = await resume(store, "s", { claim: claimOf("copy", 2, generation) });
      const fence = { session: "s", node: "bbb", generation: again.generation, heard: again.generation };
      expect(await store.saveHeard(fence)).toEqual({ ok: true });
      expect(await reason(store, claimOf("page", 3, 3))).toBe("copy");
      expect(await resume(store, "s", { claim: claimOf("copy", 3, again.generation) })).toMatchObject({
        generation: again.generation + 1,
        heard: again.generation,
      });
    });

    test("G6: every write says in which generation the client was heard", async () => {
      const store = await make();
      const writes: ((fence: port.Fence) => Promise<unknown>)[] = [
        (fence) => store.saveData({ ...fence, data: "1" }),
        (fence) => store.record(recordRequest(fence, 1)),
        (fence) => store.putChunk({ ...fence, sequence: 1, index: 0, text: "a" }),
        (fence) => store.leave({ ...fence, room: "room" }),
      ];
      for (const [index, write] of writes.entries()) {
        const session = `s${index}`;
        await open(store, session, { holder: { instance: "page", attempt: 1 } });
        const { generation } = await resume(store, session, { claim: claimOf("copy", 1, 1) });
        await write({ session, node: "bbb", generation, heard: generation });
        expect(await reason(store, claimOf("page", 2, 1), session)).toBe("copy");
      }
    });

    test("G1: whoever would use a sequence again that has had another event is a copy", async () => {
      const store = await make();
      const fence = await open(store, "s");
      await store.record(recordRequest(fence, 2, { inboxLow: 2 }));
      await store.putChunk({ ...fence, sequence: 3, index: 0, text: "a" });
      expect(await reason(store, { low: 2, next: 3 })).toBe("copy");
      await append(store, "room", "x", { idempotency: { scope: "s", sequence: 5, position: 0 } });
      expect(await reason(store, { low: 2, next: 5 })).toBe("copy");
      expect(await reason(store, { low: 1, next: 6 })).toBe("copy");
      expect(await resume(store, "s", { claim: { low: 2, next: 6 } })).toMatchObject({ generation: 2 });
    });

    test("G1: a handler of an earlier life publishes nothing under sequences of the next", async () => {
      const store = await make();
      await open(store, "s", { holder: { instance: "page", attempt: 1 } });
      const key = { scope: "s", sequence: 1, position: 0 };
      const publish = (generation: number) =>
        store.append({
          keys: ["room"],
          payload: "x",
          at: 1,
          idempotency: key,
          holding: { generation, heard: generation },
        });
      // The same life, elsewhere: its handler may still be running.
      await resume(store, "s", { claim: claimOf("page", 2, 1) });
      expect(await publish(1)).toMatchObject({ ok: true });
      const { generation } = await resume(store, "s", { claim: claimOf("copy", 1, 2) });
      expect(await publish(2)).toEqual({ ok: false, reason: "stale_generation" });
      expect(await publish(generation)).toMatchObject({ ok: true, receipts: [{ duplicate: true }] });
    });

    test("G6: copies that are never heard do not take turns for ever", async () => {
      const store = await make();
      await open(store, "s", { holder: { instance: "0", attempt: 1 } });
      const known = new Map<string, number>([
        ["0", 1],
        ["1", 1],
      ]);
      let turns = 0;
      for (; turns < 100; turns++) {
        const instance = String((turns + 1) % 2);
        const claim = claimOf(instance, turns + 2, known.get(instance) ?? 0);
        const result = await store.resumeSession(resumeRequest("s", { claim }));
        if (!result.ok) break;
        known.set(instance, result.generation);
      }
      expect(turns).toBeGreaterThan(3);
      expect(turns).toBeLessThan(30);
    });
  });
}

async function reason(
  store: port.Store,
  claim: { readonly holder?: Holder | undefined; readonly low: number; readonly next: number },
  session = "s",
): Promise<string> {
  const result = await store.resumeSession(resumeRequest(session, { claim, now: 3000, expiresAt: 30_000 }));
  return result.ok ? "goes on" : result.reason;
}
