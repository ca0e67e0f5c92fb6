/** `holdfast check` of servers without a proxy, of what is no Socket.IO at all, and of its own arguments. */

import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, createServer, type Server } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startChild } from "../harness/child.ts";
import { type Owner, Scope } from "../harness/owner.ts";
import { startNodes, startPlain } from "./check/nodes.ts";
import { auth, check, checkJson, curesOf, program, quick } from "./check/run-check.ts";

const scope = new Scope();
let port = 0;

beforeAll(async () => {
  port = (await startNodes(scope, ["a00"]))["a00"] ?? 0;
});
afterAll(() => scope.end());

describe.concurrent("holdfast check", () => {
  test("a node by itself, for people: it worked", async (context) => {
    const { code, last, said, stderr } = await check(context, `http://127.0.0.1:${port}`, ...auth);
    expect([code, last, stderr]).toEqual([0, "It worked.", ""]);
    expect(said).toContain("1 2 3 4 5 recorded and answered in order");
    expect(said).toMatch(/the same session after a cut.*none lost/);
    expect(said).toMatch(/one node, a00, in \d+ connections/);
  });

  test("the same for programs: one object with every check", async (context) => {
    const { code, report, of } = await checkJson(
      context,
      `ws://127.0.0.1:${port}`,
      ...auth,
      "--clients",
      "3",
    );
    expect(code).toBe(0);
    expect(report).toMatchObject({
      url: `http://127.0.0.1:${port}/`,
      path: "/socket.io/",
      namespace: "/",
      worked: true,
      verdict: "It worked.",
      exitCode: 0,
      proxy: null,
      interrupted: false,
    });
    expect(report.checks.map(({ check: name }) => name).join(" ")).toBe(
      "http tls clock handshake polling websocket upgrade cors session messages resume nodes large idle",
    );
    expect(of("handshake").figures).toMatchObject({ pingIntervalMs: 8_000, maxPayload: 1_000_000 });
    expect(of("polling").figures).toEqual({ clients: 3, failed: 0, nodes: { a00: 4 } });
    expect(of("session").figures).toMatchObject({ server: "holdfast", protocol: 1 });
    expect(of("large").figures).toMatchObject({ bytes: 999_000, transports: ["polling", "websocket"] });
  });

  test("a namespace that refuses: what it said, and the rest is tried", async (context) => {
    const url = `http://127.0.0.1:${port}`;
    const without = await check(context, url, ...quick);
    expect([without.code, without.last]).toEqual([0, "It worked as far as it was tried."]);
    expect(without.said).toMatch(/CONNECT \/ is refused: "This page did not send the secret.*--auth/);
    expect(without.said).toContain("1 2 3 4 5 answered in order");
    const wrong = await checkJson(context, url, ...quick, "--auth", '{"secret":"short"}');
    expect([wrong.code, wrong.bad]).toEqual([1, ["session"]]);
    expect(curesOf(wrong.of("session"))).toContain("refuses what --auth says");
    const elsewhere = await checkJson(context, url, ...quick, "--namespace", "nowhere");
    expect([elsewhere.code, elsewhere.bad]).toEqual([1, ["session"]]);
    expect(curesOf(elsewhere.of("session"))).toContain("The server has no namespace /nowhere.");
  });

  test("a page of another host that is not let in", async (context) => {
    const args = [...quick, ...auth, "--origin", "https://app.example"];
    const { code, of, bad, shown } = await checkJson(context, `http://127.0.0.1:${port}`, ...args);
    expect([code, bad], shown).toEqual([1, ["cors"]]);
    expect(of("cors").seen).toBe("no access-control-allow-origin");
    expect(curesOf(of("cors"))).toMatch(/Pages of https:\/\/app\.example cannot read[^]*cors: \{ origin:/);
  });

  test("plain Socket.IO works, what is missing is named; its CORS lets one in", async (context) => {
    const plain = await startPlain(context, {
      cors: { origin: ["https://app.example"], credentials: true },
      pingInterval: 25_000,
    });
    const url = `http://127.0.0.1:${plain}`;
    const allowed = await check(context, url, "--origin", "https://app.example", "--clients", "4");
    expect([allowed.code, allowed.last]).toEqual([0, "It works, with 1 warning."]);
    expect(allowed.said).toContain("https://app.example is let in, with credentials");
    for (const clause of ["G1", "G2", "G3", "G4", "G5", "G6", "G7", "G8"]) {
      expect(allowed.said).toContain(`${clause} `);
    }
    expect(allowed.said).toContain("1 2 3 4 5 answered in order");
    expect(allowed.said).toContain("time-outs up to the ping interval of 25 s");
    const other = await checkJson(context, url, ...quick, "--origin", "https://other.example");
    expect([other.code, other.bad]).toEqual([1, ["cors"]]);
  });

  test("connection state recovery is recognised; a server's small limit is kept", async (context) => {
    const options = { connectionStateRecovery: {}, maxHttpBufferSize: 50_000, path: "/live" };
    const url = `http://127.0.0.1:${await startPlain(context, options)}`;
    const { code, of } = await checkJson(context, url, "--path", "live", ...quick);
    expect(code).toBe(0);
    expect(of("session").seen).toBe("plain Socket.IO with connection state recovery");
    expect(of("large").figures).toMatchObject({ bytes: 49_000 });
    const more = await checkJson(context, url, "--path", "/live/", ...quick, "--large", "60000");
    expect([more.code, more.bad]).toEqual([1, ["large"]]);
    expect(curesOf(more.of("large"))).toContain("maxHttpBufferSize");
    const elsewhere = await checkJson(context, url, ...quick);
    expect([elsewhere.code, elsewhere.bad]).toEqual([1, ["handshake"]]);
  });

  test("servers that have one of the two transports only", async (context) => {
    const socketsOnly = `http://127.0.0.1:${await startPlain(context, { transports: ["websocket"] })}`;
    const first = await checkJson(context, socketsOnly, ...quick);
    expect([first.code, first.bad]).toEqual([0, []]);
    expect(first.of("polling")).toMatchObject({
      result: "skipped",
      seen: expect.stringContaining("switched off"),
    });
    const pollingOnly = `http://127.0.0.1:${await startPlain(context, { transports: ["polling"] })}`;
    const second = await checkJson(context, pollingOnly, ...quick);
    expect([second.code, second.bad]).toEqual([1, ["websocket"]]);
    expect(curesOf(second.of("websocket"))).toContain(
      'transports of new Server(...) has to contain "websocket"',
    );
  });

  test("a web server that has never heard of Socket.IO", async (context) => {
    const web = createHttpServer((_request, response) => void response.end("<h1>Welcome</h1>"));
    const { code, of, bad, shown } = await checkJson(
      context,
      `http://127.0.0.1:${await listen(context, web)}`,
    );
    expect([code, bad], shown).toEqual([1, ["handshake"]]);
    expect(of("handshake").seen).toContain("<h1>Welcome</h1>");
    expect(curesOf(of("handshake"))).toMatch(/not Socket\.IO[^]*--path/);
  });

  test("an edge that wants TLS for Socket.IO", async (context) => {
    const web = createHttpServer((_request, response) => void response.writeHead(403).end("https only"));
    const { code, of, bad, shown } = await checkJson(
      context,
      `http://127.0.0.1:${await listen(context, web)}`,
    );
    expect([code, bad], shown).toEqual([1, ["handshake"]]);
    expect(curesOf(of("handshake"))).toContain("Client: use https://");
  });

  test("a redirect to https: check that one", async (context) => {
    const web = createHttpServer(
      (_request, response) => void response.writeHead(301, { location: "https://chat.example/" }).end(),
    );
    const { code, of, bad, shown } = await checkJson(
      context,
      `http://127.0.0.1:${await listen(context, web)}`,
    );
    expect([code, bad], shown).toEqual([1, ["handshake"]]);
    expect(of("handshake").seen).toBe("status 301 to https://chat.example/");
  });

  test("nobody listens", async (context) => {
    const scratch = new Scope();
    const closed = await listen(scratch, createServer());
    await scratch.end();
    const { code, last, said } = await check(context, `http://127.0.0.1:${closed}`);
    expect([code, last]).toEqual([1, "It does not work: 1 problem."]);
    expect(said).toMatch(/the connection is refused.*systemctl status haproxy.*HOST is 127\.0\.0\.1/);
  });

  test("Ctrl-C ends it, also in the middle of a request", async (context) => {
    const silent = createServer();
    const reached = new Promise((resolve) => silent.once("connection", resolve));
    const url = `http://127.0.0.1:${await listen(context, silent)}`;
    const child = startChild(context, { program, args: ["check", url] });
    await reached;
    child.signal("SIGINT");
    expect(await child.exited(5_000)).toEqual({ code: 130, signal: null });
    expect(child.stdout).toContain("Interrupted.");
    expect(child.stdout).toMatch(/skipped {2}http +interrupted/);
  });

  test("a server that takes its time: no answer, after as long as was said", async (context) => {
    const url = `http://127.0.0.1:${await listen(context, createServer())}`;
    const { code, of } = await checkJson(context, url, "--timeout", "1");
    expect(code).toBe(1);
    expect(of("http").seen).toBe("127.0.0.1: no answer within 1 s");
  });

  test("wrong use and an unknown name end with 2, and print nothing but why", async (context) => {
    const wrong = await check(context, "https://chat.example", "--fast");
    expect([wrong.code, wrong.text]).toEqual([2, ""]);
    expect(wrong.stderr).toMatch(/--fast[^]*npx holdfast check --help/);
    const unknown = await check(context, "http://no-such-host.invalid");
    expect([unknown.code, unknown.text]).toEqual([2, ""]);
    expect(unknown.stderr).toContain("Nobody knows the name no-such-host.invalid");
  });

  test("--help tells all options", async (context) => {
    const { code, text } = await check(context, "--help");
    expect(code).toBe(0);
    for (const option of ["--path", "--idle", "--ca", "--json", "--auth"])
      expect(text).toContain(`  ${option}`);
  });
});

/** Returns the port; the server and its connections end with their owner. */
async function listen(owner: Owner, server: Server): Promise<number> {
  const sockets = new Set<{ destroy(): void }>();
  server.on("connection", (socket) => void sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  owner.onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as AddressInfo).port;
}
