/** Contract: opening, resuming, fencing, expiring and ending sessions. */

import { describe, expect, test } from "vitest";
import { namespaceKey } from "../../protocol/stream-key.ts";
import {
  append,
  claimOf,
  closingAfterEach,
  join,
  keyOf,
  open,
  openRequest,
  payloads,
  recordRequest,
  resume,
  resumeRequest,
  retention,
} from "./contract-setup.ts";
import type { MakeStore } from "./contract-setup.ts";

export function sessionContract(makeStore: MakeStore): void {
  const make = closingAfterEach(makeStore);

  describe("sessions", () => {
    test("begin as members of the namespace, at its head", async () => {
      const store = await make();
      await store.append({ keys: [namespaceKey("/")], payload: "old", at: 1 });
      const membership = await store.openSession(openRequest("s"));
      expect(membership).toMatchObject({
        room: "",
        base: { offset: 1 },
        head: { key: namespaceKey("/"), head: 1 },
      });
      expect(membership.cursor).toBeUndefined();
    });

    test("are opened once: a taken id is a programmer's error that harms nothing beside it", async () => {
      const store = await make();
      await open(store, "s");
      const beside = append(store, "room", "1");
      await expect(store.openSession(openRequest("s"))).rejects.toThrow("new id");
      expect((await beside).offset).toBe(1);
    });

    test("can be looked at without changing anything", async () => {
      const store = await make();
      await open(store, "s", { principal: "me", data: '{"a":1}' });
      const peek = {
        tokenDigest: "digest of s",
        namespace: "/",
        principal: "me",
        generation: 1,
        node: "aaa",
        data: '{"a":1}',
        expiresAt: 10_000,
      };
      expect(await store.peekSession("s", 9_999)).toEqual(peek);
      expect(await store.peekSession("s", 9_999)).toEqual(peek);
      expect(await store.peekSession("s", 10_000)).toBeUndefined();
      expect(await store.peekSession("unknown", 1)).toBeUndefined();
    });

    test("G6: a resume returns all that was saved and raises the generation", async () => {
      const store = await make();
      const fence = await open(store, "s", { data: "1" });
      await append(store, "room", "before");
      const joined = await join(store, fence, "room");
      await append(store, "room", "after");
      const own = await append(store, "s", "for you");
      await store.saveData({ ...fence, data: "2" });
      await store.record(recordRequest(fence, 2, { body: "two", status: "rejected" }));
      await store.record(recordRequest(fence, 1, { inboxLow: 1, data: "3" }));
      await store.putChunk({ ...fence, sequence: 5, index: 0, text: "a" });
      const resumed = await resume(store, "s");
      expect(resumed).toMatchObject({ generation: 2, data: "3", previousNode: "aaa", inboxLow: 1 });
      expect(resumed.own).toMatchObject({
        stream: own.stream,
        epoch: own.epoch,
        low: 1,
        head: 1,
        key: keyOf("s"),
      });
      expect(resumed.memberships.map((membership) => membership.room)).toEqual(["", "room"]);
      expect(resumed.memberships[1]).toEqual({ ...joined, head: { ...joined.head, head: 2 } });
      expect(resumed.outcomes).toEqual([
        { sequence: 1, status: "ok", body: "reply 1" },
        { sequence: 2, status: "rejected", body: "two" },
      ]);
      expect(resumed.uploads).toEqual([{ sequence: 5, chunks: 1 }]);
      expect(await resume(store, "s")).toMatchObject({ generation: 3, previousNode: "bbb" });
    });

    test("G6: a resume goes above the generation that the client knows of", async () => {
      const store = await make();
      await open(store, "s");
      const claim = (generation: number) => claimOf("me", generation, generation);
      expect(await resume(store, "s", { claim: claim(7) })).toMatchObject({ generation: 8 });
      expect(await resume(store, "s", { claim: claim(8) })).toMatchObject({ generation: 9 });
      const fence = { session: "s", generation: 9, node: "bbb" };
      expect(await store.saveData({ ...fence, data: "1" })).toEqual({ ok: true });
    });

    test("G6: a resume is refused by name", async () => {
      const store = await make();
      await open(store, "s", { principal: "me" });
      const refusals = [
        resumeRequest("unknown"),
        resumeRequest("s", { principal: "me", now: 10_000 }),
        resumeRequest("s", { principal: "me", tokenDigest: "x" }),
        resumeRequest("s", { principal: "you" }),
        resumeRequest("s"),
      ].map(async (request) => {
        const result = await store.resumeSession(request);
        return result.ok ? "ok" : result.reason;
      });
      const reasons = [
        "unknown_session",
        "unknown_session",
        "wrong_token",
        "wrong_principal",
        "wrong_principal",
      ];
      expect(await Promise.all(refusals)).toEqual(reasons);
      expect(await store.peekSession("s", 1)).toMatchObject({
        generation: 1,
        node: "aaa",
        expiresAt: 10_000,
      });
    });

    test("G6: every write of an older generation is refused and changes nothing", async () => {
      const store = await make();
      const old = await open(store, "s");
      await resume(store, "s");
      const request = { room: "room", key: keyOf("room"), from: { kind: "head" }, show: true } as const;
      const writes = await Promise.all([
        store.saveData({ ...old, data: "old" }),
        store.join({ ...old, ...request }),
        store.leave({ ...old, room: "" }),
        store.record(recordRequest(old, 1, { inboxLow: 9, data: "old" })),
        store.putChunk({ ...old, sequence: 1, index: 0, text: "old" }),
        store.readUpload(old, 1),
        store.saveData({ session: "s", generation: 3, node: "bbb", data: "ahead" }),
        store.saveData({ session: "s", generation: 2, node: "aaa", data: "another holder" }),
        store.saveData({ session: "unknown", generation: 1, node: "aaa", data: "x" }),
      ]);
      for (const write of writes) expect(write).toEqual({ ok: false, reason: "stale_generation" });
      const resumed = await resume(store, "s");
      expect(resumed).toMatchObject({ data: "{}", inboxLow: 0, outcomes: [], uploads: [] });
      expect(resumed.memberships.map((membership) => membership.room)).toEqual([""]);
    });

    test("expire unless they are touched, with all that hangs from them", async () => {
      const store = await make();
      const fence = await open(store, "gone");
      const kept = await open(store, "kept");
      await append(store, "gone", "own");
      await store.record(recordRequest(fence, 1));
      await append(store, "room", "x", { idempotency: { scope: "gone", sequence: 1, position: 0 } });
      const unknown = { ...kept, session: "unknown" };
      expect(await store.touchSessions([kept, unknown], 50_000)).toEqual(["unknown"]);
      const swept = await store.sweep(retention({ now: 10_000 }));
      expect(swept.expiredSessions).toEqual(["gone"]);
      expect(await store.peekSession("kept", 1)).toMatchObject({ expiresAt: 50_000 });
      expect(await store.peekSession("gone", 1)).toBeUndefined();
      expect(await store.heads([keyOf("gone")])).toEqual([undefined]);
      expect(await store.figures()).toMatchObject({ sessions: 1, outcomes: 0 });
      expect((await store.resumeSession(resumeRequest("gone"))).ok).toBe(false);
    });

    test("end with outcomes, uploads, keys, memberships and their own stream", async () => {
      const store = await make();
      const fence = await open(store, "s");
      const own = await append(store, "s", "own");
      await join(store, fence, "room");
      await store.record(recordRequest(fence, 1));
      await store.putChunk({ ...fence, sequence: 2, index: 0, text: "a" });
      const idempotency = { scope: "s", sequence: 1, position: 0 };
      await append(store, "room", "x", { idempotency });
      await store.endSession("s", keyOf("s"));
      await store.endSession("s", keyOf("s"));
      expect(await store.figures()).toMatchObject({ sessions: 0, outcomes: 0 });
      expect(await store.heads([keyOf("s")])).toEqual([undefined]);
      expect(await payloads(store, own.stream)).toEqual([]);
      await open(store, "s");
      const resumed = await resume(store, "s");
      expect(resumed).toMatchObject({ generation: 2, outcomes: [], uploads: [], own: undefined });
      expect(resumed.memberships.map((membership) => membership.room)).toEqual([""]);
      expect(await append(store, "room", "x", { idempotency })).toMatchObject({ duplicate: false });
      // Another history under the same name never looks like the old one.
      const next = await append(store, "s", "own again");
      expect(next.stream).toBeGreaterThan(own.stream);
      expect(next.epoch).not.toBe(own.epoch);
    });

    test("G5: leave their keys behind for a while, for handlers that still run", async () => {
      const store = await make();
      await open(store, "s");
      const idempotency = { scope: "s", sequence: 1, position: 0 };
      const first = await append(store, "room", "x", { idempotency });
      await store.endSession("s", keyOf("s"));
      await store.sweep(retention({ keyAgeMs: 1 }));
      expect(await append(store, "room", "x", { idempotency })).toEqual({ ...first, duplicate: true });
      await store.sweep(retention({ now: 10 ** 12, keyAgeMs: 1 }));
      expect(await append(store, "room", "x", { idempotency })).toMatchObject({ duplicate: false });
    });

    test("leave their own stream to others who read it", async () => {
      const store = await make();
      await open(store, "s");
      const reader = await open(store, "reader");
      const { stream } = await append(store, "s", "own");
      await join(store, reader, "s");
      await store.endSession("s", keyOf("s"));
      expect(await payloads(store, stream)).toEqual(["own"]);
      expect((await resume(store, "reader")).memberships[1]?.head).toMatchObject({ stream, head: 1 });
    });
  });
}
