/** Plans of what happens at sessions: opening, resuming, fenced writes, ending. */

import { judge, takeover } from "../../protocol/holder.ts";
import type { Claimed } from "../../protocol/holder.ts";
import { roomKey } from "../../protocol/stream-key.ts";
import type { RequestOf, ResultOf } from "../operation.ts";
import type { Fence, Fenced, OpenRequest, ResumedSession, ResumeRequest } from "../port.ts";
import {
  type Answer,
  command,
  count,
  decodeMembership,
  decodeOutcome,
  encodeMembership,
  encodeOutcome,
  fenced,
  fields,
  headOf,
  keysOfSession,
  keysOfStream,
  list,
  membershipOf,
  type StoredMembership,
  stale,
  text,
} from "./command.ts";
import type { Plan, PlanContext } from "./plan.ts";

export function* planPeek(
  { partitions }: PlanContext,
  { session, now }: RequestOf<"peekSession">,
): Plan<ResultOf<"peekSession">> {
  const peek = command(partitions.of(session), "peek", [session], keysOfSession(session), "reads");
  const [answer] = yield { stage: "look", commands: [peek] };
  const [tokenDigest, namespace, principal, generation, node, data, expiresAt] = list(answer);
  if (tokenDigest === null || tokenDigest === undefined || count(expiresAt) <= now) return undefined;
  return {
    tokenDigest: text(tokenDigest),
    namespace: text(namespace),
    principal: principal == null ? undefined : text(principal),
    generation: count(generation),
    node: text(node),
    data: text(data),
    expiresAt: count(expiresAt),
  };
}

/** The namespace's stream learns of its member first; a member too many is harmless, one too few is not. */
export function* planOpen(context: PlanContext, request: OpenRequest): Plan<ResultOf<"openSession">> {
  const { session, namespaceKey: key } = request;
  const [entered] = yield { stage: "stream", commands: [enterCommand(context, key, session, undefined)] };
  const { head, offset } = placeOf(entered);
  const base = { epoch: head.epoch, offset };
  const membership: StoredMembership = { room: "", key, base, cursor: undefined, show: false };
  const { tokenDigest, namespace, principal, node, holder, data, expiresAt } = request;
  const values = { d: tokenDigest, n: namespace, w: node, a: data, i: holder?.instance, t: holder?.attempt };
  const open = command(
    context.partitions.of(session),
    "open",
    [session, encodeMembership(membership), expiresAt, ...flat({ ...values, p: principal })],
    keysOfSession(session),
  );
  const [opened] = yield { stage: "write", commands: [open] };
  return text(list(opened)[0]) === "taken" ? undefined : membershipOf(membership, head);
}

/**
 * The claim is judged here, by the rules of the protocol, and the session taken only if nothing that it was
 * judged by has changed meanwhile; else it is judged again.
 */
export function* planResume(context: PlanContext, request: ResumeRequest): Plan<ResultOf<"resumeSession">> {
  const { session, tokenDigest, principal, now } = request;
  const partition = context.partitions.of(session);
  for (;;) {
    const whole = command(partition, "whole", [session], keysOfSession(session), "reads");
    const [answer] = yield { stage: "look", commands: [whole] };
    const row = fields(answer);
    if (row.size === 0 || Number(row.get("x")) <= now) return { ok: false, reason: "unknown_session" };
    if (row.get("d") !== tokenDigest) return { ok: false, reason: "wrong_token" };
    if (row.get("p") !== principal) return { ok: false, reason: "wrong_principal" };
    const claimed = claimedOf(row);
    const verdict = judge(claimed, request.claim);
    if (verdict !== "goes on") return { ok: false, reason: verdict };
    const taken = takenBy(request, Number(row.get("g")), claimed);
    const judged = ["g", "w", "e", "l", "z", "k", "c", "x"].map((name) => row.get(name) ?? "");
    const take = command(
      partition,
      "take",
      [session, JSON.stringify(judged), request.expiresAt, ...flat(taken)],
      keysOfSession(session),
    );
    const [took] = yield { stage: "look", commands: [take] };
    if (text(list(took)[0]) === "taken") return yield* resumed(context, request, row, taken.g);
  }
}

