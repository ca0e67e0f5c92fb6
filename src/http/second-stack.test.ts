import { createServer, type IncomingMessage, request, type RequestListener, type Server } from "node:http";
import { type AddressInfo, connect, createServer as createTcpServer } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { type WebSocket, WebSocketServer, WebSocket as Client } from "ws";
import { until } from "../../test/harness/until.ts";
import { addressList, isWebSocket } from "./forwarded.ts";
import { SecondStack, type SecondStackOptions } from "./second-stack.ts";

test("the request arrives as it was sent, and the answer as it was given", async () => {
  const seen: IncomingMessage[] = [];
  const front = await open((incoming, response) => {
    seen.push(incoming);
    response.writeHead(207, "Of many", { "set-cookie": ["a=1", "b=2"], "keep-alive": "timeout=99" });
    response.end("text");
  });
  const path = "//a/../b%2f?x=1?y";
  const answer = await ask(front, { path, method: "PUT", headers: { host: "site.example", cookie: "c=3" } });
  expect(answer).toMatchObject({ status: 207, message: "Of many", text: "text" });
  expect(answer.headers).toMatchObject({ "set-cookie": ["a=1", "b=2"] });
  expect(answer.headers["keep-alive"]).not.toBe("timeout=99");
  expect([seen[0]?.method, seen[0]?.url]).toEqual(["PUT", path]);
  expect(seen[0]?.headers).toMatchObject({ host: "site.example", cookie: "c=3" });
});

test("a path that is no address does not end the process", async () => {
  const front = await open((incoming, response) => void response.end(incoming.url));
  expect((await ask(front, { path: "http://[" })).text).toBe("/http://[");
  expect((await ask(front, { path: "*", method: "OPTIONS" })).text).toBe("/*");
});

test("a body stays a body, whatever belongs to the connection and however long it is", async () => {
  const bodies: string[] = [];
  const front = await open((incoming, response) => {
    let text = "";
    incoming.setEncoding("latin1").on("data", (part: string) => (text += part));
    incoming.on("end", () => {
      bodies.push(`${incoming.method} ${text}`);
      response.end();
    });
  });
  const body = "GET /inner HTTP/1.1\r\nHost: a\r\n\r\n";
  const measured = { connection: "content-length, keep-alive", "content-length": String(body.length) };
  const chunked = { "transfer-encoding": "chunked" };
  await ask(front, { headers: measured, body });
  for (const method of ["GET", "POST"]) await ask(front, { method, headers: chunked, body });
  expect(bodies).toEqual([`GET ${body}`, `GET ${body}`, `POST ${body}`]);
  for (const method of ["DELETE", "OPTIONS"])
    expect((await ask(front, { method, headers: chunked, body })).status).toBe(411);
  expect(bodies).toHaveLength(3);
});

const lies = {
  "x-forwarded-for": "192.0.2.1",
  "x-forwarded-proto": "https",
  "x-forwarded-host": "elsewhere.example",
  "x-forwarded-port": "1",
  X_Forwarded_For: "192.0.2.2",
  "x-real-ip": "192.0.2.3",
  forwarded: "for=192.0.2.4",
  proxy: "http://192.0.2.5",
};

test("what a client says of its address, scheme and host is replaced", async () => {
  const { headers } = await passed({ headers: { ...lies, host: "site.example" } });
  expect(forwardedOf(headers)).toEqual({
    "x-forwarded-for": "127.0.0.1",
    "x-forwarded-proto": "http",
    "x-forwarded-host": "site.example",
  });
});

test("what a trusted proxy says of them is continued", async () => {
  const { headers } = await passed({ headers: lies }, { trustedProxies: list("10.0.0.0/8,127.0.0.0/8") });
  expect(forwardedOf(headers)).toEqual({
    "x-forwarded-for": "192.0.2.1, 127.0.0.1",
    "x-forwarded-proto": "https",
    "x-forwarded-host": "elsewhere.example",
  });
});

