/** What the store does when it commits an operation; each is carried out whole or not at all. */

import type { Hello, Operation, Stored, World } from "./model-state.ts";
import type { Missing } from "./rules.ts";

/** Commits the first operation of the node's queue that is not committed. */
export function commit(world: World, node: number, missing: Missing): void {
  const operation = world.nodes[node]?.queue.find(({ done }) => !done);
  if (operation === undefined) return;
  operation.done = true;
  if (operation.kind === "open") operation.session = open(world, operation.hello);
  else if (operation.kind === "resume") resume(world, operation, missing);
  else if (operation.kind === "hear") hear(world, operation);
  else if (operation.kind === "append") append(world, operation, missing);
  else record(world, operation, missing);
}

function open(world: World, hello: Hello): number {
  world.opened += 1;
  const { instance, attempt } = hello;
  const fresh: Stored = {
    generation: 1,
    instance,
    attempt,
    heard: 1,
    takenOver: 0,
    low: 1,
    outcomes: {},
    keys: {},
  };
  world.sessions[world.opened] = fresh;
  return world.opened;
}

/** Decides, and raises the generation, in one step. A client that is turned down has changed nothing. */
function resume(world: World, operation: Operation & { kind: "resume" }, missing: Missing): void {
  const { hello } = operation;
  const stored = world.sessions[hello.session];
  if (stored === undefined) {
    operation.answer = "copy";
    return;
  }
  if (!missing.has("holderStored")) {
    operation.answer = judge(stored, hello, missing);
    if (operation.answer === "goes on" && !missing.has("knownSequence") && !continues(stored, hello)) {
      operation.answer = "copy";
    }
    if (operation.answer !== "goes on") return;
  }
  operation.answer = "goes on";
  if (!missing.has("generation")) stored.generation += 1;
  if (missing.has("heardBySaying")) stored.heard = stored.generation;
  if (stored.instance !== hello.instance) stored.takenOver = stored.generation;
  stored.instance = hello.instance;
  stored.attempt = hello.attempt;
  const outcomes = Object.entries(stored.outcomes).map(
    ([sequence, event]) => [Number(sequence), event] as const,
  );
  operation.resumed = { generation: stored.generation, heard: stored.heard, low: stored.low, outcomes };
}

/** Of two lives of a client the one that was heard last goes on; of one life the connection begun last. */
export function judge(
  holder: { readonly instance: number; readonly attempt: number; readonly heard: number },
  hello: Hello,
  missing: Missing,
): "goes on" | "copy" | "late" {
  if (hello.instance === holder.instance) {
    return hello.attempt > holder.attempt || missing.has("late") ? "goes on" : "late";
  }
  return hello.generation >= holder.heard || missing.has("copy") ? "goes on" : "copy";
}

function continues(stored: Stored, hello: Hello): boolean {
  const known = [...Object.keys(stored.outcomes), ...Object.keys(stored.keys)].map(Number);
  return hello.low >= stored.low && known.every((sequence) => sequence < hello.next);
}

/** The client has said something in this generation: an older copy of it comes too late from now on. */
function hear(world: World, operation: Operation & { kind: "hear" }): void {
  const stored = world.sessions[operation.session];
  operation.answer = "stale";
  if (stored?.generation !== operation.generation) return;
  operation.answer = "ok";
  stored.heard = Math.max(stored.heard, operation.heard);
}

function append(world: World, operation: Operation & { kind: "append" }, missing: Missing): void {
  const { session, sequence, event, generation } = operation;
  const stored = world.sessions[session];
  operation.answer = "stale";
  if (stored === undefined || sequence < stored.low) return;
  // A handler may still be running when its client has resumed elsewhere, and its key keeps it from doing
  // harm; but another life of the client may have given its sequence to another event.
  if (generation < stored.takenOver && !missing.has("appendFence")) return;
  operation.answer = "ok";
  stored.heard = Math.max(stored.heard, missing.has("heardAtOnce") ? 0 : operation.heard);
  if (stored.keys[sequence] !== undefined && !missing.has("keys")) return;
  stored.keys[sequence] = event;
  const effect = `${session} ${event}`;
  if (world.effects.includes(effect)) world.broken ||= `The effect of event ${event} is there twice.`;
  world.effects.push(effect);
  world.effects.sort();
}

function record(world: World, operation: Operation & { kind: "record" }, missing: Missing): void {
  const { session, sequence, event, generation } = operation;
  const stored = world.sessions[session];
  operation.answer = "stale";
  if (stored === undefined) return;
  if (stored.generation !== generation) {
    if (!missing.has("fence")) return;
    world.broken ||= `A holder of generation ${generation} has written into generation ${stored.generation}.`;
  }
  operation.answer = String(event);
  stored.heard = Math.max(stored.heard, operation.heard);
  if (sequence >= stored.low) {
    stored.outcomes[sequence] ??= event;
    operation.answer = String(stored.outcomes[sequence]);
  }
  stored.low = Math.max(stored.low, operation.low);
  for (const known of Object.keys(stored.outcomes).map(Number))
    if (known < stored.low) delete stored.outcomes[known];
  for (const known of Object.keys(stored.keys).map(Number)) if (known < stored.low) delete stored.keys[known];
}
