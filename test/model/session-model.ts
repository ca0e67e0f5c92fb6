/** The model: everything that may happen to two pages, two nodes and a store, and what must hold. */

import type { Action, Model } from "./explore.ts";
import {
  type Budgets,
  clone,
  type Connection,
  initialWorld,
  noBudgets,
  type Operation,
  type Page,
  type ToClient,
  type ToServer,
  type World,
} from "./model-state.ts";
import * as node from "./node-steps.ts";
import * as page from "./page-steps.ts";
import type { Missing, Rule } from "./rules.ts";
import { nameOf } from "./state-name.ts";
import { commit } from "./store-steps.ts";

type Step = Action<World>;

/** `without`: rules that this model goes without, to see it refuted. */
export function sessionModel(budgets: Budgets, without: readonly Rule[] = []): Model<World> {
  const missing: Missing = new Set(without);
  return {
    initial: () => initialWorld(budgets),
    clone,
    name: (world) => nameOf(world, missing.has("holderStored")),
    calm: (world) => ({ ...world, left: noBudgets }),
    actions: (world, phase) => {
      const steps = [...frames(world, missing), ...commits(world, missing), ...discoveries(world)];
      if (phase === "faults") steps.push(...wishes(world), ...faults(world));
      steps.push(...connects(world, phase, missing));
      return steps.map((step) => tidied(step));
    },
    broken: (world) => world.broken || twoHolders(world),
    unsettled,
  };
}

/** What is over is forgotten, so that states that cannot be told apart any more are one. */
function tidied(step: Step): Step {
  return {
    ...step,
    apply: (world) => {
      step.apply(world);
      const asked = new Set(
        world.nodes.flatMap(({ queue }) =>
          queue.map((item) => ("connection" in item ? item.connection : -1)),
        ),
      );
      for (const [slot, connection] of world.connections.entries()) {
        if (connection === undefined) continue;
        // Nobody reads what is written to a page that has turned away.
        if (!connection.client) connection.toClient = [];
        const isOver = !connection.client && connection.server === "closed" && !asked.has(slot);
        if (isOver) world.connections[slot] = undefined;
      }
      while (world.connections.length > 0 && world.connections.at(-1) === undefined) world.connections.pop();
    },
  };
}

// --- what happens by itself ---

function frames(world: World, missing: Missing): Step[] {
  const steps: Step[] = [];
  for (const [slot, connection] of world.connections.entries()) {
    if (connection === undefined) continue;
    const [next] = connection.toServer;
    const takes = connection.server === "new" || connection.server === "live";
    if (next !== undefined && takes && world.nodes[connection.node]?.up === true) {
      steps.push({
        inevitable: true,
        say: () => `Node ${connection.node} takes ${frameText(next)} from ${named(connection)}.`,
        apply: (after) => node.takeFrame(after, slot, missing),
      });
    }
    const [answer] = connection.toClient;
    if (answer === undefined || !connection.client) continue;
    steps.push({
      inevitable: true,
      say: () => `${page.pageName(connection.page)} takes ${frameText(answer)} from ${named(connection)}.`,
      apply: (after) => page.takeFrame(after, connection.page, missing),
    });
  }
  return steps;
}

function commits(world: World, missing: Missing): Step[] {
  const steps: Step[] = [];
  for (const [index, { queue }] of world.nodes.entries()) {
    const waiting = queue.find(({ done }) => !done);
    const [first] = queue;
    if (waiting !== undefined) {
      steps.push({
        inevitable: true,
        say: () => `The store commits what node ${index} asked for: ${operationText(waiting)}.`,
        apply: (after) => commit(after, index, missing),
      });
    }
    if (first?.done !== true) continue;
    steps.push({
      inevitable: true,
      say: () => `Node ${index} learns: ${operationText(first)}, ${answerText(first)}.`,
      apply: (after) => node.takeNote(after, index, missing),
    });
  }
  return steps;
}