function* resumed(
  context: PlanContext,
  { session }: ResumeRequest,
  row: ReadonlyMap<string, string>,
  generation: number,
): Plan<ResumedSession> {
  const { partitions } = context;
  const stored = [...row]
    .filter(([name]) => name.startsWith("r:"))
    .map(([, json]) => decodeMembership(json))
    .sort((left, right) => (left.room < right.room ? -1 : 1));
  const ownKey = roomKey(row.get("n") ?? "", session);
  const keys = [...stored.map(({ key }) => key), ownKey];
  const commands = keys.map((key) =>
    command(partitions.of(key), "heads", [JSON.stringify([key])], [`s:${key}`], "reads"),
  );
  const heads = (yield { stage: "stream", commands }).map((answer) => headOf(list(answer)[0]));
  const low = Number(row.get("l"));
  const numbered = (kind: string) =>
    [...row]
      .filter(([name]) => name.startsWith(kind))
      .map(([name, value]) => ({ sequence: Number(name.slice(2)), value }))
      .filter(({ sequence }) => sequence >= low)
      .sort((left, right) => left.sequence - right.sequence);
  return {
    ok: true,
    generation,
    data: row.get("a") ?? "{}",
    previousNode: row.get("w") ?? "",
    previousGeneration: Number(row.get("g")),
    heard: Number(row.get("e")),
    memberships: stored.flatMap((membership, index) => {
      const head = heads[index];
      return head === undefined ? [] : [membershipOf(membership, head)];
    }),
    own: heads.at(-1),
    inboxLow: low,
    outcomes: numbered("o:").map(({ sequence, value }) => decodeOutcome(sequence, value)),
    uploads: numbered("u:").map(({ sequence, value }) => ({ sequence, chunks: Number(value) })),
  };
}

function claimedOf(row: ReadonlyMap<string, string>): Claimed {
  const number = (name: string) => Number(row.get(name) ?? 0);
  const instance = row.get("i") ?? "";
  return {
    holder: instance === "" ? undefined : { instance, attempt: number("t") },
    heard: number("e"),
    low: number("l"),
    last: number("z"),
    takenOver: number("k"),
    contested: number("c"),
  };
}

function takenBy(request: ResumeRequest, stored: number, claimed: Claimed) {
  const { holder } = request.claim;
  const generation = Math.max(stored, holder?.generation ?? 0) + 1;
  const { takenOver, contested } = takeover(claimed, holder, generation);
  return {
    g: generation,
    w: request.node,
    i: holder?.instance ?? "",
    t: holder?.attempt ?? 0,
    k: takenOver,
    c: contested,
  };
}

/** A write of the holder that changes its session alone. */
export function* planHeld(
  { partitions }: PlanContext,
  fence: Fence,
  name: string,
  values: readonly string[],
): Plan<Fenced> {
  const { session } = fence;
  const write = command(partitions.of(session), name, [...fenced(fence), ...values], keysOfSession(session));
  const [answer] = yield { stage: "write", commands: [write] };
  return text(list(answer)[0]) === "ok" ? { ok: true } : stale;
}

export function* planTouch(
  { partitions }: PlanContext,
  { holders, expiresAt }: RequestOf<"touchSessions">,
): Plan<ResultOf<"touchSessions">> {
  const lost: string[] = [];
  // A script holds up everybody, so many sessions are touched in pieces.
  for (let start = 0; start < holders.length; start += touchesPerCall) {
    const some = holders.slice(start, start + touchesPerCall);
    const commands = some.map(({ session, generation, node }) => {
      const values = [session, generation, node, expiresAt];
      return command(partitions.of(session), "touch", values, keysOfSession(session));
    });
    const answers = yield { stage: "write", commands };
    for (const [index, { session }] of some.entries()) {
      if (text(list(answers[index])[0]) !== "ok") lost.push(session);
    }
  }
  return lost;
}

export function* planRecord(
  { partitions }: PlanContext,
  request: RequestOf<"record">,
): Plan<ResultOf<"record">> {
  const { session, outcome, inboxLow, data = "" } = request;
  const record = command(
    partitions.of(session),
    "record",
    [...fenced(request), outcome.sequence, encodeOutcome(outcome), inboxLow, data],
    keysOfSession(session),
  );
  const [answer] = yield { stage: "write", commands: [record] };
  const [word, recorded, elsewhere] = list(answer);
  if (word !== "ok") return stale;
  const commands = partitionsOf(elsewhere).map((partition) =>
    command(partition, "forgetKeys", [session, inboxLow], [`k:${session}`]),
  );
  if (commands.length > 0) yield { stage: "after", commands };
  return { ok: true, outcome: decodeOutcome(outcome.sequence, text(recorded)) };
}

