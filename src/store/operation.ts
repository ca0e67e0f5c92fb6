/**
 * Operations: every call of the port as data, so that one queue can order them and any engine can commit
 * them.
 */

import { assert } from "../protocol/errors.ts";
import type {
  AppendRequest,
  AppendResult,
  ChunkRequest,
  CommittedEntry,
  CursorRequest,
  Enrolled,
  EnrollRequest,
  Fence,
  Fenced,
  JoinRequest,
  Membership,
  OpenRequest,
  Outcome,
  Page,
  ReadRequest,
  RecordRequest,
  ResumeRequest,
  ResumeResult,
  Retention,
  SessionPeek,
  SessionSelector,
  StreamHead,
  SweepResult,
} from "./port.ts";

/** What each kind of operation takes and what it results in. */
export type OperationTable = {
  append: [request: AppendRequest, result: AppendResult];
  read: [request: ReadRequest, result: Page];
  heads: [request: readonly string[], result: readonly (StreamHead | undefined)[]];
  /** `undefined`: a session with this id exists. */
  openSession: [request: OpenRequest, result: Membership | undefined];
  peekSession: [request: { readonly session: string; readonly now: number }, result: SessionPeek | undefined];
  resumeSession: [request: ResumeRequest, result: ResumeResult];
  saveHeard: [request: Fence, result: Fenced];
  saveData: [request: Fence & { readonly data: string }, result: Fenced];
  touchSessions: [
    request: { readonly holders: readonly Fence[]; readonly expiresAt: number },
    result: readonly string[],
  ];
  endSession: [request: { readonly session: string; readonly ownKey: string }, result: undefined];
  join: [request: JoinRequest, result: Fenced<{ readonly ok: true; readonly membership: Membership }>];
  leave: [request: Fence & { readonly room: string }, result: Fenced];
  withdraw: [
    request: { readonly selector: SessionSelector; readonly rooms: readonly string[] },
    result: readonly string[],
  ];
  enroll: [request: EnrollRequest, result: readonly Enrolled[]];
  record: [request: RecordRequest, result: Fenced<{ readonly ok: true; readonly outcome: Outcome }>];
  putChunk: [request: ChunkRequest, result: Fenced<{ readonly ok: true; readonly chunks: number }>];
  readUpload: [
    request: { readonly fence: Fence; readonly sequence: number },
    result: Fenced<{ readonly ok: true; readonly text: string; readonly chunks: number }>,
  ];
  moveCursor: [request: CursorRequest, result: undefined];
  /** One bounded step; `more` asks for another. */
  sweep: [request: Retention, result: SweepResult & { readonly more: boolean }];
  /** How many streams have a new epoch. */
  renewEpochs: [request: undefined, result: number];
  figures: [request: undefined, result: StoredFigures];
};

/** The figures that an engine knows; the queue adds its own. */
export type StoredFigures = {
  readonly streams: number;
  readonly entries: number;
  readonly sessions: number;
  readonly outcomes: number;
};

export type OperationKind = keyof OperationTable;
export type RequestOf<K extends OperationKind> = OperationTable[K][0];
export type ResultOf<K extends OperationKind> = OperationTable[K][1];
export type OperationOf<K extends OperationKind> = { readonly kind: K; readonly request: RequestOf<K> };
export type Operation = { [K in OperationKind]: OperationOf<K> }[OperationKind];
export type Result = ResultOf<OperationKind>;

/** One function per kind of operation: the shape of an engine's inside. */
export type OperationHandlers = { readonly [K in OperationKind]: (request: RequestOf<K>) => ResultOf<K> };

/** Carries out one operation. The cast joins what the mapped type has already paired. */
export function applyOperation(handlers: OperationHandlers, operation: Operation): Result {
  const handler = handlers[operation.kind] as (request: unknown) => Result;
  return handler(operation.request);
}

/**
 * Operations whose caller must have seen their result before a later entry is announced: their result
 * contains a head, or changes who is a member.
 */
export function isBarrier(kind: OperationKind): boolean {
  return barriers.has(kind);
}

/**
 * A sweep is committed alone, so that it can free space while every batch with appends fails for want of it.
 * So are figures, which somebody wants to see just then.
 */
export function standsAlone(kind: OperationKind): boolean {
  return kind === "sweep" || kind === "figures";
}

/** Whether a kind of operation never writes: a batch of such takes no lock and no sync. */
export function isRead(kind: OperationKind): boolean {
  return reads.has(kind);
}