function discoveries(world: World): Step[] {
  const steps: Step[] = [];
  for (const [slot, connection] of world.connections.entries()) {
    if (connection === undefined) continue;
    if (!connection.client && connection.server !== "closed") {
      steps.push({
        inevitable: true,
        say: () => `Node ${connection.node} finds that ${named(connection)} is gone.`,
        apply: (after) => node.serverCloses(after, slot),
      });
    }
    if (connection.client && connection.server === "closed" && connection.toClient.length === 0) {
      steps.push({
        inevitable: true,
        say: () => `${page.pageName(connection.page)} finds that ${named(connection)} is gone.`,
        apply: (after) => page.clientCloses(after, connection.page),
      });
    }
  }
  for (const [index, { up }] of world.nodes.entries()) {
    if (up) continue;
    steps.push({
      inevitable: true,
      say: () => `Node ${index} is started again.`,
      apply: (after) => void Object.assign(after.nodes[index] ?? {}, { up: true }),
    });
  }
  for (const [index, one] of world.pages.entries()) {
    if (!one.welcomed || page.lowOf(one) <= one.lowSaid) continue;
    steps.push({
      inevitable: true,
      say: () => `${page.pageName(index)} says that everything below sequence ${page.lowOf(one)} is settled.`,
      apply: (after) => page.sayLow(after, index, noneMissing),
    });
  }
  return steps;
}

const noneMissing: Missing = new Set();

function connects(world: World, phase: "faults" | "quiet", missing: Missing): Step[] {
  if (phase === "faults" && world.left.connects === 0) return [];
  const steps: Step[] = [];
  for (const [index, one] of world.pages.entries()) {
    if (one.connection >= 0) continue;
    for (const [to, { up }] of world.nodes.entries()) {
      if (!up) continue;
      steps.push({
        inevitable: true,
        say: () => `${page.pageName(index)} connects to node ${to}, attempt ${one.attempt + 1}.`,
        apply: (after) => {
          if (phase === "faults") after.left.connects -= 1;
          page.connect(after, index, to, missing);
        },
      });
    }
  }
  return steps;
}

// --- what may happen ---

function wishes(world: World): Step[] {
  const { left, pages } = world;
  const steps: Step[] = [];
  for (const index of pages.keys()) {
    const budget = index === 0 ? "events" : "copyEvents";
    if (left[budget] === 0) continue;
    steps.push(
      chosen(
        budget,
        `${page.pageName(index)} emits event ${index * 10 + (pages[index]?.emitted ?? 0) + 1}.`,
        (after) => page.emit(after, index),
      ),
    );
  }
  return steps;
}

function faults(world: World): Step[] {
  const { left } = world;
  const steps: Step[] = [];
  for (const [slot, connection] of left.breaks > 0 ? world.connections.entries() : []) {
    if (connection === undefined) continue;
    if (connection.client) {
      const say = `${page.pageName(connection.page)} gives ${named(connection)} up.`;
      steps.push(chosen("breaks", say, (after) => page.clientCloses(after, connection.page)));
    }
    if (connection.client && connection.server !== "closed") {
      const say = `${named(connection)} breaks, and only node ${connection.node} knows.`;
      steps.push(chosen("breaks", capital(say), (after) => node.serverCloses(after, slot)));
    }
  }
  for (const [index, { up }] of left.crashes > 0 ? world.nodes.entries() : []) {
    if (up) steps.push(chosen("crashes", `Node ${index} crashes.`, (after) => node.crash(after, index)));
  }
  if (left.reloads > 0) {
    const say = "The page is reloaded, and finds its saved session.";
    steps.push(chosen("reloads", say, (after) => page.reload(after, 0, "with")));
  }
  if (left.losses > 0) {
    const say = "The page is reloaded, and its saved session is gone.";
    steps.push(chosen("losses", say, (after) => page.reload(after, 0, "without")));
  }
  if (left.copies > 0) steps.push(chosen("copies", "The page's saved session is copied.", page.saveCopy));
  if (world.copy !== undefined) {
    steps.push({ inevitable: false, say: () => "The copy is opened.", apply: page.openCopy });
  }
  return steps;
}

