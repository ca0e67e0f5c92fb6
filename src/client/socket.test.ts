import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { until } from "../../test/harness/until.ts";
import { Server } from "../server/index.ts";
import { io } from "./index.ts";

async function openServer() {
  const http = createServer();
  const server = new Server(http, {});
  onTestFinished(() => server.delivery.close());
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  return { server, url: `http://127.0.0.1:${(http.address() as AddressInfo).port}` };
}

function openClient(url: string, outboxLimit: number) {
  const client = io(url, {
    transports: ["websocket"],
    forceNew: true,
    reconnectionDelay: 10,
    delivery: { outboxLimit },
  });
  onTestFinished(() => void client.close());
  return client;
}

test("G4 an answer that the outbox did not take can be given again", async () => {
  const { server, url } = await openServer();
  let release: (() => void) | undefined;
  const answers: unknown[] = [];
  server.on("connection", (socket) => {
    socket.on("busy", () => new Promise<void>((resolve) => (release = resolve)));
    socket.on("ask me", () => {
      void socket.delivery.session?.emitWithAck("question").then((answer) => answers.push(answer));
    });
  });
  const client = openClient(url, 1);
  let answer: ((value: string) => void) | undefined;
  client.on("question", (give: typeof answer) => {
    answer = give;
  });
  client.emit("ask me");
  await until(() => answer !== undefined, { what: "the question", state: () => "none" });
  const pending = () => `${client.delivery.pending} pending`;
  await until(() => client.delivery.pending === 0, { what: "an empty outbox", state: pending });
  client.emit("busy");
  await until(() => release !== undefined, { what: "the handler", state: pending });
  expect(() => answer?.("too early")).toThrow(expect.objectContaining({ code: "outbox_full" }));
  release?.();
  await until(() => client.delivery.pending === 0, { what: "room in the outbox", state: pending });
  answer?.("in time");
  await until(() => answers.length > 0, { what: "the answer", state: () => `${answers.length} answers` });
  expect(answers).toEqual(["in time"]);
});

test("G6 a client that forgets its session under a welcome connects with its next one", async () => {
  const { server, url } = await openServer();
  let connections = 0;
  let admit: (() => void) | undefined;
  server.use((_, next) => {
    connections += 1;
    if (connections === 2) admit = () => next();
    else next();
  });
  const client = openClient(url, 10);
  const sessions: (string | undefined)[] = [];
  client.on("connect", () => void sessions.push(client.delivery.session?.id));
  await until(() => sessions.length === 1, { what: "the first connection", state: () => sessions.join(" ") });
  client.io.engine?.close();
  await until(() => admit !== undefined, {
    what: "the second connection",
    state: () => `${connections} connections`,
  });
  client.delivery.reset();
  admit?.();
  await until(() => connections === 3 && client.connected, {
    what: "a connection of its own",
    state: () => `${connections} connections`,
  });
  expect(sessions).toEqual([expect.any(String), expect.any(String)]);
  expect(sessions[1]).not.toBe(sessions[0]);
});