test("what belongs to the connection stays on it, another upgrade too", async () => {
  const upgrade = { connection: "Upgrade, HTTP2-Settings, x-hop", upgrade: "h2c", "http2-settings": "AA" };
  const { headers } = await passed({ headers: { ...upgrade, "x-hop": "1", te: "trailers", "x-end": "2" } });
  expect(headers).toMatchObject({ connection: "close", "x-end": "2" });
  for (const name of ["upgrade", "http2-settings", "x-hop", "te"]) expect(headers).not.toHaveProperty(name);
});

test("nobody there is 502, and said in the log once", async () => {
  const front = await frontOf(`http://127.0.0.1:${await unusedPort()}`);
  const answer = await ask(front);
  expect([answer.status, answer.text]).toEqual([502, expect.stringContaining("cannot be reached")]);
  await ask(front);
  expect(front.lines).toEqual(["the second stack does not answer"]);
});

test("silence is 504; a WebSocket is told too", async () => {
  const front = await open(() => undefined, { timeoutMs: 100 });
  expect((await ask(front)).status).toBe(504);
  expect(await refusalOf(front)).toBe(504);
});

test("one request too many is 503 with the time to come back", async () => {
  const held: (() => void)[] = [];
  const front = await open((_, response) => void held.push(() => response.end()), { connectionsMax: 1 });
  const first = ask(front);
  await until(() => held.length === 1, { what: "the first request" });
  expect(await ask(front)).toMatchObject({ status: 503, headers: { "retry-after": "1" } });
  expect(await refusalOf(front)).toBe(503);
  held[0]?.();
  expect((await first).status).toBe(200);
});

test("an answer that breaks off half-way breaks off at the client", async () => {
  const front = await open((_, response) => {
    response.writeHead(200, { "content-length": 10 }).write("half");
    setImmediate(() => response.destroy());
  });
  await expect(ask(front)).rejects.toThrow("aborted");
});

test("a client that goes away is noticed by the second stack", async () => {
  let isGone = false;
  const front = await open((_, response) => {
    response.on("close", () => (isGone = true));
    response.writeHead(200).write("begun");
  });
  const socket = connect(front.port, "127.0.0.1");
  socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  socket.once("data", () => socket.destroy());
  await until(() => isGone, { what: "the second stack to notice" });
});

test("after an answer that came before its body was read, a connection serves the next request", async () => {
  const front = await open((incoming, response) => {
    if (incoming.method === "POST") response.writeHead(413).end();
    else response.end("next");
  });
  const socket = connect(front.port, "127.0.0.1");
  onTestFinished(() => void socket.destroy());
  let text = "";
  socket.setEncoding("latin1").on("data", (part: string) => (text += part));
  socket.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n${"x".repeat(100_000)}`);
  await until(() => text.includes(" 413 "), { what: "the refusal" });
  socket.write(`${"x".repeat(100_000)}GET / HTTP/1.1\r\nHost: a\r\n\r\n`);
  await until(() => text.includes("next"), { what: "the next answer" });
});

test("WebSockets pass both ways, and end together", async () => {
  const front = await open(() => undefined);
  const sockets = new WebSocketServer({ server: front.back });
  const headers: IncomingMessage["headers"][] = [];
  sockets.on("connection", (socket: WebSocket, incoming: IncomingMessage) => {
    headers.push(incoming.headers);
    socket.on("message", (data: Buffer) => socket.send(`${data.toString()}!`));
  });
  const client = new Client(`ws://127.0.0.1:${front.port}/live`, { headers: lies });
  const heard: string[] = [];
  client.on("message", (data: Buffer) => heard.push(data.toString()));
  client.on("open", () => client.send("hello"));
  await until(() => heard.length === 1, { what: "the echo" });
  expect(heard).toEqual(["hello!"]);
  expect(forwardedOf(headers[0] ?? {})).toMatchObject({
    "x-forwarded-for": "127.0.0.1",
    "x-forwarded-proto": "http",
  });
  const closed = new Promise((resolve) => client.once("close", resolve));
  await front.secondStack.end(1_000);
  await closed;
  await until(() => sockets.clients.size === 0, { what: "the other end to be closed" });
});

