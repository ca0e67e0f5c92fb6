import { expect, test } from "vitest";
import { readTarget, WrongUse } from "./target.ts";

test.for([
  [[], "Which deployment? Give its URL."],
  [["chat.example"], '"chat.example" is no URL of a site'],
  [["ftp://chat.example"], "is no URL of a site"],
  [["https://a.example", "https://b.example"], "One URL at a time"],
  [["https://chat.example/admin"], "a namespace with --namespace"],
  [["https://ann:pw@chat.example"], "no place for a password"],
  [["https://chat.example", "--path", "/a b"], '--path is "/a b", not a path'],
  [["https://chat.example", "--namespace", "a,b"], "--namespace cannot contain a comma"],
  [["https://chat.example", "--clients", "0"], '--clients is "0"; allowed is a whole number from 1 to 200'],
  [["https://chat.example", "--idle", "0"], '--idle is "0"; allowed is a whole number from 1 to 3600'],
  [["https://chat.example", "--large", "many"], '--large is "many"'],
  [["https://chat.example", "--timeout", "1.5"], '--timeout is "1.5"'],
  [["https://chat.example", "--auth", "secret"], "--auth takes a JSON object"],
  [["https://chat.example", "--auth", "[1]"], "--auth takes a JSON object"],
  [["https://chat.example", "--origin", "app"], '--origin is "app"'],
  [["https://chat.example", "--ca", "missing.pem"], "--ca cannot be read"],
  [["https://chat.example", "--ca", "package.json"], "has no certificate in it"],
  [["https://chat.example", "--fast"], "--fast"],
] as const)("wrong use is refused by name: %j", ([args, message]) => {
  expect(() => readTarget(args)).toThrow(WrongUse);
  expect(() => readTarget(args)).toThrow(message);
});

test("what is not given has a default", () => {
  const target = readTarget(["wss://chat.example:8443"]);
  expect(target).toMatchObject({ path: "/socket.io/", namespace: "/", clients: 30, timeoutMs: 10_000 });
  expect(target).toMatchObject({ auth: undefined, origin: undefined, idleMs: undefined, insecure: false });
  expect(target !== "help" && target.url.href).toBe("https://chat.example:8443/");
});

test("paths, namespaces and origins are taken as people write them", () => {
  const args = ["--path", "live", "--namespace", "admin", "--origin", "https://App.Example/"];
  expect(readTarget(["http://chat.example", ...args])).toMatchObject({
    path: "/live/",
    namespace: "/admin",
    origin: "https://app.example",
  });
});

test("--idle stands with a number, before another option, before the URL and at the end", () => {
  const idleOf = (...args: string[]) => {
    const target = readTarget(args);
    return target === "help" ? undefined : target.idleMs;
  };
  expect(idleOf("http://a.example", "--idle", "30")).toBe(30_000);
  expect(idleOf("http://a.example", "--idle=30")).toBe(30_000);
  expect(idleOf("http://a.example", "--idle", "--json")).toBe("ping");
  expect(idleOf("--idle", "http://a.example")).toBe("ping");
  expect(idleOf("http://a.example", "--idle")).toBe("ping");
});

test("an auth that is refused is not repeated: it may be a secret", () => {
  expect(() => readTarget(["http://a.example", "--auth", "hunter2"])).toThrow(/^(?!.*hunter2)/);
});
