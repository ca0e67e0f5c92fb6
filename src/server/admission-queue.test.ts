import { expect, test } from "vitest";
import { AdmissionQueue } from "./admission-queue.ts";

test("admissions beyond the limit wait, and those that go on with a session come first", async () => {
  const queue = new AdmissionQueue(2, 60_000);
  const begun: string[] = [];
  const ends: (() => void)[] = [];
  const admit = (name: string, resumes: boolean) =>
    queue.admit(resumes, () => {
      begun.push(name);
      return new Promise<void>((resolve) => ends.push(resolve));
    });
  const all = [admit("a", false), admit("b", false), admit("new", false), admit("back", true)];
  expect([begun, queue.waiting]).toEqual([["a", "b"], 2]);
  ends.shift()?.();
  await all[0];
  await Promise.resolve();
  expect(begun).toEqual(["a", "b", "back"]);
  for (const end of ends.splice(0)) end();
  await all[3];
  await Promise.resolve();
  expect(begun).toEqual(["a", "b", "back", "new"]);
  for (const end of ends.splice(0)) end();
  await Promise.all(all);
  expect(queue.waiting).toBe(0);
});

test("one that fails gives its place on", async () => {
  const queue = new AdmissionQueue(1, 60_000);
  const failing = queue.admit(false, () => Promise.reject(new Error("no")));
  const next = queue.admit(false, () => Promise.resolve("in"));
  await expect(failing).rejects.toThrow("no");
  expect(await next).toBe("in");
  expect(await queue.admit(true, () => Promise.resolve("again"))).toBe("again");
});

test("one that hangs keeps its place for a while only", async () => {
  const queue = new AdmissionQueue(1, 20);
  let end = (): void => undefined;
  const hanging = queue.admit(true, () => new Promise<void>((resolve) => (end = resolve)));
  expect(await queue.admit(false, () => Promise.resolve("in"))).toBe("in");
  end();
  await hanging;
  expect(await queue.admit(false, () => Promise.resolve("in"))).toBe("in");
});
