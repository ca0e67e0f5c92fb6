/** Random programs, run on both engines: every result and every announcement must be the same. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join as joinPath } from "node:path";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { openStore } from "./open.ts";
import type { Store } from "./open.ts";
import { keyOf, openRequest, recordRequest, resumeRequest } from "./testing/contract-setup.ts";

const folder = mkdtempSync(joinPath(tmpdir(), "holdfast-agree-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("memory and sqlite give the same results for the same calls", { timeout: 120_000 }, async () => {
  let run = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(call, { maxLength: 20, size: "max" }), { maxLength: 12, size: "max" }),
      async (batches) => {
        run += 1;
        const address = `sqlite:${joinPath(folder, `${run}.db`)}`;
        const memory = await openStore("memory:");
        let sqlite = await openStore(address);
        try {
          for (const [index, batch] of batches.entries()) {
            const [expected, actual] = await Promise.all([runBatch(memory, batch), runBatch(sqlite, batch)]);
            expect(actual).toEqual(expected);
            if (index % 5 !== 4) continue;
            // What the engine holds in memory must make no difference.
            await sqlite.close();
            sqlite = await openStore(address);
          }
        } finally {
          await Promise.all([memory.close(), sqlite.close()]);
        }
      },
    ),
    { numRuns: 25 },
  );
});

/** Calls all at once, so that they share a commit, and returns what came of it with the epochs made alike. */
async function runBatch(store: Store, batch: readonly Call[]): Promise<unknown> {
  const announced: unknown[] = [];
  store.onCommitted((entries) => announced.push(...entries));
  const results = await Promise.allSettled(batch.map((operation) => operation(store)));
  const outcome = results.map((result) =>
    result.status === "fulfilled" ? (result.value ?? "nothing") : String(result.reason),
  );
  return JSON.parse(JSON.stringify({ outcome, announced }), alike);
}

/**
 * Epochs are random and durability differs by design; the ids of what was withdrawn and expired have no
 * order.
 */
function alike(name: string, value: unknown): unknown {
  if (name === "epoch") return "some epoch";
  if (name === "durability") return "some durability";
  if (Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === "string")) {
    return value.toSorted();
  }
  return value;
}

type Call = (store: Store) => Promise<unknown>;

const room = fc.constantFrom("a", "b", "s1", "s2");
const session = fc.constantFrom("s1", "s2", "s3");
const sequence = fc.integer({ min: 1, max: 60 });
const consumer = fc.constantFrom("me", "you");
const time = fc.integer({ min: 1000, max: 4000 });
const fence = fc.record({
  session,
  generation: fc.constantFrom(1, 1, 2, 3),
  node: fc.constantFrom("aaa", "bbb"),
});
const from = fc.oneof(
  fc.constant({ kind: "head" } as const),
  fc.record({ kind: fc.constant("last" as const), count: fc.integer({ min: 0, max: 5 }) }),
  fc.record({ kind: fc.constant("after" as const), offset: fc.integer({ min: 0, max: 9 }) }),
  fc.record({ kind: fc.constant("cursor" as const), consumer }),
);

const append = fc
  .record({
    rooms: fc.uniqueArray(room, { minLength: 1, maxLength: 3 }),
    payload: fc.constantFrom("x", "yy"),
    at: time,
    key: fc.option(
      fc.record({ scope: session, sequence: fc.constantFrom(0, 1, 2, 40), position: fc.nat(1) }),
    ),
    strict: fc.boolean(),
    except: fc.option(fc.uniqueArray(room)),
  })
  .map(({ rooms, payload, at, key, strict, except }): Call => {
    const more = {
      ...(key !== null && { idempotency: key, strictPayload: strict }),
      ...(except !== null && { except }),
    };
    return (store) => store.append({ keys: rooms.map(keyOf), payload, at, ...more });
  });

const sweep = fc
  .record({
    now: time,
    entryAgeMs: fc.constantFrom(0, 500, 100_000),
    entriesPerStream: fc.constantFrom(2, 1000),
    mailboxAgeMs: fc.constantFrom(200, 1000, 100_000),
    mailboxEntries: fc.constantFrom(3, 1000),
    keyAgeMs: fc.constantFrom(500, 100_000),
  })
  .map(
    (retention): Call =>
      (store) =>
        store.sweep(retention),
  );

const call: fc.Arbitrary<Call> = fc.oneof(
  { arbitrary: append, weight: 6 },
  sweep,
  fc.tuple(session, time).map(
    ([id, now]): Call =>
      (store) =>
        store.openSession(openRequest(id, { now, expiresAt: now + 2000 })),
  ),
  fc.tuple(session, time).map(
    ([id, now]): Call =>
      (store) =>
        store.resumeSession(resumeRequest(id, { now, expiresAt: now + 2000 })),
  ),
  fc.tuple(session, time).map(
    ([id, now]): Call =>
      (store) =>
        store.peekSession(id, now),
  ),
  fc.tuple(fence, room, from).map(([held, name, place]): Call => {
    return (store) => store.join({ ...held, room: name, key: keyOf(name), from: place, show: name === "a" });
  }),
  fc.tuple(fence, room).map(
    ([held, name]): Call =>
      (store) =>
        store.leave({ ...held, room: name }),
  ),
  fc.tuple(fc.uniqueArray(room), fc.uniqueArray(room), fc.uniqueArray(room)).map(
    ([rooms, except, what]): Call =>
      (store) =>
        store.withdraw({ namespace: "/", rooms, except }, what),
  ),
  fc.tuple(fc.uniqueArray(room), fc.uniqueArray(room), fc.uniqueArray(room)).map(
    ([rooms, except, what]): Call =>
      (store) => {
        const named = what.map((name) => ({ room: name, key: keyOf(name) }));
        return store.enroll({ selector: { namespace: "/", rooms, except }, rooms: named, show: false });
      },
  ),
  fc.tuple(fence, sequence, fc.integer({ min: 0, max: 50 })).map(([held, number, inboxLow]): Call => {
    return (store) =>
      store.record(recordRequest(held, number, { inboxLow, body: `${inboxLow}`, data: "new" }));
  }),
  fc.tuple(fence, sequence, fc.nat(2)).map(
    ([held, number, index]): Call =>
      (store) =>
        store.putChunk({ ...held, sequence: number % 3, index, text: `${index}` }),
  ),
  fc.tuple(fence, sequence).map(
    ([held, number]): Call =>
      (store) =>
        store.readUpload(held, number % 3),
  ),
  fc.tuple(consumer, room, fc.nat(9)).map(([name, where, offset]): Call => {
    return async (store) => {
      const [head] = await store.heads([keyOf(where)]);
      const position = { epoch: head?.epoch ?? "", offset };
      return store.moveCursor({ consumer: name, stream: head?.stream ?? 99, position });
    };
  }),
  fc.tuple(fc.integer({ min: 1, max: 6 }), fc.nat(9), fc.integer({ min: 1, max: 4 })).map(
    ([stream, after, limit]): Call =>
      (store) =>
        store.read({ stream, after, limit, charactersLimit: limit }),
  ),
  fc.constant<Call>((store) => store.heads(["a", "b", "s1", "s2"].map(keyOf))),
  session.map(
    (id): Call =>
      (store) =>
        store.endSession(id, keyOf(id)),
  ),
  fc.tuple(fc.array(fence, { maxLength: 3 }), time).map(
    ([holders, now]): Call =>
      (store) =>
        store.touchSessions(holders, now + 2000),
  ),
  fc.constant<Call>((store) => store.renewEpochs()),
  fc.constant<Call>((store) => store.figures()),
);
