import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { until } from "../../test/harness/until.ts";
import { io } from "../client/index.ts";
import { Server } from "./index.ts";

test("G7 sessions that stayed for their handlers make room when these have finished", async () => {
  const http = createServer();
  const server = new Server(http, { delivery: { suspendedSessionsLimit: 1 } });
  onTestFinished(() => server.delivery.close());
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const releases: (() => void)[] = [];
  server.on("connection", (socket) => {
    socket.on("work", () => new Promise<void>((resolve) => void releases.push(resolve)));
  });
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  const clients = [1, 2].map(() =>
    io(url, { transports: ["websocket"], reconnection: false, forceNew: true }),
  );
  onTestFinished(() => {
    for (const client of clients) client.close();
  });
  for (const client of clients) client.emit("work");
  await until(() => releases.length === 2, { what: "both handlers", state: () => `${releases.length}` });
  for (const client of clients) client.io.engine?.close();
  let suspended = 0;
  const look = async () => {
    suspended = (await server.delivery.figures()).suspendedSessions;
    return suspended;
  };
  await until(async () => (await look()) === 2, {
    what: "both sessions suspended",
    state: () => `${suspended}`,
  });
  for (const release of releases) release();
  await until(async () => (await look()) === 1, { what: "room was made", state: () => `${suspended}` });
  expect(suspended).toBe(1);
});
