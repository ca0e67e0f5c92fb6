/** What a page does: the client's side of "Resume, step by step" and "Events of the client". */

import type { Connection, Page, Saved, ToClient, World } from "./model-state.ts";
import type { Missing } from "./rules.ts";

export function pageName(page: number): string {
  return page === 0 ? "The page" : "The copy";
}

/** The lowest sequence that is not settled. */
export function lowOf(page: Saved): number {
  return page.items[0]?.sequence ?? page.next;
}

export function connectionOf(world: World, page: Page): Connection | undefined {
  return page.connection < 0 ? undefined : world.connections[page.connection];
}

/** The application emits. Event 1, 2, ... are the first page's own, 11, 12, ... those of its copy. */
export function emit(world: World, index: number): void {
  const page = pageAt(world, index);
  page.emitted += 1;
  page.items.push({ sequence: page.next, event: index * 10 + page.emitted, sent: false });
  page.next += 1;
  sendOutbox(world, page);
}

export function connect(world: World, index: number, node: number, missing: Missing): void {
  const page = pageAt(world, index);
  page.attempt += 1;
  page.welcomed = false;
  const { session, generation, instance, attempt } = page;
  const next = missing.has("unsentNext") ? page.next : page.unsent;
  const low = missing.has("lowConfirmed") ? next : lowOf(page);
  const connection: Connection = {
    page: index,
    node,
    instance,
    attempt,
    client: true,
    server: "new",
    session: 0,
    toServer: [{ kind: "hello", session, low, next, instance, generation, attempt }],
    toClient: [],
  };
  const free = world.connections.indexOf(undefined);
  page.connection = free < 0 ? world.connections.length : free;
  world.connections[page.connection] = connection;
}

/** The client gives its connection up, or learns that it is gone. */
export function clientCloses(world: World, index: number): void {
  const page = pageAt(world, index);
  const connection = connectionOf(world, page);
  if (connection === undefined) return;
  connection.client = false;
  connection.toClient = [];
  page.connection = -1;
  page.welcomed = false;
}

export function reload(world: World, index: number, how: "with" | "without"): void {
  const page = pageAt(world, index);
  clientCloses(world, index);
  world.instances += 1;
  Object.assign(page, { instance: world.instances, attempt: 0 });
  if (how === "with") return;
  for (const { event } of page.items) end(world, page, event, "page gone");
  Object.assign(page, { session: 0, generation: 0, next: 1, unsent: 1, items: [] });
}

export function saveCopy(world: World): void {
  const { session, generation, next, unsent, items } = pageAt(world, 0);
  world.copy = { session, generation, next, unsent, items: items.map((item) => ({ ...item })) };
}

export function openCopy(world: World): void {
  const { copy } = world;
  if (copy === undefined) return;
  world.copy = undefined;
  world.instances += 1;
  world.pages.push({
    ...copy,
    instance: world.instances,
    attempt: 0,
    emitted: 0,
    connection: -1,
    welcomed: false,
    lowSaid: lowOf(copy),
    ended: {},
  });
}

export function sayLow(world: World, index: number, missing: Missing): void {
  const page = pageAt(world, index);
  page.lowSaid = missing.has("lowConfirmed") ? page.next : lowOf(page);
  connectionOf(world, page)?.toServer.push({ kind: "lo", low: page.lowSaid });
}

/** The page takes the next frame of its connection. */
export function takeFrame(world: World, index: number, missing: Missing): void {
  const page = pageAt(world, index);
  const frame = connectionOf(world, page)?.toClient.shift();
  if (frame === undefined) return;
  if (frame.kind === "welcome") welcome(world, page, frame, missing);
  else if (frame.kind === "ok") settle(world, page, frame.sequence, frame.event);
  // Either says that this connection is over; the session goes on with the next one.
  else clientCloses(world, index);
}

function welcome(
  world: World,
  page: Page,
  frame: Extract<ToClient, { kind: "welcome" }>,
  missing: Missing,
): void {
  const hello = page.session;
  page.lowSaid = missing.has("lowConfirmed") ? page.next : lowOf(page);
  if (hello !== 0 && !frame.resumed) startAnew(world, page);
  page.session = frame.session;
  page.generation = frame.generation;
  page.welcomed = true;
  for (const [sequence, event] of frame.outcomes) settle(world, page, sequence, event);
  if (missing.has("unsettledResent")) page.items = page.items.filter(({ sent }) => !sent);
  if (missing.has("ascending")) page.items.reverse();
  const isSilent = page.items.length === 0;
  for (const item of page.items) item.sent = false;
  sendOutbox(world, page);
  // "A client says something (`pi`, for example) after every welcome."
  if (isSilent) connectionOf(world, page)?.toServer.push({ kind: "pi" });
}

/** "Events that were ever sent end as `session_lost`; those never sent get sequences from 1 on, in order." */
function startAnew(world: World, page: Page): void {
  const items = page.items;
  page.items = [];
  page.next = 1;
  page.unsent = 1;
  page.lowSaid = 1;
  for (const { event, sent } of items) {
    if (sent) end(world, page, event, "lost");
    else {
      page.items.push({ sequence: page.next, event, sent: false });
      page.next += 1;
    }
  }
}

function sendOutbox(world: World, page: Page): void {
  const connection = connectionOf(world, page);
  if (connection === undefined || !page.welcomed) return;
  for (const item of page.items) {
    if (item.sent) continue;
    item.sent = true;
    page.unsent = Math.max(page.unsent, item.sequence + 1);
    connection.toServer.push({ kind: "ev", sequence: item.sequence, event: item.event });
  }
}

/** "It settles an event with the first outcome that arrives for it and ignores every later one." */
function settle(world: World, page: Page, sequence: number, handled: number): void {
  const item = page.items.find((candidate) => candidate.sequence === sequence);
  if (item === undefined) return;
  page.items = page.items.filter((candidate) => candidate !== item);
  end(world, page, item.event, "ok");
  const stored = world.sessions[page.session];
  // What a copy of this page has confirmed may be forgotten while the frame was on its way.
  const isStored = stored?.outcomes[sequence] === handled || sequence < (stored?.low ?? 0);
  if (handled !== item.event) {
    world.broken ||= `Event ${item.event} was answered with the outcome of event ${handled}.`;
  } else if (!isStored) {
    world.broken ||= `The client was told an outcome of event ${item.event} that is not in the store.`;
  } else if (!world.effects.some((effect) => effect.endsWith(` ${item.event}`))) {
    world.broken ||= `Event ${item.event} ended well, and its effect is not there.`;
  }
}

function end(world: World, page: Page, event: number, how: "ok" | "lost" | "page gone"): void {
  if (page.ended[event] !== undefined) world.broken ||= `Event ${event} has ended twice.`;
  page.ended[event] = how;
  // Without a copy there is nobody but the rightful client, and it never loses its session.
  const isCopied = world.copy !== undefined || world.pages.length > 1;
  if (how === "lost" && !isCopied) world.broken ||= `The only client there is lost its session.`;
}

function pageAt(world: World, index: number): Page {
  const page = world.pages[index];
  if (page === undefined) throw new RangeError(`there is no page ${index}`);
  return page;
}