test("an upgrade that the second stack refuses has its answer", async () => {
  const front = await open((_, response) => void response.writeHead(401, { "x-why": "no" }).end("no"));
  expect(await refusalOf(front)).toBe(401);
});

test("an end waits for answers, for so long", async () => {
  const held = new Map<string | undefined, () => void>();
  const front = await open((incoming, response) => void held.set(incoming.url, () => response.end("late")));
  const answered = ask(front, { path: "/answered" });
  const failure = ask(front, { path: "/never" }).catch((error: Error) => error.message);
  await until(() => held.size === 2, { what: "both requests" });
  const ended = front.secondStack.end(300);
  held.get("/answered")?.();
  expect(await answered).toMatchObject({ text: "late", headers: { connection: "close" } });
  await ended;
  expect(await failure).toMatch(/hang up|ECONNRESET/);
});

test.each(["10.0.0.0/33", "::1/129", "1.2.3", "localhost", "1.2.3.4/8/8", "10.0.0.0/x"])(
  "%s is no list of addresses",
  (text) => expect(addressList(text)).toBeUndefined(),
);

/** What reaches the second stack of a request. */
async function passed(asked: Asked, options: Partial<SecondStackOptions> = {}): Promise<IncomingMessage> {
  const seen: IncomingMessage[] = [];
  const front = await open((incoming, response) => {
    seen.push(incoming);
    response.end();
  }, options);
  await ask(front, asked);
  return seen[0] as IncomingMessage;
}

function forwardedOf(headers: IncomingMessage["headers"]): object {
  const names = Object.keys(headers).filter((name) => /forwarded|real|proxy/.test(name));
  return Object.fromEntries(names.map((name) => [name, headers[name]]));
}

async function open(listener: RequestListener, options: Partial<SecondStackOptions> = {}): Promise<Front> {
  const back = createServer(listener);
  const port = await listen(back);
  return { ...(await frontOf(`http://127.0.0.1:${port}`, options)), back };
}

async function frontOf(target: string, options: Partial<SecondStackOptions> = {}): Promise<Front> {
  const lines: string[] = [];
  const write = (_: object, line: string) => void lines.push(line);
  const secondStack = new SecondStack({
    target,
    timeoutMs: 5_000,
    connectionsMax: 10,
    trustedProxies: list(""),
    log: { info: write, warn: write },
    ...options,
  });
  const server = createServer({ shouldUpgradeCallback: isWebSocket }, (incoming, response) =>
    secondStack.answer(incoming, response),
  );
  server.on("upgrade", (incoming, socket, head) => secondStack.upgrade(incoming, socket, head));
  return { port: await listen(server), secondStack, lines, back: server };
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

async function unusedPort(): Promise<number> {
  const server = createTcpServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** The status with which an upgrade is refused. */
function refusalOf({ port }: Front): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const client = new Client(`ws://127.0.0.1:${port}/`);
    client.on("error", () => undefined).on("open", () => reject(new Error("it was taken")));
    client.on("unexpected-response", (_, response) => {
      resolve(response.statusCode);
      client.terminate();
    });
  });
}

function ask({ port }: Front, { body, ...asked }: Asked = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ port, host: "127.0.0.1", agent: false, ...asked }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => (text += part));
      response.on("error", reject);
      const { statusCode: status, statusMessage: message, headers } = response;
      response.on("end", () => resolve({ status, message, headers, text }));
    });
    outgoing.on("error", reject).end(body);
  });
}

function list(text: string) {
  const found = addressList(text);
  if (found === undefined) throw new Error(`${text} is no list of addresses`);
  return found;
}

// --- types ---

type Front = {
  readonly port: number;
  readonly secondStack: SecondStack;
  readonly lines: readonly string[];
  readonly back: Server;
};
type Asked = { path?: string; method?: string; headers?: Record<string, string>; body?: string };
type Answer = {
  readonly status: number | undefined;
  readonly message: string | undefined;
  readonly headers: IncomingMessage["headers"];
  readonly text: string;
};
