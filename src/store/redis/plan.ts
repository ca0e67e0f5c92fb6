/**
 * How an operation is carried out by commands in several partitions: a plan yields the commands of one stage
 * and goes on with their answers. All plans of a segment go through the stages together (see `segment.ts`).
 */

import type { Operation, RequestOf, Result } from "../operation.ts";
import type { Durability } from "../port.ts";
import type { Answer, Command } from "./command.ts";
import type { Partitions } from "./partition.ts";
import { planAppend, planHeads, planMoveCursor, planRead } from "./plan-streams.ts";
import {
  planEnd,
  planHeld,
  planOpen,
  planPeek,
  planPutChunk,
  planReadUpload,
  planRecord,
  planResume,
  planTouch,
} from "./plan-sessions.ts";
import { planEnroll, planJoin, planLeave, planWithdraw } from "./plan-memberships.ts";
import { planFigures, planRenewEpochs, planSweep } from "./plan-sweep.ts";

/**
 * `look`: what has to be known of sessions first. `stream`: everything at streams, in the order in which it
 * was called. `write`: what sessions keep, which so never claims what streams have not taken. `after`: what
 * others would tidy up as well.
 */
export type Stage = "look" | "stream" | "write" | "after";

export const stages = ["look", "stream", "write", "after"] as const satisfies readonly Stage[];

export type Step = { readonly stage: Stage; readonly commands: readonly Command[] };

/** Yields steps of the same or a later stage, and is given the answers to a step's commands. */
export type Plan<R = Result> = Generator<Step, R, readonly Answer[]>;

export type PlanContext = {
  readonly partitions: Partitions;
  readonly durability: Durability;
  /** How many entries a stream may hold, a mailbox may hold; 0 until a sweep has said so. */
  readonly entriesLimits: { ordinary: number; mailbox: number };
};

export function planOf(context: PlanContext, operation: Operation): Plan {
  switch (operation.kind) {
    case "append":
      return planAppend(context, operation.request);
    case "read":
      return planRead(context, operation.request);
    case "heads":
      return planHeads(context, operation.request);
    case "moveCursor":
      return planMoveCursor(context, operation.request);
    case "openSession":
      return planOpen(context, operation.request);
    case "peekSession":
      return planPeek(context, operation.request);
    case "resumeSession":
      return planResume(context, operation.request);
    case "touchSessions":
      return planTouch(context, operation.request);
    case "endSession":
      return planEnd(context, operation.request);
    case "saveHeard":
      return planHeld(context, operation.request, "hear", []);
    case "saveData":
      return planHeld(context, operation.request, "saveData", [operation.request.data]);
    case "record":
      return planRecord(context, operation.request);
    case "putChunk":
      return planPutChunk(context, operation.request);
    case "readUpload":
      return planReadUpload(context, operation.request);
    default:
      return planOfOthers(context, operation);
  }
}

function planOfOthers(context: PlanContext, operation: Exclude<Operation, { kind: PlannedAbove }>): Plan {
  switch (operation.kind) {
    case "join":
      return planJoin(context, operation.request);
    case "leave":
      return planLeave(context, operation.request);
    case "withdraw":
      return planWithdraw(context, operation.request);
    case "enroll":
      return planEnroll(context, operation.request);
    case "sweep":
      return planSweep(context, operation.request satisfies RequestOf<"sweep">);
    case "renewEpochs":
      return planRenewEpochs(context);
    case "figures":
      return planFigures(context);
  }
}

type PlannedAbove =
  | "append"
  | "read"
  | "heads"
  | "moveCursor"
  | "openSession"
  | "peekSession"
  | "resumeSession"
  | "touchSessions"
  | "endSession"
  | "saveHeard"
  | "saveData"
  | "record"
  | "putChunk"
  | "readUpload";
