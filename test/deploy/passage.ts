/**
 * Whether clients get through: 30 on WebSocket, 30 that poll, 30 that begin with polling and upgrade, none
 * with cookies. They connect, talk, lose their connections, resume, and have missed nothing.
 */

import { expect } from "vitest";
import type { ManagerOptions, Socket, SocketOptions } from "socket.io-client";
import { Crowd } from "../cluster/crowd.ts";
import type { Owner } from "../harness/owner.ts";
import { until } from "../harness/until.ts";
import { chatDialect } from "./chat-dialect.ts";

/** Sends clients through `url` to shipped nodes of the chat; fails when one of them does not get through. */
export async function expectPassage(
  owner: Owner,
  url: string,
  client: Partial<ManagerOptions & SocketOptions> = {},
): Promise<Crowd> {
  const crowd = await Crowd.gather(owner, {
    kind: "Holdfast",
    url,
    clients: 90,
    roomSize: 9,
    rate: 90,
    dialect: chatDialect,
    client: { reconnectionDelay: 100, reconnectionDelayMax: 500, ...client },
  });
  await until(() => crowd.members.every(isOnItsTransport), {
    what: "every client to be on its transport",
    deadlineMs: 20_000,
    state: () => crowd.members.map(({ socket }) => transportOf(socket)).join(" "),
  });
  const sessions = crowd.members.map(({ socket }) => socket.id);
  crowd.talk();
  await until(() => crowd.acknowledged > 60, { what: "messages to be taken", deadlineMs: 20_000 });
  const droppedAt = performance.now();
  for (const { socket } of crowd.members) socket.io.engine.close();
  await until(() => crowd.reconnectsSince(droppedAt).every((moments) => moments.length > 0), {
    what: "every client to be back",
    deadlineMs: 30_000,
  });
  const taken = crowd.acknowledged;
  await until(() => crowd.acknowledged > taken + 60, { what: "more messages to be taken" });
  await crowd.settle();
  expect(crowd.verdict()).toEqual({ lost: 0, duplicated: 0, reordered: 0 });
  expect(crowd.members.map(({ socket }) => socket.id)).toEqual(sessions);
  return crowd;
}

/** The thirds of a crowd, by number: those that poll, those that upgrade, those that begin with WebSocket. */
function isOnItsTransport({ number, socket }: { readonly number: number; readonly socket: Socket }): boolean {
  return transportOf(socket) === (number % 3 === 0 ? "polling" : "websocket");
}

function transportOf(socket: Socket): string {
  return socket.io.engine.transport.name;
}
