/** Plans of what happens at streams: appending, reading, heads, cursors. */

import type { RequestOf, ResultOf } from "../operation.ts";
import type { AppendRequest, Receipt } from "../port.ts";
import { payloadDigest } from "../stream-row.ts";
import {
  type Answer,
  command,
  headOf,
  idempotencyField,
  keysOfSession,
  keysOfStream,
  list,
  pageOf,
  stale,
  text,
} from "./command.ts";
import type { Plan, PlanContext } from "./plan.ts";

/**
 * An entry goes into the streams of one partition in one step. Streams of other partitions follow one after
 * the other, each entry naming the places that came before it: whoever is shown it twice sees that from the
 * second.
 */
export function* planAppend(context: PlanContext, request: AppendRequest): Plan<ResultOf<"append">> {
  const { partitions } = context;
  const groups = [...Map.groupBy(request.keys, (key) => partitions.of(key))];
  let whose = "application";
  const key = request.idempotency;
  if (key !== undefined && key.sequence > 0) {
    const home = partitions.of(key.scope);
    const elsewhere = groups.flatMap(([group]) => (group === home ? [] : [String(group)]));
    const { generation = "", heard = 0 } = request.holding ?? {};
    const asked = [key.sequence, generation, heard].map(String);
    // Where stream and session are at home together, one command does both.
    if (elsewhere.length === 0) whose = JSON.stringify(asked);
    else {
      const values = [key.scope, ...asked, JSON.stringify(elsewhere)];
      const owns = command(home, "owns", values, keysOfSession(key.scope));
      const [answer] = yield { stage: "look", commands: [owns] };
      const [word] = list(answer);
      if (word === "stale") return stale;
      if (word === "ok") whose = "session";
    }
  }
  const receipts = new Map<string, Receipt>();
  const places: string[] = [];
  for (const [partition, keys] of groups) {
    const [answer] = yield {
      stage: "stream",
      commands: [appendCommand(context, request, { partition, keys, places, whose })],
    };
    const [word, stored] = list(answer);
    if (word === "conflict") return { ok: false, reason: "key_conflict" };
    if (word === "stale") return stale;
    for (const [index, [stream, epoch, offset]] of placesOf(stored).entries()) {
      const { durability } = context;
      receipts.set(keys[index] ?? `another ${stream}`, {
        stream,
        epoch,
        offset,
        duplicate: word === "known",
        durability,
      });
      places.push(`[${stream},${offset}]`);
    }
  }
  const inOrder = request.keys.flatMap((name) => receipts.get(name) ?? []);
  return { ok: true, receipts: inOrder };
}

function appendCommand(
  context: PlanContext,
  request: AppendRequest,
  group: {
    readonly partition: number;
    readonly keys: readonly string[];
    readonly places: readonly string[];
    /** The session's, the application's, or what to ask of the session. */
    readonly whose: string;
  },
) {
  const { idempotency, except } = request;
  const scope = idempotency?.scope ?? "";
  const field = idempotency === undefined ? "" : idempotencyField(idempotency);
  const { ordinary, mailbox } = context.entriesLimits;
  return command(
    group.partition,
    "append",
    [
      group.keys.length === 1 ? (group.keys[0] ?? "") : JSON.stringify(group.keys),
      request.payload,
      request.at,
      except === undefined || except.length === 0 ? "" : JSON.stringify(except),
      group.places.join(","),
      request.request === undefined ? "" : JSON.stringify(request.request),
      scope,
      field,
      group.whose,
      idempotency === undefined ? "" : payloadDigest(request.payload),
      request.strictPayload === true ? 1 : 0,
      ordinary,
      mailbox,
    ],
    [
      ...group.keys.flatMap(keysOfStream),
      ...(field === "" ? [] : [...keysOfSession(scope), `j:${field}:${scope}`]),
    ],
  );
}

function placesOf(stored: Answer | undefined): (readonly [stream: number, epoch: string, offset: number])[] {
  return JSON.parse(text(stored)) as [number, string, number][];
}

export function* planRead(context: PlanContext, request: RequestOf<"read">): Plan<ResultOf<"read">> {
  const { stream, after, limit, charactersLimit } = request;
  const read = command(
    context.partitions.ofStream(stream),
    "read",
    [stream, after, limit, charactersLimit],
    [],
    "reads",
  );
  const [answer] = yield { stage: "stream", commands: [read] };
  return pageOf(answer);
}

export function* planHeads(context: PlanContext, keys: RequestOf<"heads">): Plan<ResultOf<"heads">> {
  const groups = [...Map.groupBy(keys, (key) => context.partitions.of(key))];
  const commands = groups.map(([partition, some]) =>
    command(
      partition,
      "heads",
      [JSON.stringify(some)],
      some.map((key) => `s:${key}`),
      "reads",
    ),
  );
  const answers = yield { stage: "stream", commands };
  const heads = new Map<string, ReturnType<typeof headOf>>();
  for (const [group, [, some]] of groups.entries()) {
    for (const [index, head] of list(answers[group]).entries()) heads.set(some[index] ?? "", headOf(head));
  }
  return keys.map((key) => heads.get(key));
}

export function* planMoveCursor(
  context: PlanContext,
  { consumer, stream, position }: RequestOf<"moveCursor">,
): Plan<undefined> {
  const values = [stream, consumer, position.epoch, position.offset];
  yield { stage: "stream", commands: [command(context.partitions.ofStream(stream), "move", values, [])] };
}
