/**
 * How an operation is carried out by commands in several partitions: a plan yields the commands of one stage
 * and goes on with their answers. All plans of a segment go through the stages together (see `segment.ts`).
 */

import type { Operation, OperationKind, RequestOf, Result, ResultOf } from "../operation.ts";
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

/** Carries out one operation. The cast joins what the mapped type has already paired. */
export function planOf(context: PlanContext, operation: Operation): Plan {
  const plan = plans[operation.kind] as (context: PlanContext, request: unknown) => Plan;
  return plan(context, operation.request);
}

const plans: {
  readonly [K in OperationKind]: (context: PlanContext, request: RequestOf<K>) => Plan<ResultOf<K>>;
} = {
  append: planAppend,
  read: planRead,
  heads: planHeads,
  openSession: planOpen,
  peekSession: planPeek,
  resumeSession: planResume,
  saveHeard: (context, fence) => planHeld(context, fence, "hear", []),
  saveData: (context, request) => planHeld(context, request, "saveData", [request.data]),
  touchSessions: planTouch,
  endSession: planEnd,
  join: planJoin,
  leave: planLeave,
  withdraw: planWithdraw,
  enroll: planEnroll,
  record: planRecord,
  putChunk: planPutChunk,
  readUpload: planReadUpload,
  moveCursor: planMoveCursor,
  sweep: planSweep,
  renewEpochs: planRenewEpochs,
  figures: planFigures,
};
