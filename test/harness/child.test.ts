import { connect } from "node:net";
import { expect, test } from "vitest";
import { Child, programPath, startChild } from "./child.ts";
import { Scope } from "./owner.ts";
import { until } from "./until.ts";

const program = programPath("./child.fixture.ts", import.meta.url);

test("a child is asked, answers, and its errors come back with their message", async (t) => {
  const child = startChild(t, { program });
  expect(await child.ask("echo", { some: ["value"] })).toEqual({ some: ["value"] });
  await expect(child.ask("fail")).rejects.toThrow("told to fail");
  await expect(child.ask("toString")).rejects.toThrow("No such command: toString");
  await expect(child.ask("hang", {}, 50)).rejects.toThrow('Not within 50 ms: answer to "hang"');
});

test("a wait fails at once, and with what the child wrote, when the child ends first", async (t) => {
  const child = startChild(t, { program, name: "quitter" });
  await child.event("ready");
  const startedAt = performance.now();
  await expect(child.ask("exit")).rejects.toThrow(
    /Ended before answer to "exit": --- quitter .* ended with code 3/,
  );
  expect(performance.now() - startedAt).toBeLessThan(5_000);
  await expect(child.ask("echo")).rejects.toThrow("quitter is gone");
});

test("a child is killed by the signal it was sent, and starts again on the same port", async (t) => {
  const child = startChild(t, { program });
  const { port } = await child.event<{ port: number }>("ready");
  expect(await child.kill("SIGTERM")).toEqual({ code: 0, signal: null });
  expect(child.stderr).toBe("going\n");
  const firstPid = child.pid;
  child.restart([String(port)]);
  expect((await child.line(/listening on (\d+)/))[1]).toBe(String(port));
  expect(child.pid).not.toBe(firstPid);
  await child.event("ready");
  expect(child.events("ready")).toEqual([{ port }]);
  expect(await child.kill("SIGKILL")).toEqual({ code: null, signal: "SIGKILL" });
});

test("a child that misses its deadline is killed, and says so", async (t) => {
  const child = startChild(t, { program, deadlineMs: 50 });
  expect((await child.exited()).signal).toBe("SIGKILL");
  expect(child.report()).toContain("its deadline of 50 ms has passed");
});

test("a child ends with its owner", async () => {
  const owner = new Scope();
  const child = startChild(owner, { program });
  await child.event("ready");
  await owner.end();
  expect(child.running).toBe(false);
});

test("a child whose parent is killed with SIGKILL dies as well", async (t) => {
  const parent = startChild(t, { program });
  const { port } = await parent.ask<{ port: number }>("breed");
  expect(await listens(port)).toBe(true);
  await parent.kill("SIGKILL");
  await until(async () => !(await listens(port)), { what: "the orphan gives its port back" });
});

test("a program that cannot be started fails the wait, not the test process", async () => {
  const child = new Child({ program, prefix: ["no-such-command-of-holdfast"] });
  await expect(child.event("ready")).rejects.toThrow("ENOENT");
});

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}
