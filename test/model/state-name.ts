/** The name of a state: a short text of everything that its future depends on, and of nothing else. */

import type { Budgets, Connection, Held, Operation, Page, Saved, Stored, World } from "./model-state.ts";

/** `judged`: whether nodes judge by what they know of the holder themselves. */
export function nameOf(world: World, judged: boolean): string {
  let name = `${world.instances}`;
  for (const page of world.pages) name += pageName(page);
  // Who began a connection is only told in its story, so it is left out.
  for (const connection of world.connections)
    name += connection === undefined ? "/-" : connectionName(connection);
  for (const { up, sessions, queue } of world.nodes) {
    name += up ? "|up" : "|down";
    for (const id in sessions) name += `;${id} ${heldName(sessions[id] as Held, judged)}`;
    for (const operation of queue) name += operationName(operation);
  }
  for (const id in world.sessions) name += `|${id} ${storedName(world.sessions[id] as Stored)}`;
  name += `|${world.effects.join(",")}|${recordName(world.ran)}|${budgetsName(world.left)}`;
  return world.copy === undefined ? name : `${name}|${savedName(world.copy)}`;
}

function pageName(page: Page): string {
  const { instance, attempt, emitted, connection, welcomed, lowSaid, ended } = page;
  const who = `${instance} ${attempt} ${emitted} ${connection} ${welcomed ? "w" : ""}${lowSaid}`;
  return `/${savedName(page)} ${who} ${recordName(ended)}`;
}

function savedName({ session, generation, next, unsent, items }: Saved): string {
  let name = `${session} ${generation} ${next} ${unsent}`;
  for (const { sequence, event, sent } of items) name += ` ${sequence}:${event}${sent ? "s" : ""}`;
  return name;
}

function connectionName(connection: Connection): string {
  const { page, node, client, server, session, toServer, toClient } = connection;
  let name = `/${page}${node}${client ? "o" : "x"}${server}${session}`;
  for (const frame of toServer) {
    name += `>${frame.kind}`;
    if (frame.kind === "ev") name += `${frame.sequence}:${frame.event}`;
    else if (frame.kind === "lo") name += `${frame.low}`;
    else if (frame.kind === "hello") name += JSON.stringify(frame);
  }
  for (const frame of toClient) {
    name += `<${frame.kind}`;
    if (frame.kind === "ok") name += `${frame.sequence}:${frame.event}`;
    else if (frame.kind === "welcome") name += JSON.stringify(frame);
  }
  return name;
}

function heldName(held: Held, judged: boolean): string {
  const { born, generation, connection, instance, attempt, heard, low, expected, outcomes, running } = held;
  let name = `${born} ${generation} ${connection} ${heard} ${low} ${expected} ${running.join(".")} `;
  name += judged ? `${instance}.${attempt} ` : `${instance} `;
  for (const sequence in outcomes) {
    const outcome = outcomes[sequence];
    name += `${sequence}=${outcome?.event}${outcome?.recorded === true ? "r" : ""} `;
  }
  return name;
}

function operationName(operation: Operation): string {
  const { kind, done, answer, resumed } = operation;
  let name = `;${kind}${done ? "+" : ""}${answer}`;
  if (kind === "resume" || kind === "open")
    name += `${operation.connection}${JSON.stringify(operation.hello)}`;
  else name += `${operation.session} ${operation.born} ${operation.generation} ${operation.heard}`;
  if (kind === "open") name += ` ${operation.session}`;
  if (kind === "append" || kind === "record") {
    name += ` ${operation.sequence}:${operation.event}`;
  }
  if (kind === "record") name += ` ${operation.low}`;
  return resumed === undefined ? name : name + JSON.stringify(resumed);
}

function storedName({
  generation,
  instance,
  attempt,
  heard,
  takenOver,
  low,
  outcomes,
  keys,
}: Stored): string {
  const numbers = `${generation} ${instance} ${attempt} ${heard} ${takenOver} ${low}`;
  return `${numbers} ${recordName(outcomes)};${recordName(keys)}`;
}

function recordName(record: Readonly<Record<number, unknown>>): string {
  let name = "";
  for (const key in record) name += `${key}=${String(record[key])} `;
  return name;
}

function budgetsName(left: Budgets): string {
  const { events, copyEvents, connects, breaks, crashes, reloads, losses, copies } = left;
  return `${events}.${copyEvents}.${connects}.${breaks}.${crashes}.${reloads}.${losses}.${copies}`;
}
