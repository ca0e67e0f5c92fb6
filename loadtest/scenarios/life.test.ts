import { expect, test } from "vitest";
import { growthOf } from "./life.ts";

test("memory that grew by more than half is a warning; a little more is not", () => {
  const before = ["a00", "a01", "a02"].map((server) => ({ server, mebibytes: 100 }));
  const after = [120, 160, 149].map((mebibytes, index) => ({ server: `a0${index}`, mebibytes }));
  expect(growthOf(before, after)).toEqual(["WARNING: the memory of a01 grew from 100 to 160 MiB"]);
});

test("small processes may double", () => {
  expect(growthOf([{ server: "a00", mebibytes: 40 }], [{ server: "a00", mebibytes: 85 }])).toEqual([]);
});
