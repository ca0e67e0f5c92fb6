import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { until } from "../../test/harness/until.ts";
import { io as connectTo } from "../client/index.ts";
import { Server } from "./index.ts";
import { copyForMiddlewares, takeChanges } from "./session-data.ts";

test("what middlewares set, change and delete is carried over, and nothing else", () => {
  const data: Record<string, unknown> = { principal: "me", kept: 1, changed: 1, deleted: 1, counted: 1 };
  const copy = copyForMiddlewares(data);
  expect(copy).toEqual({ kept: 1, changed: 1, deleted: 1, counted: 1 });
  copy["changed"] = 2;
  copy["added"] = { deep: [1] };
  delete copy["deleted"];
  data["counted"] = 2;
  takeChanges(data, copy);
  expect(data).toEqual({ principal: "me", kept: 1, changed: 2, added: { deep: [1] }, counted: 2 });
});

test("an object of the middlewares' own is taken as it is", () => {
  const data = { a: 1 };
  takeChanges(data, { b: 2 });
  expect(data).toEqual({ a: 1, b: 2 });
});

test("G6 what a handler changes while its client is being resumed stays changed", async () => {
  const http = createServer();
  const server = new Server(http, {});
  let release = (): void => undefined;
  let held = 0;
  server.use((socket, next) => {
    socket.data.seen = true;
    // The first connection comes straight in; later ones wait in front of the last middleware.
    if (held++ === 0) next();
    else release = () => next();
  });
  let count = (): number => 0;
  server.on("session", (session) => {
    count = () => Number((session.data["count"] = Number(session.data["count"] ?? 0) + 1));
  });
  onTestFinished(() => void server.close());
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const socket = connectTo(`http://127.0.0.1:${(http.address() as AddressInfo).port}`, {
    forceNew: true,
    reconnectionDelay: 1,
  });
  onTestFinished(() => void socket.disconnect());
  await until(() => socket.connected, { what: "the first connection" });
  count();
  socket.io.engine.close();
  await until(() => held === 2, { what: "the second connection to reach the middlewares" });
  count();
  release();
  await until(() => socket.connected, { what: "the second connection" });
  expect(count()).toBe(3);
});
