/**
 * Plans of housekeeping. Every process sweeps; what is due stands in indexes that all share, so that the work
 * follows what has happened and not how many processes there are.
 */

import { roomOfKey, namespaceOfKey } from "../../protocol/stream-key.ts";
import type { RequestOf, ResultOf } from "../operation.ts";
import { lowToKeep } from "../stream-row.ts";
import { type Answer, command, count, keysOfSession, keysOfStream, list, text } from "./command.ts";
import type { Plan, PlanContext } from "./plan.ts";
import { tidyUp } from "./plan-sessions.ts";

export function* planSweep(context: PlanContext, retention: RequestOf<"sweep">): Plan<ResultOf<"sweep">> {
  const { now, ...limits } = retention;
  context.entriesLimits.ordinary = limits.entriesPerStream;
  context.entriesLimits.mailbox = limits.mailboxEntries;
  yield everywhere(context, "noteLimits", [JSON.stringify(limits)]);
  const expired = yield* expireSessions(context, now);
  const forgotten = yield everywhere(context, "forgetOlder", [now - limits.keyAgeMs, keysPerStep]);
  // Before the trimming, so that what that finds to be needed no more waits for the next sweep at least.
  const { droppedStreams, droppedAll } = yield* dropOrphans(context, retention);
  const { trimmedEntries, trimmedAll } = yield* trimStreams(context, retention);
  const before = yield everywhere(context, "takeTrimmed", []);
  yield everywhere(context, "forgetCalls", []);
  const limited = expired.more || forgotten.some((keys) => count(keys) === keysPerStep);
  return {
    expiredSessions: expired.sessions,
    trimmedEntries: trimmedEntries + sum(before),
    droppedStreams,
    more: limited || !trimmedAll || !droppedAll,
  };
}

export function* planRenewEpochs(context: PlanContext): Plan<number> {
  return sum(yield everywhere(context, "renew", []));
}

export function* planFigures(context: PlanContext): Plan<ResultOf<"figures">> {
  const rows = (yield everywhere(context, "figures", [], "reads")).map((row) => list(row).map(count));
  const total = (index: number) => rows.reduce((all, row) => all + (row[index] ?? 0), 0);
  return { streams: total(0), entries: total(1), sessions: total(2), outcomes: total(3) };
}

/** Takes what is over from where it is kept, and finishes what a process that died has left half done. */
function* expireSessions(context: PlanContext, now: number): Plan<{ sessions: string[]; more: boolean }> {
  const due = yield everywhere(context, "due", [now, sessionsPerStep], "reads");
  const found = due.map((row) => list(list(row)[0]).map(text));
  const sessions = found.flat();
  const answers = yield {
    stage: "look",
    commands: sessions.map((session) =>
      command(context.partitions.of(session), "finish", [session, now, ""], keysOfSession(session)),
    ),
  };
  const notes = answers.map((answer) => list(answer)[0]);
  const left = due.flatMap((row) => list(list(row)[1]).map(text));
  const all = [...new Set([...notes.flatMap((note) => (note === undefined ? [] : [text(note)])), ...left])];
  if (all.length > 0) yield* tidyUp(context, all);
  return {
    sessions: sessions.filter((_, index) => notes[index] !== undefined),
    more: found.some((some) => some.length === sessionsPerStep),
  };
}

function* trimStreams(
  context: PlanContext,
  retention: RequestOf<"sweep">,
): Plan<{ trimmedEntries: number; trimmedAll: boolean }> {
  const { now, entryAgeMs, mailboxAgeMs } = retention;
  const limits = [now - entryAgeMs, now - mailboxAgeMs, streamsPerStep, entriesPerStep];
  const looked = yield everywhere(context, "look", limits);
  const rows = looked.flatMap((some) => list(some).map(rowOf));
  const isOwn = yield* areOwn(
    context,
    rows.map(({ key }) => key),
  );
  const decided = rows.map((row) => {
    const readers = { passed: row.passed, eachWithOwnCursor: row.eachWithOwnCursor };
    const low = lowToKeep(row, readers, retention, (time) =>
      time === now - entryAgeMs ? row.firstOrdinary : row.firstMailbox,
    );
    const end = Math.min(low, row.low + entriesPerStep, row.head + 1);
    // Where looking for young entries has ended at its limit, there may be more old ones.
    return { ...row, end, more: end < low || end === row.low + entriesPerStep };
  });
  const trimmed = yield {
    stage: "stream",
    commands: decided.map(({ key, id, end, more }) =>
      command(
        context.partitions.of(key),
        "tidy",
        [key, id, end, more ? 1 : 0, isOwn.has(key) ? 1 : 0, now],
        keysOfStream(key),
      ),
    ),
  };
  const isFull = looked.some((some) => list(some).length === streamsPerStep);
  return { trimmedEntries: sum(trimmed), trimmedAll: !isFull && decided.every(({ more }) => !more) };
}

function* dropOrphans(
  context: PlanContext,
  { now, entryAgeMs }: RequestOf<"sweep">,
): Plan<{ droppedStreams: number; droppedAll: boolean }> {
  const orphans = yield everywhere(context, "orphans", [now - entryAgeMs, streamsPerStep], "reads");
  const keys = orphans.flatMap((some) => list(some).map(text));
  const isOwn = yield* areOwn(context, keys);
  const dropped = yield {
    stage: "stream",
    commands: keys.map((key) =>
      command(context.partitions.of(key), "dropOrphan", [key, isOwn.has(key) ? 1 : 0], keysOfStream(key)),
    ),
  };
  const droppedAll = orphans.every((some) => list(some).length < streamsPerStep);
  return { droppedStreams: sum(dropped), droppedAll };
}

/** Which of these are the own streams of sessions that live: those have no members, and are to be read. */
function* areOwn(context: PlanContext, keys: readonly string[]): Plan<ReadonlySet<string>> {
  const rooms = keys.map((key) => ({
    key,
    namespace: namespaceOfKey(key),
    room: roomOfKey(namespaceOfKey(key), key) ?? "",
  }));
  const answers = yield {
    stage: "stream",
    commands: rooms.map(({ room }) =>
      command(context.partitions.of(room), "namespaceOf", [room], [`h:${room}`], "reads"),
    ),
  };
  const own = rooms.filter(({ namespace }, index) => namespace !== "" && answers[index] === namespace);
  return new Set(own.map(({ key }) => key));
}

function everywhere(
  { partitions }: PlanContext,
  name: string,
  values: readonly (string | number)[],
  mode: "reads" | "writes" = "writes",
) {
  const all = Array.from({ length: partitions.count }, (_, index) => index);
  return {
    stage: "look" as const,
    commands: all.map((partition) => command(partition, name, values, [], mode)),
  };
}

function rowOf(answer: Answer) {
  const [key, id, low, head, mailbox, passed, own, firstOrdinary, firstMailbox] = list(answer);
  return {
    key: text(key),
    id: count(id),
    epoch: "",
    low: count(low),
    head: count(head),
    mailbox: mailbox !== 0,
    holdsPassed: mailbox === 2,
    oldestAt: undefined,
    orphanedAt: undefined,
    passed: passed === "" ? undefined : count(passed),
    eachWithOwnCursor: own === 1,
    firstOrdinary: count(firstOrdinary),
    firstMailbox: count(firstMailbox),
  };
}

function sum(answers: readonly Answer[]): number {
  return answers.reduce<number>((total, answer) => total + count(answer), 0);
}

/** In each partition. A step of a sweep must not hold up others for long; what is left over has another. */
const sessionsPerStep = 100;
const keysPerStep = 1000;
const streamsPerStep = 500;
const entriesPerStep = 2000;