export function* planPutChunk(
  { partitions }: PlanContext,
  request: RequestOf<"putChunk">,
): Plan<ResultOf<"putChunk">> {
  const { session, sequence, index, text: chunk } = request;
  const values = [...fenced(request), sequence, index, chunk];
  const put = command(partitions.of(session), "putChunk", values, keysOfSession(session));
  const [answer] = yield { stage: "write", commands: [put] };
  const [word, chunks] = list(answer);
  return word === "ok" ? { ok: true, chunks: count(chunks) } : stale;
}

export function* planReadUpload(
  { partitions }: PlanContext,
  { fence, sequence }: RequestOf<"readUpload">,
): Plan<ResultOf<"readUpload">> {
  const { session, generation, node } = fence;
  const values = [session, generation, node, sequence];
  const read = command(partitions.of(session), "upload", values, keysOfSession(session), "reads");
  const [answer] = yield { stage: "write", commands: [read] };
  const [word, chunks, texts] = list(answer);
  if (word !== "ok") return stale;
  return { ok: true, text: list(texts).map(text).join(""), chunks: count(chunks) };
}

export function* planEnd(
  context: PlanContext,
  { session, ownKey }: RequestOf<"endSession">,
): Plan<undefined> {
  const finish = command(
    context.partitions.of(session),
    "finish",
    [session, "", ownKey],
    keysOfSession(session),
  );
  const [answer] = yield { stage: "look", commands: [finish] };
  const [note] = list(answer);
  if (note !== undefined) yield* tidyUp(context, [text(note)]);
  return undefined;
}

/** Carries out the notes that sessions have left: their streams lose a member, their keys are retired. */
export function* tidyUp(context: PlanContext, notes: readonly string[]): Plan<undefined> {
  const { partitions } = context;
  const left = notes.map((note) => {
    const [session, namespace, keepUntil, elsewhere, ownKey, rooms] = JSON.parse(note) as string[];
    return { note, session: session ?? "", namespace, keepUntil, elsewhere, ownKey, rooms: rooms ?? "[]" };
  });
  const atStreams = left.flatMap(({ session, namespace = "", ownKey, rooms }) => {
    const memberships = (JSON.parse(rooms) as unknown[]).map((room) =>
      decodeMembership(JSON.stringify(room)),
    );
    const own = ownKey === undefined || ownKey === "" ? roomKey(namespace, session) : ownKey;
    return [
      ...memberships.map(({ key }) => exitCommand(context, key, session)),
      command(partitions.of(own), "dropOwn", [own], keysOfStream(own)),
    ];
  });
  yield { stage: "stream", commands: atStreams };
  const retired = left.flatMap(({ session, keepUntil = "", elsewhere }) =>
    [partitions.of(session), ...partitionsOf(elsewhere)].map((partition) =>
      command(partition, "retireKeys", [session, keepUntil], [`k:${session}`, `y:${session}`]),
    ),
  );
  const finished = left.map(({ session, note }) => command(partitions.of(session), "finished", [note], []));
  yield { stage: "after", commands: retired };
  yield { stage: "after", commands: finished };
  return undefined;
}

// --- parts ---

/** A new member of a stream, which begins there with the first. */
export function enterCommand(
  { partitions }: PlanContext,
  key: string,
  session: string,
  from: RequestOf<"join">["from"] | undefined,
) {
  const consumer = from?.kind === "cursor" ? from.consumer : "";
  const number = from?.kind === "last" ? from.count : from?.kind === "after" ? from.offset : 0;
  const values = [key, session, consumer, from?.kind ?? "head", number];
  return command(partitions.of(key), "enter", values, keysOfStream(key));
}

export function exitCommand({ partitions }: PlanContext, key: string, session: string) {
  return command(partitions.of(key), "exit", [key, session], keysOfStream(key));
}

export function placeOf(answer: Answer | undefined) {
  const [stored, offset] = list(answer);
  const head = headOf(stored);
  if (head === undefined) throw new TypeError("who enters a stream is told its head");
  return { head, offset: count(offset) };
}

/** Partitions as a session notes them: each between commas. */
function partitionsOf(noted: Answer | undefined): number[] {
  return typeof noted === "string"
    ? noted
        .split(",")
        .filter((part) => part !== "")
        .map(Number)
    : [];
}

function flat(values: { readonly [name: string]: string | number | undefined }): (string | number)[] {
  return Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [name, value]));
}

/** They take 2 ms of a Redis, measured with 7.0.15. */
const touchesPerCall = 500;
