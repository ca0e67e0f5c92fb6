import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { ConfigurationError, readConfiguration, settings } from "./configuration.ts";

test("an empty environment gives a server that only this machine can reach", () => {
  const configuration = readConfiguration({});
  const { secondStack, ...others } = configuration;
  expect(secondStack).toMatchObject({ target: undefined, timeoutMs: 60_000, connectionsMax: 1_000 });
  expect(secondStack.trustedProxies.rules).toEqual([]);
  expect(others).toEqual({
    port: 3000,
    host: "127.0.0.1",
    workers: 0,
    internalPort: undefined,
    internalHost: "127.0.0.1",
    tls: undefined,
    store: "sqlite:data/holdfast.db",
    chatDatabase: "data/chat.db",
    node: undefined,
    retentionMs: 30 * 24 * 3_600_000,
    sessionLifeMs: 24 * 3_600_000,
    logLevel: "info",
    drainLeadMs: 0,
    drainBatchSize: 25,
    drainBatchIntervalMs: 250,
    shutdownTimeoutMs: 20_000,
  });
  expect(Object.isFrozen(configuration)).toBe(true);
});

test("values are taken, and an empty variable counts as unset", () => {
  const configuration = readConfiguration({
    PORT: "0",
    HOST: "::",
    HOLDFAST_STORE: "memory:",
    HOLDFAST_NODE: "a0Z",
    HOLDFAST_LOG_LEVEL: "",
    UNRELATED: "anything",
  });
  expect(configuration).toMatchObject({
    port: 0,
    host: "::",
    store: "memory:",
    node: "a0Z",
    logLevel: "info",
  });
});

test("the chat's names follow a store that other machines share, unless they are told where to be", () => {
  const namesOf = (HOLDFAST_STORE: string, HOLDFAST_CHAT_DATABASE = "") =>
    readConfiguration({ HOLDFAST_STORE, HOLDFAST_CHAT_DATABASE }).chatDatabase;
  expect(namesOf("redis://a")).toBe("redis://a");
  expect(namesOf("redis+cluster://a,b")).toBe("redis+cluster://a,b");
  expect(namesOf("memory:")).toBe("data/chat.db");
  expect(namesOf("redis://a", "names.db")).toBe("names.db");
  expect(namesOf("memory:", "rediss://b")).toBe("rediss://b");
});

test("workers are counted in cores, and need a store that they can share", () => {
  const workersOf = (text: string) => readConfiguration({ HOLDFAST_WORKERS: text }, 4).workers;
  expect([workersOf(""), workersOf("max"), workersOf("1"), workersOf("4")]).toEqual([0, 4, 1, 4]);
  for (const wrong of ["5", "0", "all", "-1", "1.5"]) {
    expect(() => workersOf(wrong)).toThrow(`HOLDFAST_WORKERS is ${JSON.stringify(wrong)}`);
  }
  expect(() => readConfiguration({ HOLDFAST_WORKERS: "1", HOLDFAST_STORE: "memory:" }, 4)).toThrow("share");
});

test("the internal port is another one than that of the page", () => {
  const portOf = (text: string) => readConfiguration({ HOLDFAST_INTERNAL_PORT: text }).internalPort;
  expect([portOf(""), portOf("0"), portOf("9464")]).toEqual([undefined, 0, 9464]);
  expect(() => portOf("3000")).toThrow("HOLDFAST_INTERNAL_PORT and PORT are both 3000.");
});

test("what Kubernetes sets for a service named holdfast is not taken for a mistyped setting", () => {
  const injected = [
    "HOLDFAST_SERVICE_HOST",
    "HOLDFAST_SERVICE_PORT_HTTP",
    "HOLDFAST_PORT",
    "HOLDFAST_PORT_3000_TCP_ADDR",
  ];
  expect(() =>
    readConfiguration(Object.fromEntries(injected.map((name) => [name, "10.0.0.1"]))),
  ).not.toThrow();
  expect(() => readConfiguration({ HOLDFAST_REDIS_SERVICE_HOST: "10.0.0.2" })).not.toThrow();
});

