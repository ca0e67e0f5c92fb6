import { expect, test } from "vitest";
import { DeadlineError, eventually, until, within } from "./until.ts";

test("until returns the first truthy value", async () => {
  let turn = 0;
  const value = await until(() => (++turn === 30 ? "here" : undefined), { what: "the thirtieth turn" });
  expect(value).toBe("here");
  expect(turn).toBe(30);
});

test("until fails at its deadline with what it waited for and how things stood", async () => {
  const waiting = until(() => false, { deadlineMs: 20, what: "the impossible", state: () => "nothing yet" });
  await expect(waiting).rejects.toThrow("Not within 20 ms: the impossible (nothing yet)");
  await expect(waiting).rejects.toBeInstanceOf(DeadlineError);
});

test("until lets an error of the condition through at once", async () => {
  const broken = (): boolean => {
    throw new Error("broken");
  };
  await expect(until(broken, { deadlineMs: 60_000, what: "never reached" })).rejects.toThrow("broken");
});

test("eventually waits for the count and names what was there when it fails", async () => {
  const list: number[] = [];
  const timer = setInterval(() => list.push(list.length), 1);
  try {
    const seen = await eventually(() => list, { count: 3, what: "three numbers" });
    expect(seen.slice(0, 3)).toEqual([0, 1, 2]);
  } finally {
    clearInterval(timer);
  }
  const failing = eventually(() => ["a"], { count: 2, deadlineMs: 10, what: "two letters" });
  await expect(failing).rejects.toThrow('two letters (1 of 2, the last ones: ["a"])');
});

test("within passes values and errors, and fails a promise that never settles", async () => {
  expect(await within(Promise.resolve(7), { what: "a number" })).toBe(7);
  await expect(within(Promise.reject(new Error("no")), { what: "a number" })).rejects.toThrow("no");
  const never = new Promise(() => {});
  await expect(within(never, { deadlineMs: 10, what: "for ever" })).rejects.toThrow(
    "Not within 10 ms: for ever",
  );
});
