/** The server and client programs themselves, on stock Socket.IO: what the tests of the table stand on. */

import { describe, expect, test } from "vitest";
import { startClient } from "./client-child.ts";
import { openClient } from "./client.ts";
import { fingerprint } from "./server-program.ts";
import { startServer } from "./server.ts";
import { until } from "./until.ts";

describe("server program", () => {
  test("keeps its port and its record of handled events through SIGKILL", async (t) => {
    const server = await startServer(t, "stock");
    const client = await openClient(t, "stock", server.url, { name: "ann" });
    await client.work({ id: 1 });
    const { port } = server;
    const firstPid = server.child.pid;
    await server.kill("SIGKILL");
    await server.restart();
    expect(server.port).toBe(port);
    await client.connected(2);
    await client.work({ id: 2 });
    expect(server.handled()).toEqual([
      { name: "ann", id: 1, session: client.connects[0]?.id, pid: firstPid },
      { name: "ann", id: 2, session: client.connects[1]?.id, pid: server.child.pid },
    ]);
  });

  test("reports who is connected, in which rooms, and who left", async (t) => {
    const server = await startServer(t, "stock");
    const client = await openClient(t, "stock", server.url, { name: "ann", rooms: ["lobby"] });
    const { id } = client.socket;
    await server.hasMembers("lobby");
    const status = await server.status();
    expect(status).toMatchObject({ sockets: 1, engineClients: 1, rooms: { lobby: [id] } });
    expect(status.connections).toEqual([{ name: "ann", id, recovered: false }]);
    client.close();
    const left = await server.reaches("the client has left", ({ sockets }) => sockets === 0);
    expect(left.disconnects).toEqual([{ name: "ann", id, reason: "client namespace disconnect" }]);
    await expect(server.reaches("what never comes", () => false, 20)).rejects.toThrow("what never comes");
  });

  test("handles payloads, publishes from the handler to the others, and delivers a series", async (t) => {
    const server = await startServer(t, "stock");
    const ann = await openClient(t, "stock", server.url, { name: "ann", rooms: ["lobby"] });
    const bob = await openClient(t, "stock", server.url, { name: "bob", rooms: ["lobby"] });
    await server.hasMembers("lobby", 2);
    const payload = Buffer.from([0, 1, 2, 255]);
    expect(await ann.work({ id: 7, payload, publishTo: "lobby" })).toEqual({
      id: 7,
      ...fingerprint(payload),
    });
    expect(await server.publish({ room: "lobby", from: 8, count: 2 })).toEqual([null, null]);
    expect(await bob.receives("lobby", 3)).toEqual([7, 8, 9]);
    await ann.roundTrip();
    expect(ann.received("lobby")).toEqual([8, 9]);
  });
});

test("a client program emits, records outcomes, and is frozen and thawed", async (t) => {
  const server = await startServer(t, "stock");
  const options = { name: "ann", rooms: ["lobby"] };
  const client = await startClient(t, { kind: "stock", url: server.url, options });
  await server.hasMembers("lobby");
  await client.emit({ from: 1, count: 3 });
  client.child.signal("SIGSTOP");
  await server.publish({ room: "lobby", from: 1, count: 2 });
  await expect(client.child.ask("report", {}, 100)).rejects.toThrow('Not within 100 ms: answer to "report"');
  client.child.signal("SIGCONT");
  const both = ({
    received,
    outcomes,
  }: {
    received: readonly unknown[];
    outcomes: readonly unknown[];
  }): boolean => received.length === 2 && outcomes.length === 3;
  const report = await client.reaches("everything has arrived", both);
  expect(report.received).toEqual([
    { room: "lobby", id: 1 },
    { room: "lobby", id: 2 },
  ]);
  expect(report.outcomes.map(({ id, outcome }) => [id, outcome])).toEqual([
    [1, "acknowledged"],
    [2, "acknowledged"],
    [3, "acknowledged"],
  ]);
  await until(() => server.handled().length === 3, { what: "three handled events" });
});
