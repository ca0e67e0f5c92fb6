/** What a node does: the server's side of "Resume, step by step", and the inbox. */

import type { Connection, Held, Hello, Node, Operation, Resumed, ToClient, World } from "./model-state.ts";
import type { Missing } from "./rules.ts";
import { judge } from "./store-steps.ts";

/** The node takes the next frame of a connection. */
export function takeFrame(world: World, slot: number, missing: Missing): void {
  const connection = connectionAt(world, slot);
  const node = nodeOf(world, connection);
  const frame = connection.toServer.shift();
  if (frame === undefined) return;
  if (frame.kind === "hello") {
    takeHello(world, slot, frame, missing);
    return;
  }
  const held = node.sessions[connection.session];
  if (held === undefined || held.connection !== slot) return;
  hear(node, connection.session, { held, missing });
  if (frame.kind === "lo") {
    if (frame.low > held.expected)
      world.broken ||= "The server refuses a low-water mark beyond what was sent.";
    forgetBelow(held, frame.low);
  } else if (frame.kind === "ev") takeEvent(world, { connection, held }, frame);
}

/** The first word of the client in a generation is stored before anything that it says is acted upon. */
function hear(node: Node, session: number, of: { held: Held; missing: Missing }): void {
  const { held, missing } = of;
  const { born, generation } = held;
  if (held.heard === generation) return;
  held.heard = generation;
  if (missing.has("heardAtOnce")) return;
  const write = { session, born, generation, heard: generation };
  node.queue.push({ kind: "hear", ...write, ...unanswered });
}

/** The connection is gone, as far as the server knows. */
export function serverCloses(world: World, slot: number): void {
  const connection = connectionAt(world, slot);
  const held = nodeOf(world, connection).sessions[connection.session];
  if (held?.connection === slot) held.connection = -1;
  connection.server = "closed";
  connection.toServer = [];
}

export function crash(world: World, index: number): void {
  world.nodes[index] = { up: false, sessions: {}, queue: [] };
  for (const connection of world.connections) {
    if (connection?.node !== index) continue;
    connection.server = "closed";
    connection.toServer = [];
  }
}

/** The node takes note of its first committed operation. */
export function takeNote(world: World, index: number, missing: Missing): void {
  const node = world.nodes[index] as Node;
  const operation = node.queue.shift();
  if (operation === undefined) return;
  if (operation.kind === "open") welcomeNew(world, operation);
  else if (operation.kind === "resume") takeOver(world, operation, missing);
  else noteWrite(world, node, operation, missing);
}

// --- admission ---

function takeHello(world: World, slot: number, hello: Hello, missing: Missing): void {
  const connection = connectionAt(world, slot);
  const node = nodeOf(world, connection);
  connection.server = "asking";
  const held = node.sessions[hello.session];
  let verdict: string = hello.session === 0 ? "copy" : "goes on";
  if (held !== undefined && missing.has("holderStored")) {
    const isHolder = world.sessions[hello.session]?.generation === held.generation;
    if (isHolder) verdict = judge({ ...held }, hello, missing);
  }
  // What runs here is not in the store yet, so the node looks before it asks.
  if (held !== undefined && !knows(held, hello, missing)) verdict = "copy";
  if (verdict === "late") refuse(connection, { kind: "connect_error" });
  else if (verdict === "copy") ask(node, { kind: "open", connection: slot, hello, session: 0 });
  else ask(node, { kind: "resume", connection: slot, hello });
}

const unanswered = { done: false, answer: "", resumed: undefined };

type Question =
  | { readonly kind: "open"; readonly connection: number; readonly hello: Hello; session: number }
  | { readonly kind: "resume"; readonly connection: number; readonly hello: Hello };

function ask(node: Node, question: Question): void {
  node.queue.push({ ...question, ...unanswered });
}

/** False for an old copy of the client's state, as far as this inbox can tell. */
function knows(held: Held, hello: Hello, missing: Missing): boolean {
  if (missing.has("knownSequence")) return true;
  const known = [...held.running, ...Object.keys(held.outcomes).map(Number)];
  return hello.low >= held.low && known.every((sequence) => sequence < hello.next);
}

