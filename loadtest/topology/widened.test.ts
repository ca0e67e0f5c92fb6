/** The HAProxy parts that ship list three nodes of each slot; runs with five add two. */

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { widened } from "./widened.ts";

describe("HAProxy's nodes", () => {
  test("five of each slot are three as shipped and two more", () => {
    const lines = widened(part("nodes"), 5).split("\n");
    expect(serversOf(lines)).toEqual([
      "a00 127.0.0.1:8000",
      "a01 127.0.0.1:8001",
      "a02 127.0.0.1:8002",
      "a03 127.0.0.1:8003",
      "a04 127.0.0.1:8004",
      "b00 127.0.0.1:8010",
      "b01 127.0.0.1:8011",
      "b02 127.0.0.1:8012",
      "b03 127.0.0.1:8013",
      "b04 127.0.0.1:8014",
    ]);
  });

  test("the website follows the health of the same nodes", () => {
    expect(widened(part("website-from-nodes"), 5)).toContain(
      "server b04 127.0.0.1:8014 track socketio/b04\n",
    );
  });

  test("three are left as they are, and so is what lists none", () => {
    expect(widened(part("nodes"), 3)).toBe(part("nodes"));
    expect(widened(part("edge-http"), 5)).toBe(part("edge-http"));
  });
});

function part(name: string): string {
  return readFileSync(new URL(`../../haproxy/${name}.cfg`, import.meta.url), "utf8");
}

function serversOf(lines: readonly string[]): string[] {
  return lines.flatMap((line) => /^ +server (\w+ \S+)/.exec(line)?.[1] ?? []);
}
