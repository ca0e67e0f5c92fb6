/** Plans of joining and leaving, which change a session and a stream. */

import { namespaceKey, roomKey } from "../../protocol/stream-key.ts";
import type { RequestOf, ResultOf } from "../operation.ts";
import {
  command,
  decodeMembership,
  encodeMembership,
  fenced,
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
import { enterCommand, exitCommand, placeOf } from "./plan-sessions.ts";

/** Keeps a stored membership; one that reads with another cursor than before begins anew. */
export function* planJoin(context: PlanContext, request: RequestOf<"join">): Plan<ResultOf<"join">> {
  const { session, room, key, from, show } = request;
  const { partitions } = context;
  const lookUp = command(
    partitions.of(session),
    "lookUp",
    [...fenced(request), room],
    keysOfSession(session),
  );
  const [looked] = yield { stage: "look", commands: [lookUp] };
  const [word, json] = list(looked);
  if (word !== "ok") return stale;
  let seen = text(json);
  const cursor = from.kind === "cursor" ? from.consumer : undefined;
  const stored = seen === "" ? undefined : decodeMembership(seen);
  const isKept = (membership: StoredMembership) => cursor === undefined || membership.cursor === cursor;
  if (stored !== undefined && isKept(stored)) {
    const heads = command(partitions.of(key), "heads", [JSON.stringify([key])], [`s:${key}`], "reads");
    const [answer] = yield { stage: "stream", commands: [heads] };
    const head = headOf(list(answer)[0]);
    if (head !== undefined) return { ok: true, membership: membershipOf(stored, head) };
    // Its stream is gone with the storage that had it, so it begins anew.
  }
  const [entered] = yield { stage: "stream", commands: [enterCommand(context, key, session, from)] };
  const { head, offset } = placeOf(entered);
  const base = { epoch: head.epoch, offset };
  const membership: StoredMembership = { room, key, base, cursor, show };
  for (;;) {
    const values = [...fenced(request), room, seen, encodeMembership(membership)];
    const add = command(partitions.of(session), "addRoom", values, keysOfSession(session));
    const [added] = yield { stage: "write", commands: [add] };
    const [outcome, other] = list(added).map(text);
    if (outcome === "ok") return { ok: true, membership: membershipOf(membership, head) };
    if (outcome !== "kept" || other === undefined) break;
    const kept = decodeMembership(other);
    if (isKept(kept)) return { ok: true, membership: membershipOf(kept, head) };
    seen = other;
  }
  // Somebody else holds the session since; what it is a member of is for that one to say.
  if (stored === undefined) yield { stage: "after", commands: [exitCommand(context, key, session)] };
  return stale;
}

export function* planLeave(context: PlanContext, request: RequestOf<"leave">): Plan<ResultOf<"leave">> {
  const { session, room } = request;
  const remove = command(
    context.partitions.of(session),
    "removeRoom",
    [...fenced(request), room],
    keysOfSession(session),
  );
  const [removed] = yield { stage: "look", commands: [remove] };
  const [word, json] = list(removed);
  if (word !== "ok") return stale;
  if (json !== "") {
    const { key } = decodeMembership(text(json));
    yield { stage: "stream", commands: [exitCommand(context, key, session)] };
  }
  return { ok: true };
}

export function* planWithdraw(
  context: PlanContext,
  { selector, rooms }: RequestOf<"withdraw">,
): Plan<ResultOf<"withdraw">> {
  const sessions = yield* chosen(context, selector);
  const taken = yield {
    stage: "look",
    commands: sessions.map((session) =>
      command(
        context.partitions.of(session),
        "withdraw",
        [session, selector.namespace, JSON.stringify(rooms)],
        keysOfSession(session),
      ),
    ),
  };
  const left = sessions.map((session, index) => ({ session, memberships: list(taken[index]).map(text) }));
  const exits = left.flatMap(({ session, memberships }) =>
    memberships.map((json) => exitCommand(context, decodeMembership(json).key, session)),
  );
  yield { stage: "stream", commands: exits };
  return left.flatMap(({ session, memberships }) => (memberships.length > 0 ? [session] : []));
}

export function* planEnroll(
  context: PlanContext,
  { selector, rooms, show }: RequestOf<"enroll">,
): Plan<ResultOf<"enroll">> {
  const { partitions } = context;
  const sessions = yield* chosen(context, selector);
  const names = JSON.stringify(rooms.map(({ room }) => room));
  const absent = yield {
    stage: "look",
    commands: sessions.map((session) =>
      command(
        partitions.of(session),
        "absent",
        [session, selector.namespace, names],
        keysOfSession(session),
        "reads",
      ),
    ),
  };
  const missing = sessions.flatMap((session, index) => {
    const some = new Set(list(absent[index]).map(text));
    return rooms.filter(({ room }) => some.has(room)).map(({ room, key }) => ({ session, room, key }));
  });
  const entered = yield {
    stage: "stream",
    commands: missing.map(({ session, key }) => enterCommand(context, key, session, undefined)),
  };
  const begun = missing.map(({ session, room, key }, index) => {
    const { head, offset } = placeOf(entered[index]);
    const base = { epoch: head.epoch, offset };
    const stored: StoredMembership = { room, key, base, cursor: undefined, show };
    return { session, stored, head };
  });
  const written = yield {
    stage: "write",
    commands: begun.map(({ session, stored }) => {
      const values = [session, selector.namespace, stored.room, encodeMembership(stored)];
      return command(partitions.of(session), "enroll", values, keysOfSession(session));
    }),
  };
  return begun.map(({ session, stored, head }, index) => {
    const [json] = list(written[index]).map(text);
    const membership = json === undefined ? stored : decodeMembership(json);
    return { session, membership: membershipOf(membership, head) };
  });
}

/** As in Socket.IO, every session is also in the room that is called as the session is. */
function* chosen(
  context: PlanContext,
  { namespace, rooms, except }: RequestOf<"enroll">["selector"],
): Plan<readonly string[]> {
  const chosenKeys =
    rooms.length === 0 ? [namespaceKey(namespace)] : rooms.map((room) => roomKey(namespace, room));
  const exceptKeys = except.map((room) => roomKey(namespace, room));
  const answers = yield {
    stage: "look",
    commands: [...chosenKeys, ...exceptKeys].map((key) =>
      command(context.partitions.of(key), "members", [key], keysOfStream(key), "reads"),
    ),
  };
  const members = answers.map((answer) => list(answer).map(text));
  const excepted = new Set([...members.slice(chosenKeys.length).flat(), ...except]);
  const found = new Set([...members.slice(0, chosenKeys.length).flat(), ...rooms]);
  return [...found].filter((session) => !excepted.has(session));
}
