/**
 * Commands of the script, and what they answer: one function for each, so that its arguments have names and
 * types.
 */

import { DeliveryError } from "../../protocol/errors.ts";
import type { AppendRequest, Entry, Fence, Membership, Outcome, Page, StreamHead } from "../port.ts";

/** One command, on its way to the partition that holds what it is about. */
export type Command = {
  readonly partition: number;
  readonly name: string;
  readonly arguments: readonly string[];
  /** Keys, without what all names of a partition begin with, that the command may touch. */
  readonly keys: readonly string[];
  readonly writes: boolean;
};

/** What a script returns: texts, whole numbers, null, and lists of them. */
export type Answer = string | number | null | readonly Answer[];

export function command(
  partition: number,
  name: string,
  values: readonly (string | number)[],
  keys: readonly string[],
  mode: "reads" | "writes" = "writes",
): Command {
  return { partition, name, arguments: values.map(String), keys, writes: mode === "writes" };
}

export function keysOfStream(key: string): string[] {
  return [`s:${key}`, `l:${key}`, `u:${key}`, `m:${key}`];
}

export function keysOfSession(session: string): string[] {
  return [`h:${session}`, `v:${session}`, `k:${session}`, `y:${session}`];
}

/** Arguments with which every write of a session's holder begins. */
export function fenced({ session, generation, node, heard }: Fence): (string | number)[] {
  return [session, generation, node, heard ?? 0];
}

/** What somebody is told who does not hold the session. */
export const stale = { ok: false, reason: "stale_generation" } as const;

// --- answers ---

export function list(answer: Answer | undefined): readonly Answer[] {
  if (!Array.isArray(answer)) throw unexpected(answer);
  return answer as readonly Answer[];
}

export function text(answer: Answer | undefined): string {
  if (typeof answer !== "string") throw unexpected(answer);
  return answer;
}

export function count(answer: Answer | undefined): number {
  const value = typeof answer === "string" ? Number(answer) : answer;
  if (typeof value !== "number" || !Number.isSafeInteger(value)) throw unexpected(answer);
  return value;
}

/** Fields and values of a hash, as `HGETALL` lists them. */
export function fields(answer: Answer | undefined): Map<string, string> {
  const flat = list(answer);
  const map = new Map<string, string>();
  for (let index = 0; index + 1 < flat.length; index += 2) map.set(text(flat[index]), text(flat[index + 1]));
  return map;
}

/** An empty list stands for a stream that does not exist. */
export function headOf(answer: Answer | undefined): StreamHead | undefined {
  const [stream, key, epoch, low, head, past] = list(answer);
  if (stream === undefined) return undefined;
  const earlier = text(past)
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [name = "", until = "0"] = line.split(" ");
      return { epoch: name, offset: Number(until) };
    });
  return {
    stream: count(stream),
    key: text(key),
    epoch: text(epoch),
    low: count(low),
    head: count(head),
    ...(earlier.length > 0 && { earlier }),
  };
}

export function pageOf(answer: Answer | undefined): Page {
  const [head, entries] = list(answer);
  if (head === undefined) return { head: undefined, entries: [] };
  const found = headOf(head);
  return { head: found, entries: list(entries).map((entry) => entryOf(found?.stream ?? 0, entry)) };
}

/** An entry of a log: its id is its offset and its time, its fields are named in `script-streams.ts`. */
function entryOf(stream: number, answer: Answer): Entry {
  const [id, flat] = list(answer);
  const [offset = "", at = ""] = text(id).split("-");
  const known = fields(flat);
  return {
    stream,
    offset: Number(offset),
    payload: known.get("p") ?? "",
    at: Number(at),
    ...rest(parsed(known.get("x")), parsed(known.get("o")), parsed(known.get("r"))),
  };
}

/** What an entry may have beside its payload, from its JSON. */
export function rest(except: unknown, also: unknown, request: unknown): Partial<Entry> {
  return {
    ...(Array.isArray(except) && { except: except as string[] }),
    ...(Array.isArray(also) && { also: also as [number, number][] }),
    ...(typeof request === "string" && { request }),
  };
}

function parsed(json: string | undefined): unknown {
  return json === undefined ? undefined : JSON.parse(json);
}

/** A membership as its session keeps it: without the head, which is the stream's. */
export type StoredMembership = {
  readonly room: string;
  readonly key: string;
  readonly base: { readonly epoch: string; readonly offset: number };
  readonly cursor: string | undefined;
  readonly show: boolean;
};

export function encodeMembership({ room, key, base, cursor, show }: StoredMembership): string {
  return JSON.stringify([room, key, base.epoch, base.offset, cursor ?? null, show ? 1 : 0]);
}

export function decodeMembership(json: string): StoredMembership {
  const [room, key, epoch, offset, cursor, show] = JSON.parse(json) as [
    string,
    string,
    string,
    number,
    string | null,
    number,
  ];
  return { room, key, base: { epoch, offset }, cursor: cursor ?? undefined, show: show === 1 };
}

export function membershipOf(stored: StoredMembership, head: StreamHead): Membership {
  const { room, base, cursor, show } = stored;
  return { room, head, base, show, ...(cursor !== undefined && { cursor }) };
}

export function encodeOutcome({ status, body }: Outcome): string {
  return `${statuses.indexOf(status)}${body}`;
}

export function decodeOutcome(sequence: number, stored: string): Outcome {
  const status = statuses[Number(stored.slice(0, 1))];
  if (status === undefined) throw unexpected(stored);
  return { sequence, status, body: stored.slice(1) };
}

export function idempotencyField(key: NonNullable<AppendRequest["idempotency"]>): string {
  return `${key.sequence}:${key.position}`;
}

function unexpected(answer: unknown): DeliveryError {
  const detail = `Redis answered ${JSON.stringify(answer)?.slice(0, 100)} where something else was expected`;
  return new DeliveryError("store_unavailable", { detail });
}

/** Stored as its index; only ever add at the end. */
const statuses = ["ok", "rejected", "expired"] as const satisfies readonly Outcome["status"][];
