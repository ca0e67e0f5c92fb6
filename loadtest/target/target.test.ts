/** What can be decided about a target without one. */

import { describe, expect, test } from "vitest";
import { scenarios } from "../scenarios/index.ts";
import { readTargetCommand } from "./command.ts";
import { readDialect } from "./dialect.ts";
import { entryText, readEntry, targetRooms } from "./entry.ts";
import { targetScenario } from "./scenarios.ts";

const entry = { publisher: "client 3", sequence: 17, room: "lt-abc123-0", isLast: false };

describe("an entry", () => {
  test("is found wherever an application puts it", () => {
    const text = entryText("abc123", entry);
    expect(readEntry("abc123", [{ id: 1, from: { name: "x" }, body: { text: `> ${text}` } }])).toEqual(entry);
    expect(readEntry("abc123", [1, null, text.trim()])).toEqual(entry);
  });

  test("of another run is not one", () => {
    expect(readEntry("abc123", [entryText("abc124", entry)])).toBeUndefined();
    expect(readEntry("abc123", ["hello"])).toBeUndefined();
  });

  test("says that it is the last of its room", () => {
    expect(readEntry("r", entryText("r", { ...entry, isLast: true }))?.isLast).toBe(true);
  });
});

test("clients share a small room with their neighbours, and one with everybody", () => {
  expect(targetRooms("r", 9, 10)).toEqual(["lt-r-all", "lt-r-0"]);
  expect(targetRooms("r", 10, 10)).toEqual(["lt-r-all", "lt-r-1"]);
});

test("the shipped chat's dialect can be read", () => {
  expect(readDialect("chat").say?.emit).toBe("say");
});

describe("scenarios", () => {
  test("either run against a target, or are refused by name with a reason", () => {
    for (const { name } of scenarios) {
      const found = targetScenario(name);
      if (typeof found === "string") expect(found).toMatch(new RegExp(`^${name} cannot be run .*: it `));
      else expect(found.name).toBe(name);
    }
    expect(targetScenario("watch")).toMatchObject({ name: "watch" });
    expect(targetScenario("nonsense")).toContain('There is no scenario "nonsense"');
  });
});

describe("the command", () => {
  const read =
    (...args: readonly string[]) =>
    () =>
      readTargetCommand(args, { LOADTEST_TOKEN: "t" });

  test("reads what was typed", () => {
    const text =
      "watch --target https://chat.example --publish https://api.example/p --clients 5 --client socket.io";
    expect(read(...text.split(" "))()).toMatchObject({
      url: "https://chat.example",
      client: "stock",
      clients: 5,
      publish: { url: "https://api.example/p", token: "t" },
    });
  });

  test.each([
    [["steady", "--target", "chat.example"], /--target is an address such as https/],
    [["steady", "--target", "https://a:b@chat.example"], /no place for a password/],
    [["steady", "--target", "http://x", "--client", "csr"], /--client is holdfast or socket.io, not csr/],
    [["steady", "--target", "http://x", "--rate", "0"], /--rate takes a whole number from 1/],
    [["steady", "--target", "http://x", "--listen", "9000"], /--listen is ADDRESS:PORT/],
    [["steady", "--target", "http://x", "--ca", "/no/such/file"], /--ca .*: there is no such file/],
    [["steady", "--target", "http://x", "--dialect", "/no/such/file"], /--dialect .*ENOENT/],
    [["worker-kill", "--target", "http://x"], /it kills servers; use watch/],
    [["steady", "--target", "http://x", "--store", "redis"], /--store/],
  ])("refuses %j", (args, why) => {
    expect(read(...args)).toThrow(why);
  });
});
