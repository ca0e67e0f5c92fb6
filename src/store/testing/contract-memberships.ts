/** Contract: joining from a place, leaving, withdrawing. */

import { describe, expect, test } from "vitest";
import { append, closingAfterEach, join, keyOf, open, openRequest, resume } from "./contract-setup.ts";
import type { MakeStore } from "./contract-setup.ts";
import type { Store } from "../port.ts";

export function membershipContract(makeStore: MakeStore): void {
  const make = closingAfterEach(makeStore);

  describe("memberships", () => {
    test("begin at the head, some entries back, after an offset, or at a cursor", async () => {
      const store = await make();
      for (const text of ["1", "2", "3", "4", "5"]) await append(store, "room", text);
      const bases = {
        head: [{ kind: "head" }, 5],
        last: [{ kind: "last", count: 2 }, 3],
        "last of more than there are": [{ kind: "last", count: 50 }, 0],
        after: [{ kind: "after", offset: 1 }, 1],
        "after more than there are": [{ kind: "after", offset: 9 }, 5],
        cursor: [{ kind: "cursor", consumer: "me" }, 0],
      } as const;
      for (const [name, [from, offset]] of Object.entries(bases)) {
        const membership = await join(store, await open(store, name), "room", from);
        expect([name, membership.base]).toEqual([name, { epoch: membership.head.epoch, offset }]);
        expect(membership.head).toMatchObject({ low: 1, head: 5, key: keyOf("room") });
      }
    });

    test("create the stream of an empty room", async () => {
      const store = await make();
      const { head, base } = await join(store, await open(store, "s"), "empty");
      expect(head).toMatchObject({ low: 1, head: 0 });
      expect(base.offset).toBe(0);
      expect(await append(store, "empty", "1")).toMatchObject({
        stream: head.stream,
        epoch: head.epoch,
        offset: 1,
      });
    });

    test("keep their base when they are joined again", async () => {
      const store = await make();
      const fence = await open(store, "s");
      const first = await join(store, fence, "room");
      await append(store, "room", "1");
      const again = await join(store, fence, "room", { kind: "last", count: 0 });
      expect(again).toEqual({ ...first, head: { ...first.head, head: 1 } });
      await store.leave({ ...fence, room: "room" });
      expect((await join(store, fence, "room")).base.offset).toBe(1);
    });

    test("begin anew with a cursor that they did not read with before", async () => {
      const store = await make();
      const fence = await open(store, "s");
      await append(store, "mail", "1");
      await join(store, fence, "mail");
      const from = { kind: "cursor", consumer: "me" } as const;
      expect(await join(store, fence, "mail", from)).toMatchObject({ cursor: "me", base: { offset: 0 } });
      expect((await resume(store, "s")).memberships[1]).toMatchObject({ cursor: "me", base: { offset: 0 } });
    });

    test("remember whether the client is told the room's name", async () => {
      const store = await make();
      const fence = await open(store, "s");
      const request = {
        ...fence,
        room: "room",
        key: keyOf("room"),
        from: { kind: "head" },
        show: true,
      } as const;
      expect(await store.join(request)).toMatchObject({ membership: { show: true } });
      expect((await resume(store, "s")).memberships[1]).toMatchObject({ room: "room", show: true });
    });

    test("end by leaving; leaving where one is not is nothing", async () => {
      const store = await make();
      const fence = await open(store, "s");
      await join(store, fence, "room");
      expect(await store.leave({ ...fence, room: "room" })).toEqual({ ok: true });
      expect(await store.leave({ ...fence, room: "room" })).toEqual({ ok: true });
      expect(await rooms(store, "s")).toEqual([]);
    });

    test("are given to sessions chosen as Socket.IO chooses sockets, from this place on", async () => {
      const store = await make();
      for (const session of ["a", "b", "c"]) await join(store, await open(store, session), "x");
      const before = await join(store, { session: "a", generation: 1, node: "aaa" }, "y");
      await store.openSession(openRequest("foreign", { namespace: "/other", namespaceKey: "6/other*" }));
      const enroll = async (from: string[], except: string[], ...what: string[]) => {
        const selector = { namespace: "/", rooms: from, except };
        const named = what.map((room) => ({ room, key: keyOf(room) }));
        const begun = await store.enroll({ selector, rooms: named, show: true });
        return begun.map(({ session, membership }) => `${session} ${membership.room}`).sort();
      };
      const [, enrolled] = await Promise.all([
        append(store, "y", "before"),
        enroll(["x"], ["c"], "y", "z"),
        append(store, "y", "after"),
      ]);
      expect(enrolled).toEqual(["a z", "b y", "b z"]);
      const { memberships } = await resume(store, "b");
      expect(memberships.map(({ room, base, show }) => [room, base.offset, show])).toEqual([
        ["", 0, false],
        ["x", 0, false],
        ["y", 1, true],
        ["z", 0, true],
      ]);
      // Who was a member before stays one from then.
      const kept = (await resume(store, "a")).memberships.find(({ room }) => room === "y");
      expect(kept).toEqual({ ...before, head: { ...before.head, head: 2 } });
      expect(await enroll(["c"], [], "y")).toEqual(["c y"]);
      expect(await enroll([], [], "y")).toEqual([]);
      expect(await enroll(["nobody", "foreign"], [], "y")).toEqual([]);
      expect(await rooms(store, "foreign")).toEqual([]);
    });

    test("are withdrawn from sessions chosen as Socket.IO chooses sockets", async () => {
      const store = await make();
      for (const [session, joined] of Object.entries({
        a: ["x", "y"],
        b: ["x"],
        c: ["y"],
        d: ["x", "quiet"],
      })) {
        const fence = await open(store, session);
        for (const room of joined) await join(store, fence, room);
      }
      await store.openSession(openRequest("foreign", { namespace: "/other", namespaceKey: "6/other*" }));
      await join(store, { session: "foreign", generation: 1, node: "aaa" }, "x");
      const withdraw = async (from: string[], except: string[], what: string[]) =>
        [...(await store.withdraw({ namespace: "/", rooms: from, except }, what))].sort();
      expect(await withdraw(["x"], ["quiet"], ["y"])).toEqual(["a"]);
      expect(await rooms(store, "a")).toEqual(["x"]);
      expect(await withdraw(["b"], [], ["x", "none"])).toEqual(["b"]);
      expect(await withdraw([], ["a"], ["x", "y"])).toEqual(["c", "d"]);
      expect(await withdraw([], [], ["x"])).toEqual(["a"]);
      expect(await withdraw([], [], ["x"])).toEqual([]);
      expect(await withdraw(["nowhere"], [], ["x"])).toEqual([]);
      expect(await rooms(store, "d")).toEqual(["quiet"]);
      expect(await rooms(store, "foreign")).toEqual(["x"]);
    });
  });
}

/** Rooms of a session besides the namespace, as a resume sees them. */
async function rooms(store: Store, session: string): Promise<string[]> {
  const { memberships } = await resume(store, session);
  return memberships.map((membership) => membership.room).filter((room) => room !== "");
}