/** Estimates the bytes an operation keeps waiting: its texts, and a constant for the rest. */
export function operationBytes(operation: Operation): number {
  return operationOverheadBytes + textBytes(operation);
}

/** Returns the entries that an append has committed, none for a duplicate, a refusal or another operation. */
export function entriesOf(operation: Operation, result: Result): readonly CommittedEntry[] {
  if (operation.kind !== "append") return [];
  const { request } = operation;
  const appended = result as AppendResult;
  if (!appended.ok || appended.receipts[0]?.duplicate !== false) return [];
  return appended.receipts.map((receipt, index) => {
    const key = request.keys[index];
    assert(key !== undefined, "an append has one receipt for each key");
    const also = appended.receipts.filter((other) => other !== receipt);
    return {
      stream: receipt.stream,
      offset: receipt.offset,
      key,
      epoch: receipt.epoch,
      payload: request.payload,
      at: request.at,
      ...(request.except !== undefined && request.except.length > 0 && { except: request.except }),
      ...(also.length > 0 && { also: also.map((other) => [other.stream, other.offset] as const) }),
      ...(request.request !== undefined && { request: request.request }),
    };
  });
}

/** Asserts what every engine relies on: well-formed names, natural numbers, no key twice. */
export function assertOperation(operation: Operation): void {
  switch (operation.kind) {
    case "append": {
      const { keys, idempotency } = operation.request;
      assert(keys.length > 0, "an append names at least one stream");
      assert(keys.length === 1 || new Set(keys).size === keys.length, "an append names no stream twice");
      for (const key of keys) assertName(key);
      assertNatural(operation.request.at);
      if (idempotency === undefined) return;
      assertName(idempotency.scope);
      assertNatural(idempotency.sequence);
      return assertNatural(idempotency.position);
    }
    case "read":
      assertNatural(operation.request.stream);
      assertNatural(operation.request.after);
      return assert(operation.request.limit >= 1, "a page has room for at least one entry");
    case "record":
      assertName(operation.request.session);
      assertNatural(operation.request.inboxLow);
      return assertNatural(operation.request.outcome.sequence);
    case "putChunk":
      assertNatural(operation.request.sequence);
      return assertNatural(operation.request.index);
    case "resumeSession":
      return assertName(operation.request.claim.holder?.instance ?? "");
    case "openSession":
      assertName(operation.request.session);
      assertName(operation.request.namespace);
      assertName(operation.request.holder?.instance ?? "");
      return assertName(operation.request.namespaceKey);
    case "join":
      assertName(operation.request.room);
      assertName(operation.request.key);
      if (operation.request.from.kind === "cursor") assertName(operation.request.from.consumer);
      if (operation.request.from.kind === "last") assertNatural(operation.request.from.count);
      if (operation.request.from.kind === "after") assertNatural(operation.request.from.offset);
      return;
    case "enroll":
      for (const { room, key } of operation.request.rooms) {
        assertName(room);
        assertName(key);
      }
      return;
    case "moveCursor":
      assertNatural(operation.request.stream);
      return assertNatural(operation.request.position.offset);
    default:
      return;
  }
}

function textBytes(operation: Operation): number {
  switch (operation.kind) {
    case "append":
      return operation.request.payload.length;
    case "record":
      return operation.request.outcome.body.length + (operation.request.data?.length ?? 0);
    case "putChunk":
      return operation.request.text.length;
    case "openSession":
    case "saveData":
      return operation.request.data.length;
    case "touchSessions":
      return operation.request.holders.length * 48;
    default:
      return 0;
  }
}

/** Engines store UTF-8; half a surrogate pair would make two different names one. */
function assertName(name: string): void {
  assert(name.isWellFormed(), "names of rooms, sessions, consumers and keys are well-formed Unicode");
}

function assertNatural(value: number): void {
  assert(
    Number.isSafeInteger(value) && value >= 0,
    "offsets, sequences, counts and times are natural numbers",
  );
}

const barriers: ReadonlySet<OperationKind> = new Set([
  "read",
  "heads",
  "openSession",
  "resumeSession",
  "endSession",
  "join",
  "leave",
  "withdraw",
  "enroll",
]);

const reads: ReadonlySet<OperationKind> = new Set(["read", "heads", "peekSession", "readUpload", "figures"]);

/** What the queue holds for an operation besides its texts: the request, its promise and two functions. */
const operationOverheadBytes = 256;
