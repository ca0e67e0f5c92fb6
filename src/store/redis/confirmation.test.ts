import { expect, test } from "vitest";
import { assertFit, parseInfo } from "./confirmation.ts";

/** What a server says of itself, as far as it is looked at. */
function info(more: Readonly<Record<string, string>> = {}): ReadonlyMap<string, string> {
  const says = { redis_version: "7.0.15", redis_mode: "standalone", role: "master", ...more };
  return parseInfo(
    `# Server\r\n${Object.entries(says)
      .map(([name, value]) => `${name}:${value}`)
      .join("\r\n")}\r\n`,
  );
}

test("a server that is new enough is taken", () => {
  for (const version of ["7.0.0", "7.0.15", "7.4.2", "8.6.1", "10.0.0"]) {
    expect(() => assertFit(info({ redis_version: version }), "alone")).not.toThrow();
  }
  // Valkey tells both versions; what it is compatible with is what counts.
  expect(() => assertFit(info({ redis_version: "7.2.4", valkey_version: "8.1.0" }), "alone")).not.toThrow();
});

test("a server that is too old is refused by its version", () => {
  for (const version of ["2.8.24", "5.0.14", "6.2.14"]) {
    expect(() => assertFit(info({ redis_version: version }), "alone")).toThrow(
      `Redis ${version} is too old: 7.0`,
    );
  }
});

test("a server of another kind, and one that evicts, is refused by what to change", () => {
  expect(() => assertFit(info({ redis_mode: "cluster" }), "alone")).toThrow("redis+cluster://");
  expect(() => assertFit(info({ redis_mode: "cluster" }), "cluster")).not.toThrow();
  expect(() => assertFit(info({ role: "slave" }), "alone")).toThrow("replica");
  expect(() => assertFit(info({ maxmemory_policy: "allkeys-lru" }), "alone")).toThrow("noeviction");
});
