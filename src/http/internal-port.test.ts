import { request } from "node:http";
import { expect, onTestFinished, test } from "vitest";
import { InternalPort, type InternalPortOptions, type RollLine } from "./internal-port.ts";

const command = { "holdfast-command": "roll" };

test("a roll is told step by step, and its last line says how it ended", async () => {
  const port = await open({
    roll: async (tell) => {
      tell("one");
      tell("two");
    },
  });
  const rolled = await ask(port, { headers: command });
  expect(rolled.status).toBe(200);
  expect(linesOf(rolled.body)).toEqual([{ progress: "one" }, { progress: "two" }, { rolled: true }]);
});

test("a refused roll ends with the reason, and with what the worker wrote last", async () => {
  const failure = Object.assign(new Error("not ready"), { lastWords: ["SyntaxError: here"] });
  const port = await open({ roll: () => Promise.reject(failure) });
  const { body } = await ask(port, { headers: command });
  expect(linesOf(body)).toEqual([{ refused: "not ready", details: ["SyntaxError: here"] }]);
});

test.each([
  ["without the header, as a page can send it", 403, { headers: {} }],
  ["with another command", 403, { headers: { "holdfast-command": "drain" } }],
  ["with an origin", 403, { headers: { ...command, origin: "http://localhost:3000" } }],
  ["under a name that leads here", 403, { headers: { ...command, host: "rebound.example:80" } }],
  ["under a name that begins like loopback", 403, { headers: { ...command, host: "127.0.0.1.example" } }],
  ["as a link", 405, { headers: command, method: "GET" }],
  ["as the question of a browser", 405, { headers: { origin: "http://example.com" }, method: "OPTIONS" }],
])("a roll is not begun %s", async (_, status, asked) => {
  let begun = 0;
  const port = await open({
    roll: async () => {
      begun += 1;
    },
  });
  const answer = await ask(port, asked);
  expect(answer.status).toBe(status);
  expect(answer.headers["access-control-allow-origin"]).toBeUndefined();
  expect(begun).toBe(0);
});

test("metrics have their type; where they cannot be read, the answer says so", async () => {
  let working = true;
  const port = await open({ metrics: async () => (working ? "a 1\n" : Promise.reject(new Error("gone"))) });
  const read = () => ask(port, { method: "GET", path: "/metrics" });
  expect(await read()).toMatchObject({ status: 200, body: "a 1\n", headers: { "content-type": "text/x" } });
  working = false;
  expect(await read()).toMatchObject({ status: 500, body: "The metrics cannot be read: gone\n" });
  expect((await ask(port, { method: "GET", path: "/elsewhere" })).status).toBe(404);
});

test("health is that of the process at the moment", async () => {
  let readiness: "starting" | "ready" | "draining" = "starting";
  const port = await open({ readiness: () => readiness });
  const statusOf = async (path: string) => (await ask(port, { method: "GET", path })).status;
  expect([await statusOf("/livez"), await statusOf("/readyz")]).toEqual([200, 404]);
  readiness = "ready";
  expect(await statusOf("/readyz")).toBe(200);
  readiness = "draining";
  expect([await statusOf("/livez"), await statusOf("/readyz")]).toEqual([200, 404]);
});

async function open(options: Partial<InternalPortOptions>): Promise<number> {
  const internal = new InternalPort({
    readiness: () => "ready",
    metrics: async () => "",
    metricsType: "text/x",
    roll: async () => undefined,
    ...options,
  });
  onTestFinished(() => internal.close());
  return await internal.listen("127.0.0.1", 0);
}

function ask(port: number, options: Asked): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { method = "POST", path = "/roll", headers = {} } = options;
    const outgoing = request({ port, host: "127.0.0.1", method, path, headers, agent: false }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => (body += text));
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
      );
    });
    outgoing.on("error", reject).end();
  });
}

function linesOf(body: string): RollLine[] {
  const lines = body.trim().split("\n");
  return lines.map((line) => JSON.parse(line) as RollLine);
}

// --- types ---

type Asked = { method?: string; path?: string; headers?: Record<string, string> };
type Answer = { status: number; headers: Readonly<Record<string, unknown>>; body: string };
