/**
 * Carries out a batch: it is cut into segments of operations that may go through the stages together, so that
 * a batch takes a handful of round trips and not one for each operation.
 *
 * Within a stage, commands for one partition are carried out in the order of their operations. Between stages
 * the order of operations is given up, which is why operations that would see the difference are not put into
 * one segment: see `Segments`.
 */

import type { Operation, Result } from "../operation.ts";
import type { Answer, Command } from "./command.ts";
import type { Partitions } from "./partition.ts";
import { type Plan, type PlanContext, planOf, type Stage, stages, type Step } from "./plan.ts";

/**
 * Has commands carried out, those of one partition in order and in one step; the answers stand in their
 * order.
 */
export type CarryOut = (commands: readonly Command[]) => Promise<readonly Answer[]>;

export async function carryOutBatch(
  context: PlanContext,
  operations: readonly Operation[],
  carryOut: CarryOut,
): Promise<readonly Result[]> {
  const results: Result[] = [];
  for (const segment of segmentsOf(operations, context.partitions)) {
    const plans = segment.map((operation) => new Running(planOf(context, operation)));
    for (const stage of stages) {
      for (;;) {
        const due = plans.filter((plan) => plan.isDue(stage));
        if (due.length === 0) break;
        const commands = due.flatMap(({ step }) => step?.commands ?? []);
        const answers = commands.length === 0 ? [] : await carryOut(commands);
        let from = 0;
        for (const plan of due) {
          const count = plan.step?.commands.length ?? 0;
          plan.goOn(answers.slice(from, from + count));
          from += count;
        }
      }
    }
    for (const plan of plans) results.push(plan.result);
  }
  return results;
}

class Running {
  step: Step | undefined;
  result: Result | undefined;
  readonly #plan: Plan;

  constructor(plan: Plan) {
    this.#plan = plan;
    this.#take(plan.next([]));
  }

  /** Whoever stands alone in its segment may go back to an earlier stage. */
  isDue(stage: Stage): boolean {
    return this.step !== undefined && stages.indexOf(this.step.stage) <= stages.indexOf(stage);
  }

  goOn(answers: readonly Answer[]): void {
    this.#take(this.#plan.next(answers));
  }

  #take({ done, value }: IteratorResult<Step, Result>): void {
    this.step = done === true ? undefined : value;
    if (done === true) this.result = value;
  }
}

/** Cuts a batch where an operation would see, or miss, what one before it does in a later stage. */
function segmentsOf(operations: readonly Operation[], partitions: Partitions): Operation[][] {
  const segments: Operation[][] = [];
  let current = new Segment(partitions);
  for (const operation of operations) {
    if (!current.takes(operation)) {
      segments.push(current.operations);
      current = new Segment(partitions);
    }
    current.add(operation);
  }
  segments.push(current.operations);
  return segments;
}

/**
 * The rules. A session that is opened, resumed, looked at or ended has no other operation in the segment. A
 * room is joined and left in one segment only in the order in which the stages do it. An entry that goes to
 * several partitions reaches the later ones behind the first, so nothing that is called after it may overtake
 * it there.
 */
class Segment {
  readonly operations: Operation[] = [];
  readonly #partitions: Partitions;
  readonly #sessions = new Set<string>();
  readonly #whole = new Set<string>();
  readonly #joins = new Set<string>();
  readonly #laterKeys = new Set<string>();
  #isAlone = false;

  constructor(partitions: Partitions) {
    this.#partitions = partitions;
  }

  takes(operation: Operation): boolean {
    if (this.operations.length === 0) return true;
    if (this.#isAlone || standsAlone(operation)) return false;
    for (const session of sessionsOf(operation)) {
      if (this.#whole.has(session)) return false;
      if (isWhole(operation) && this.#sessions.has(session)) return false;
      if (operation.kind === "join" && this.#joins.has(roomOf(operation.request))) return false;
      if (operation.kind === "leave" && this.#joins.has(roomOf(operation.request))) return false;
    }
    // Whoever reads by number cannot be told apart by key.
    if (operation.kind === "read" || operation.kind === "resumeSession") return this.#laterKeys.size === 0;
    return !keysOf(operation).some((key) => this.#laterKeys.has(key));
  }

  add(operation: Operation): void {
    this.operations.push(operation);
    this.#isAlone = standsAlone(operation);
    for (const session of sessionsOf(operation)) {
      this.#sessions.add(session);
      if (isWhole(operation)) this.#whole.add(session);
    }
    if (operation.kind === "join") this.#joins.add(roomOf(operation.request));
    if (operation.kind !== "append") return;
    const [first = "", ...others] = operation.request.keys;
    for (const key of others) {
      if (this.#partitions.of(key) !== this.#partitions.of(first)) this.#laterKeys.add(key);
    }
  }
}

function standsAlone({ kind }: Operation): boolean {
  return (
    kind === "withdraw" ||
    kind === "enroll" ||
    kind === "sweep" ||
    kind === "renewEpochs" ||
    kind === "figures"
  );
}

function isWhole({ kind }: Operation): boolean {
  return (
    kind === "openSession" || kind === "resumeSession" || kind === "peekSession" || kind === "endSession"
  );
}

function roomOf({ session, room }: { readonly session: string; readonly room: string }): string {
  return JSON.stringify([session, room]);
}

function sessionsOf(operation: Operation): readonly string[] {
  switch (operation.kind) {
    case "append": {
      const { idempotency } = operation.request;
      return idempotency === undefined || idempotency.sequence === 0 ? [] : [idempotency.scope];
    }
    case "touchSessions":
      return operation.request.holders.map(({ session }) => session);
    case "readUpload":
      return [operation.request.fence.session];
    case "openSession":
    case "peekSession":
    case "resumeSession":
    case "endSession":
    case "saveHeard":
    case "saveData":
    case "join":
    case "leave":
    case "record":
    case "putChunk":
      return [operation.request.session];
    default:
      return [];
  }
}

function keysOf(operation: Operation): readonly string[] {
  switch (operation.kind) {
    case "append":
      return operation.request.keys;
    case "heads":
      return operation.request;
    case "join":
      return [operation.request.key];
    case "openSession":
      return [operation.request.namespaceKey];
    default:
      return [];
  }
}