function chosen(budget: keyof Budgets, say: string, apply: (world: World) => void): Step {
  return {
    inevitable: false,
    say: () => say,
    apply: (world) => {
      world.left[budget] -= 1;
      apply(world);
    },
  };
}

// --- what must hold ---

function twoHolders(world: World): string {
  for (const [session, { generation }] of Object.entries(world.sessions)) {
    const holders = world.nodes.filter((one) => one.sessions[Number(session)]?.generation === generation);
    if (holders.length > 1) return `Two nodes can write as generation ${generation} of session ${session}.`;
  }
  return "";
}

/**
 * In the end every page is connected to the node that holds its session, and each of its events has ended.
 */
function unsettled(world: World): string {
  for (const [index, one] of world.pages.entries()) {
    const name = page.pageName(index);
    for (let count = 1; count <= one.emitted; count++) {
      const event = index * 10 + count;
      if (one.ended[event] === undefined) return `Event ${event} never ends.`;
    }
    if (one.items.length > 0) return `${name} still has an event without an end.`;
    if (!one.welcomed) return `${name} is not connected.`;
    if (!isHeld(world, one)) return `${name} is connected to a node that does not hold its session any more.`;
  }
  return "";
}

function isHeld(world: World, one: Page): boolean {
  const connection = page.connectionOf(world, one);
  const held = connection && world.nodes[connection.node]?.sessions[one.session];
  if (held?.connection !== one.connection) return false;
  // Of two copies that say nothing one may believe in vain that it still holds the session: it hears of it
  // with the first event that it emits.
  return world.pages.length > 1 || held.generation === world.sessions[one.session]?.generation;
}

// --- words ---

function named({ instance, attempt }: Pick<Connection, "instance" | "attempt">): string {
  return `connection ${attempt} of life ${instance}`;
}

function placeText({ sequence, generation }: { sequence: number; generation: number }): string {
  return `(sequence ${sequence}, generation ${generation})`;
}

function frameText(frame: ToServer | ToClient): string {
  switch (frame.kind) {
    case "hello":
      return (
        `the hello (session ${frame.session}, low ${frame.low}, next ${frame.next}, ` +
        `generation ${frame.generation})`
      );
    case "ev":
      return `event ${frame.event} as sequence ${frame.sequence}`;
    case "lo":
      return `low-water mark ${frame.low}`;
    case "pi":
      return "a sign of life";
    case "welcome": {
      const outcomes = frame.outcomes.map(
        ([sequence, event]) => ` and the outcome of ${event} as sequence ${sequence}`,
      );
      const kind = frame.resumed ? "the welcome back" : "the welcome to a new session";
      return `${kind} (session ${frame.session}, generation ${frame.generation})${outcomes.join("")}`;
    }
    case "ok":
      return `the outcome of event ${frame.event} for sequence ${frame.sequence}`;
    case "er":
      return `the word that another connection has the session`;
    case "connect_error":
      return "a refusal (stale_generation)";
  }
}

function operationText(operation: Operation): string {
  switch (operation.kind) {
    case "hear":
      return `note that the client has said something in generation ${operation.generation}`;
    case "append":
      return `append the effect of event ${operation.event} ${placeText(operation)}`;
    case "record":
      return `record the outcome of event ${operation.event} ${placeText(operation)}`;
    case "resume":
      return `resume session ${operation.hello.session} for ${named(operation.hello)}`;
    case "open":
      return `open a session for ${named(operation.hello)}`;
  }
}

function answerText(operation: Operation): string {
  const { answer, resumed } = operation;
  if (resumed !== undefined) return `which it is, with generation ${resumed.generation}`;
  if (answer === "stale") return "which is refused, because somebody else holds the session";
  if (answer === "copy" || answer === "late") return `which is refused (${answer})`;
  return "which is done";
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