test.each([
  ["PORT", "80a"],
  ["PORT", "65536"],
  ["PORT", "-1"],
  ["PORT", "1e3"],
  ["HOST", "not a host"],
  ["HOLDFAST_INTERNAL_PORT", "tcp://10.0.0.1:9464"],
  ["HOLDFAST_INTERNAL_HOST", "not a host"],
  ["HOLDFAST_SECOND_STACK", "127.0.0.1:3000"],
  ["HOLDFAST_SECOND_STACK", "https://127.0.0.1:3000"],
  ["HOLDFAST_SECOND_STACK", "http://127.0.0.1:3000/path"],
  ["HOLDFAST_SECOND_STACK", "http://127.0.0.1:300000"],
  ["HOLDFAST_SECOND_STACK_TIMEOUT_MS", "0"],
  ["HOLDFAST_SECOND_STACK_CONNECTIONS", "0"],
  ["HOLDFAST_TRUSTED_PROXIES", "10.0.0.0/8;10.1.1.1"],
  ["HOLDFAST_STORE", "postgres://somewhere"],
  ["HOLDFAST_STORE", "sqlite:"],
  ["HOLDFAST_NODE", "abcd"],
  ["HOLDFAST_NODE", "a-b"],
  ["HOLDFAST_RETENTION_HOURS", "0"],
  ["HOLDFAST_SESSION_HOURS", "forever"],
  ["HOLDFAST_LOG_LEVEL", "verbose"],
  ["HOLDFAST_DRAIN_LEAD_MS", "5s"],
  ["HOLDFAST_SHUTDOWN_TIMEOUT_MS", "0"],
] as const)("%s=%s is refused by name, with what is allowed", (name, value) => {
  expect(() => readConfiguration({ [name]: value })).toThrow(
    `${name} is ${JSON.stringify(value)}; allowed is `,
  );
});

test.each([
  ["http://127.0.0.1:3000", {}],
  ["http://localhost", { PORT: "80" }],
  ["http://10.0.0.1:8000", { PORT: "8000", HOST: "10.0.0.1" }],
] as const)("a second stack at %s that is this process itself is refused", (target, environment) => {
  expect(() => readConfiguration({ ...environment, HOLDFAST_SECOND_STACK: target })).toThrow(
    `HOLDFAST_SECOND_STACK=${target} is this process itself`,
  );
});

test("a second stack is taken on another port, and on another machine", () => {
  const read = (target: string) =>
    readConfiguration({ PORT: "80", HOLDFAST_SECOND_STACK: target }).secondStack;
  expect(read("http://127.0.0.1:3000").target).toBe("http://127.0.0.1:3000");
  expect(read("http://10.0.0.7/").target).toBe("http://10.0.0.7");
  expect(read("").target).toBeUndefined();
});

test.each([
  [{ HOLDFAST_TLS_KEY: "key.pem" }, "HOLDFAST_TLS_KEY is set and HOLDFAST_TLS_CERTIFICATE is not"],
  [{ HOLDFAST_TLS_CERTIFICATE: "a.pem" }, "HOLDFAST_TLS_CERTIFICATE is set and HOLDFAST_TLS_KEY is not"],
  [
    { HOLDFAST_TLS_CERTIFICATE: "a.pem", HOLDFAST_TLS_KEY: "key.pem", HOLDFAST_WORKERS: "1" },
    "HOLDFAST_WORKERS and HOLDFAST_TLS_CERTIFICATE exclude each other",
  ],
])("TLS by halves, or with workers, is refused: %o", (environment, message) => {
  expect(() => readConfiguration(environment)).toThrow(message);
});

test("all wrong values are named at once, mistyped names among them", () => {
  const wrong = { PORT: "x", HOLDFAST_NODE: "long", HOLDFAST_STOER: "memory:" };
  try {
    readConfiguration(wrong);
    expect.unreachable("a wrong environment was accepted");
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigurationError);
    const named = (error as ConfigurationError).problems.map((line) => line.split(" ")[0]);
    expect(new Set(named)).toEqual(new Set(Object.keys(wrong)));
    expect(named).toHaveLength(3);
  }
});

test("docs/CONFIGURATION.md has exactly the settings, with their defaults, limits and meanings", () => {
  const text = readFileSync(new URL("../docs/CONFIGURATION.md", import.meta.url), "utf8");
  const rows = text.split("\n").filter((line) => /^\| `[A-Z_]+` /.test(line));
  const expected = Object.entries(settings).map(
    ([name, { fallback, allowed, meaning }]) =>
      `| \`${name}\` | ${fallback === "" ? "(empty)" : `\`${fallback}\``} | ${allowed} | ${meaning} |`,
  );
  expect(rows).toEqual(expected);
});