/** What another life of the client has said here may still be on its way to the store. */
function saysLess(held: Held, hello: Hello, missing: Missing): boolean {
  if (missing.has("heardHere") || missing.has("copy")) return false;
  return held.instance !== 0 && held.instance !== hello.instance && hello.generation < held.heard;
}

function takeOver(world: World, operation: Operation & { kind: "resume" }, missing: Missing): void {
  const { connection: slot, hello, answer, resumed } = operation;
  const connection = connectionAt(world, slot);
  const node = nodeOf(world, connection);
  if (answer === "late") return refuse(connection, { kind: "connect_error" });
  if (resumed === undefined) return ask(node, { kind: "open", connection: slot, hello, session: 0 });
  const before = node.sessions[hello.session];
  // A newer resume of the same session has been admitted while this one waited.
  if (before !== undefined && before.generation > resumed.generation) {
    return refuse(connection, { kind: "connect_error" });
  }
  if (before !== undefined && before.connection >= 0) supersede(world, before.connection);
  // What another copy of the client has said or begun here and what is not stored yet is not this one's.
  const goesOn =
    before !== undefined &&
    (missing.has("heldInbox") || before.generation === resumed.generation - 1) &&
    knows(before, hello, missing) &&
    !saysLess(before, hello, missing);
  const held = goesOn ? before : newHeld(resumed);
  node.sessions[hello.session] = held;
  held.generation = resumed.generation;
  bind(world, slot, { held, session: hello.session, hello });
  forgetBelow(held, hello.low);
  held.expected = held.low;
  if (missing.has("outcomesKept")) held.outcomes = {};
  advance(held);
  const outcomes = Object.entries(held.outcomes)
    .filter(([, { recorded }]) => recorded)
    .map(([sequence, { event }]) => [Number(sequence), event] as const);
  const { session } = hello;
  connection.toClient.push({
    kind: "welcome",
    session,
    generation: held.generation,
    resumed: true,
    outcomes,
  });
}

function welcomeNew(world: World, operation: Operation & { kind: "open" }): void {
  const { connection: slot, session, hello } = operation;
  const connection = connectionAt(world, slot);
  const held = newHeld({ generation: 1, heard: 1, low: 1, outcomes: [] });
  nodeOf(world, connection).sessions[session] = held;
  bind(world, slot, { held, session, hello });
  connection.toClient.push({ kind: "welcome", session, generation: 1, resumed: false, outcomes: [] });
}

function newHeld({ generation, heard, low, outcomes }: Resumed): Held {
  const held: Held = {
    born: generation,
    generation,
    connection: -1,
    instance: 0,
    attempt: 0,
    heard,
    low,
    expected: low,
    outcomes: {},
    running: [],
  };
  for (const [sequence, event] of outcomes) held.outcomes[sequence] = { event, recorded: true };
  return held;
}

function bind(world: World, slot: number, to: { held: Held; session: number; hello: Hello }): void {
  const connection = connectionAt(world, slot);
  const { held, session, hello } = to;
  held.instance = hello.instance;
  held.attempt = hello.attempt;
  connection.session = session;
  // The connection may have gone while it was being admitted; then the session waits for the next one.
  held.connection = connection.server === "closed" ? -1 : slot;
  if (connection.server !== "closed") connection.server = "live";
}

function refuse(connection: Connection, frame: ToClient): void {
  connection.toClient.push(frame);
  connection.server = "closed";
  connection.toServer = [];
}

/** Tells an older connection of the session why it is closed. */
function supersede(world: World, slot: number): void {
  refuse(connectionAt(world, slot), { kind: "er" });
}

// --- the inbox ---

