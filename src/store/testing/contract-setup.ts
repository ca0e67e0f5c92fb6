/**
 * What the parts of the contract suite share: making stores, and requests with the usual values filled in.
 */

import { afterEach } from "vitest";
import { assert } from "../../protocol/errors.ts";
import type { Claim } from "../../protocol/holder.ts";
import { namespaceKey, roomKey } from "../../protocol/stream-key.ts";
import type * as port from "../port.ts";

/** Opens an empty store. The limits are given only where a test is about them. */
export type MakeStore = (limits?: { queueLimit?: number; queueBytesLimit?: number }) => Promise<port.Store>;

export const namespace = "/";

export function keyOf(room: string): string {
  return roomKey(namespace, room);
}

/** Returns a `make` whose stores are closed after each test. */
export function closingAfterEach(make: MakeStore): MakeStore {
  const open: port.Store[] = [];
  afterEach(async () => {
    await Promise.all(open.splice(0).map((store) => store.close()));
  });
  return async (limits) => {
    const store = await make(limits);
    open.push(store);
    return store;
  };
}

/** Appends one entry and returns its receipt. */
export async function append(
  store: port.Store,
  room: string,
  payload: string,
  more: Partial<port.AppendRequest> = {},
): Promise<port.Receipt> {
  const result = await store.append({ keys: [keyOf(room)], payload, at: 1000, ...more });
  assert(result.ok, "the append was taken");
  const [receipt] = result.receipts;
  assert(receipt !== undefined, "an append has a receipt");
  return receipt;
}

/** Opens a session with generation 1. */
export async function open(
  store: port.Store,
  session: string,
  more: Partial<port.OpenRequest> = {},
): Promise<port.Fence> {
  await store.openSession(openRequest(session, more));
  return { session, generation: 1, node: openRequest(session, more).node };
}

export function openRequest(session: string, more: Partial<port.OpenRequest> = {}): port.OpenRequest {
  return {
    session,
    tokenDigest: `digest of ${session}`,
    namespace,
    principal: undefined,
    node: "aaa",
    data: "{}",
    namespaceKey: namespaceKey(namespace),
    now: 1000,
    expiresAt: 10_000,
    ...more,
  };
}

export function resumeRequest(session: string, more: Partial<port.ResumeRequest> = {}): port.ResumeRequest {
  return {
    session,
    tokenDigest: `digest of ${session}`,
    principal: undefined,
    node: "bbb",
    // Of a client that does not name itself and knows of everything.
    claim: { low: Number.POSITIVE_INFINITY, next: Number.POSITIVE_INFINITY },
    now: 2000,
    expiresAt: 20_000,
    ...more,
  };
}

/** A claim of a client that knows of everything, unless told otherwise. */
export function claimOf(
  instance: string,
  attempt: number,
  generation: number,
  more: { readonly low?: number; readonly next?: number } = {},
): Claim {
  const all = Number.POSITIVE_INFINITY;
  return { holder: { instance, attempt, generation }, low: all, next: all, ...more };
}

export async function resume(
  store: port.Store,
  session: string,
  more: Partial<port.ResumeRequest> = {},
): Promise<port.ResumedSession> {
  const result = await store.resumeSession(resumeRequest(session, more));
  assert(result.ok, "the session was resumed");
  return result;
}

export async function join(
  store: port.Store,
  fence: port.Fence,
  room: string,
  from: port.JoinFrom = { kind: "head" },
): Promise<port.Membership> {
  const result = await store.join({ ...fence, room, key: keyOf(room), from, show: false });
  assert(result.ok, "the session joined");
  return result.membership;
}

export async function payloads(store: port.Store, stream: number, after = 0): Promise<string[]> {
  const page = await store.read({ stream, after, limit: 1000, charactersLimit: 1_000_000 });
  return page.entries.map((entry) => entry.payload);
}

/** The payloads of a room, whatever number its stream has. */
export async function payloadsOf(store: port.Store, room: string): Promise<string[]> {
  const [head] = await store.heads([keyOf(room)]);
  assert(head !== undefined, "the room has a stream");
  return payloads(store, head.stream);
}

export function recordRequest(
  fence: port.Fence,
  sequence: number,
  more: { body?: string; inboxLow?: number; data?: string; status?: port.Outcome["status"] } = {},
): port.RecordRequest {
  const { body = `reply ${sequence}`, inboxLow = 0, data, status = "ok" } = more;
  const request = { ...fence, outcome: { sequence, status, body }, inboxLow };
  return data === undefined ? request : { ...request, data };
}

/** Retention that keeps everything; a test lowers what it is about. */
export function retention(more: Partial<port.Retention> = {}): port.Retention {
  const forever = 1_000_000_000;
  return {
    now: 2000,
    entryAgeMs: forever,
    entriesPerStream: forever,
    mailboxAgeMs: forever,
    mailboxEntries: forever,
    keyAgeMs: forever,
    ...more,
  };
}
