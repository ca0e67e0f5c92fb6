/**
 * One run: the world of a seed with its faults, then without them until everything has settled, then the
 * checkers.
 */

import { check, type Violation } from "./checkers.ts";
import type { EngineName } from "./engines.ts";
import { Faults } from "./faults.ts";
import { History } from "./history.ts";
import { Less } from "./less.ts";
import { planOf, type Plan } from "./plan.ts";
import { World } from "./world.ts";
import { running, Timeline } from "./virtual-time.ts";

export type RunResult = {
  readonly seed: number;
  readonly plan: Plan;
  readonly history: History;
  readonly violations: readonly Violation[];
  /** Events that clients emitted. */
  readonly events: number;
  readonly steps: number;
  readonly virtualMs: number;
  /** What has happened of everything that can be left out. */
  readonly taken: ReadonlyMap<string, readonly number[]>;
};

export async function runSeed(
  seed: number,
  also: readonly string[] = [],
  store: EngineName = "memory",
  less: Less = new Less(),
): Promise<RunResult> {
  const plan = less.reduce(planOf(seed, also, store));
  const timeline = new Timeline(seed);
  const history = new History(() => timeline.now);
  running.timeline = timeline;
  timeline.onUncaught = (error) => {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    history.add({ kind: "wrong", what: text.split("\n").slice(0, 4).join(" | ") });
  };
  const world = new World(plan, timeline, history, less);
  const faults = new Faults(world);
  const endMs = less.settings.get("endMs") ?? plan.durationMs;
  await timeline.drive(() => timeline.now >= endMs || timeline.steps > stepsMax);
  world.heal();
  history.add({ kind: "fault", what: "none", detail: "all is well from here on" });
  // Frozen processes wake up by themselves, and half-open links are found, before anything can be settled.
  const calmAt = world.awakeAt + detectMs;
  timeline.later(calmAt - timeline.now, () => faults.whenCalm());
  let next = calmAt + (plan.hazards.faults.includes("clockJump") ? calmMs : 0);
  const deadline = next + settleMs;
  let settled = false;
  await timeline.drive(() => {
    if (timeline.now >= deadline || timeline.steps > 2 * stepsMax) return true;
    if (timeline.now < next) return false;
    next = timeline.now + 500;
    settled = isSettled(world);
    return settled;
  });
  // What is still under way after everything looks settled: late announcements, confirmations, low-water
  // marks; and what slow links still carry, which is waited for.
  let shown: number;
  do {
    shown = history.of("shown").length;
    const end = timeline.now + quietMs;
    await timeline.drive(() => timeline.now >= end);
  } while (history.of("shown").length > shown && timeline.now < deadline);
  const figures = await Promise.all(figuresOf(world, timeline));
  world.store.close();
  const violations = check({ history, world, settled, figures });
  return {
    seed,
    plan,
    history,
    violations,
    events: world.events,
    steps: timeline.steps,
    virtualMs: timeline.now,
    taken: less.taken,
  };
}

/** Everybody is connected, has nothing left to say, and has a session of its own. */
function isSettled({ seats }: World): boolean {
  const sessions = new Set(seats.map(({ page }) => page?.socket.delivery.session?.id));
  const isQuiet = seats.every(({ page }) => page?.socket.connected === true && page.pending === 0);
  return isQuiet && sessions.size === seats.length;
}

/** Figures come through the node's store queue, which needs time to go on. */
function figuresOf(world: World, timeline: Timeline) {
  return world.liveNodes.map(async (node) => {
    let figures: Awaited<ReturnType<NonNullable<typeof node.server>["delivery"]["figures"]>> | undefined;
    timeline.for(node.process, 0, () => {
      void node.server?.delivery.figures().then((value) => {
        figures = value;
      });
    });
    const until = timeline.now + 70_000;
    await timeline.drive(() => figures !== undefined || timeline.now > until);
    return { node: node.name, figures };
  });
}

export type Figures = Awaited<ReturnType<typeof figuresOf>[number]>;

/** A run that gets nowhere is ended by this, and fails for not having settled. */
const stepsMax = 150_000;
/**
 * Half-open links are found within 14 s; then come reconnects, and uploads of 256 characters per round trip.
 */
const detectMs = 30_000;
/** What is begun then waits at least so long. */
const calmMs = 500;
const settleMs = 900_000;
const quietMs = 15_000;