function takeEvent(
  world: World,
  at: { readonly connection: Connection; readonly held: Held },
  frame: { readonly sequence: number; readonly event: number },
): void {
  const { connection, held } = at;
  const { sequence, event } = frame;
  const known = held.outcomes[sequence];
  if (sequence < held.low) return;
  if (known?.recorded === true) connection.toClient.push({ kind: "ok", sequence, event: known.event });
  if (known !== undefined || held.running.includes(sequence)) return;
  if (sequence > held.expected) {
    const hole = `sequence ${sequence} where ${held.expected} was expected`;
    world.broken ||= `The server refuses event ${event}: ${hole}.`;
    return;
  }
  run(world, at, frame);
  advance(held);
}

function run(
  world: World,
  at: { readonly connection: Connection; readonly held: Held },
  frame: { readonly sequence: number; readonly event: number },
): void {
  const { connection, held } = at;
  const { sequence, event } = frame;
  const { session } = connection;
  const ran = world.ran[session] ?? 0;
  if (sequence > ran + 1) world.broken ||= `Sequence ${sequence} runs before sequence ${ran + 1} ever has.`;
  world.ran[session] = Math.max(ran, sequence);
  const stored = world.sessions[session];
  if (stored?.generation === held.generation && stored.outcomes[sequence] !== undefined) {
    world.broken ||= `The holder runs event ${event} although its outcome is recorded.`;
  }
  held.running.push(sequence);
  const { born, generation, heard } = held;
  nodeOf(world, connection).queue.push({
    ...unanswered,
    kind: "append",
    session,
    born,
    generation,
    heard,
    sequence,
    event,
  });
}

/**
 * The effect is stored, or the outcome is, or that the client has said something. What was begun for a
 * session that has moved on is left alone.
 */
function noteWrite(
  world: World,
  node: Node,
  operation: Operation & { kind: "hear" | "append" | "record" },
  missing: Missing,
): void {
  const { session, born, answer } = operation;
  const held = node.sessions[session];
  if (held?.born !== born) return;
  if (answer === "stale") {
    if (operation.kind === "append" && missing.has("refusalMoves")) {
      held.running = held.running.filter((other) => other !== operation.sequence);
      return;
    }
    // Resumed in this very process meanwhile, which raised the generation under the write.
    if (held.generation !== operation.generation) {
      node.queue.push({ ...operation, generation: held.generation, done: false, answer: "" });
    } else moved(world, node, session);
    return;
  }
  if (operation.kind === "hear") return;
  const { sequence, event } = operation;
  if (operation.kind === "record") return recorded(world, held, { sequence, event: Number(answer) });
  held.running = held.running.filter((other) => other !== sequence);
  if (sequence < held.low) return;
  held.outcomes[sequence] = { event, recorded: false };
  if (missing.has("recordFirst")) {
    world.connections[held.connection]?.toClient.push({ kind: "ok", sequence, event });
  }
  const { generation, heard, low } = held;
  node.queue.push({
    ...unanswered,
    kind: "record",
    session,
    born,
    generation,
    heard,
    sequence,
    event,
    low,
  });
}

function recorded(world: World, held: Held, outcome: { sequence: number; event: number }): void {
  const { sequence, event } = outcome;
  if (sequence < held.low) return;
  held.outcomes[sequence] = { event, recorded: true };
  world.connections[held.connection]?.toClient.push({ kind: "ok", sequence, event });
}

/** Another node holds the session: it ends here. */
function moved(world: World, node: Node, session: number): void {
  const held = node.sessions[session];
  if (held !== undefined && held.connection >= 0) supersede(world, held.connection);
  delete node.sessions[session];
}

function forgetBelow(held: Held, low: number): void {
  if (low <= held.low) return;
  held.low = low;
  held.expected = Math.max(held.expected, low);
  for (const sequence of Object.keys(held.outcomes).map(Number))
    if (sequence < low) delete held.outcomes[sequence];
}

function advance(held: Held): void {
  while (held.outcomes[held.expected] !== undefined || held.running.includes(held.expected))
    held.expected += 1;
}

function connectionAt(world: World, slot: number): Connection {
  const connection = world.connections[slot];
  if (connection === undefined) throw new RangeError(`there is no connection ${slot}`);
  return connection;
}

function nodeOf(world: World, connection: Connection): Node {
  return world.nodes[connection.node] as Node;
}
