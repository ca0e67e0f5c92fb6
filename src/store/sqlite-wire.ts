/**
 * What the main thread and the SQLite worker tell each other. The two frequent operations go as flat arrays,
 * which `postMessage` copies in a third of the time that objects take; results carry only what the caller
 * does not know.
 */

import type { ErrorCode } from "../protocol/errors.ts";
import type { Operation, Result } from "./operation.ts";
import type { CommittedEntry, Outcome, Receipt, RecordRequest } from "./port.ts";
import type { SqliteFileOptions } from "./sqlite-file.ts";

export type WorkerOptions = SqliteFileOptions & {
  /** How often the worker looks for commits of others that nobody has told it of. */
  readonly followIntervalMs: number;
};

export type Command =
  | readonly ["batch", readonly WireOperation[]]
  | readonly ["maxPages", number]
  /** Another process says that it has committed. */
  | readonly ["follow"]
  | readonly ["close"];

export type Report =
  /** `followed`: the last commit whose entries need not be announced any more. */
  | readonly ["ready", followed: number]
  | readonly ["refused", code: ErrorCode, detail: string]
  | readonly ["committed", results: readonly WireResult[], followed: number]
  /** Entries of other processes, at any time. */
  | readonly ["others", entries: readonly CommittedEntry[], followed: number]
  /** The command was not carried out, none of it. */
  | readonly ["failed", code: ErrorCode, detail: string]
  | readonly ["done"];

export type WireOperation = WireAppend | WireRecord | readonly [kind: 2, operation: Operation];
export type WireResult = WireReceipts | typeof asAsked | readonly [result: Result];

export function encodeOperation(operation: Operation): WireOperation {
  if (operation.kind === "append") {
    const { keys, payload, at, except, request, idempotency, strictPayload, holding } = operation.request;
    if (idempotency === undefined) return [0, keys, payload, at, except, request];
    const { scope, sequence, position } = idempotency;
    const key = [scope, sequence, position, strictPayload === true] as const;
    return [0, keys, payload, at, except, request, ...key, holding?.generation, holding?.heard];
  }
  if (operation.kind === "record") {
    const { session, generation, node, heard, outcome, inboxLow, data } = operation.request;
    const { sequence, status, body } = outcome;
    return [1, session, generation, node, sequence, status, body, inboxLow, data, heard];
  }
  return [2, operation];
}

export function decodeOperation(wire: WireOperation): Operation {
  switch (wire[0]) {
    case 0: {
      const [, keys, payload, at, except, request, ...key] = wire;
      const [scope, sequence = 0, position = 0, strictPayload = false, generation, heard] = key;
      const optional = {
        ...(except !== undefined && { except }),
        ...(request !== undefined && { request }),
        ...(scope !== undefined && { idempotency: { scope, sequence, position }, strictPayload }),
        ...(generation !== undefined && { holding: { generation, ...(heard !== undefined && { heard }) } }),
      };
      return { kind: "append", request: { keys, payload, at, ...optional } };
    }
    case 1: {
      const [, session, generation, node, sequence, status, body, inboxLow, data, heard] = wire;
      const optional = { ...(data !== undefined && { data }), ...(heard !== undefined && { heard }) };
      const outcome = { sequence, status, body };
      return { kind: "record", request: { session, generation, node, outcome, inboxLow, ...optional } };
    }
    case 2:
      return wire[1];
  }
}

export function encodeResult(operation: Operation, result: Result): WireResult {
  if (operation.kind === "append") {
    const appended = result as
      | { readonly ok: true; readonly receipts: readonly Receipt[] }
      | { readonly ok: false };
    const [first, ...others] = appended.ok ? appended.receipts : [];
    if (first === undefined || others.length > 0) return [result];
    return [first.stream, first.epoch, first.offset, first.duplicate];
  }
  if (operation.kind === "record") {
    const recorded = result as { readonly outcome?: Outcome };
    if (recorded.outcome === operation.request.outcome) return asAsked;
  }
  return [result];
}

export function decodeResult(operation: Operation, wire: WireResult): Result {
  if (wire === asAsked) return { ok: true, outcome: (operation.request as RecordRequest).outcome };
  if (wire.length === 1) return wire[0];
  const [stream, epoch, offset, duplicate] = wire;
  return { ok: true, receipts: [{ stream, epoch, offset, duplicate, durability: "fsynced" }] };
}

/** The outcome that was sent is the one that is recorded; it need not come back. */
const asAsked = 0;

// --- types ---

type WireAppend = readonly [
  kind: 0,
  keys: readonly string[],
  payload: string,
  at: number,
  except: readonly string[] | undefined,
  request: string | undefined,
  scope?: string,
  sequence?: number,
  position?: number,
  strictPayload?: boolean,
  generation?: number | undefined,
  heard?: number | undefined,
];

type WireRecord = readonly [
  kind: 1,
  session: string,
  generation: number,
  node: string,
  sequence: number,
  status: Outcome["status"],
  body: string,
  inboxLow: number,
  data: string | undefined,
  heard: number | undefined,
];

type WireReceipts = readonly [stream: number, epoch: string, offset: number, duplicate: boolean];
