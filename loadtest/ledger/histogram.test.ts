import fc from "fast-check";
import { expect, test } from "vitest";
import { Histogram } from "./histogram.ts";

test("percentiles are right to within 1.6 percent, or 1/64 ms below one", () => {
  const values = fc.array(fc.double({ min: 0, max: 1e7, noNaN: true }), { minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(values, fc.double({ min: 0.01, max: 1, noNaN: true }), (list, share) => {
      const histogram = new Histogram();
      for (const value of list) histogram.record(value);
      const exact = list.toSorted((a, b) => a - b)[Math.ceil(share * list.length) - 1] ?? 0;
      expect(histogram.at(share)).toBeGreaterThanOrEqual(exact - 1e-9);
      expect(histogram.at(share)).toBeLessThanOrEqual(exact + Math.max(1 / 64, exact / 63));
    }),
  );
});

test("merged histograms are the histogram of all values", () => {
  const [left, right, whole] = [new Histogram(), new Histogram(), new Histogram()];
  for (let value = 1; value <= 1_000; value += 1) {
    (value % 3 === 0 ? left : right).record(value);
    whole.record(value);
  }
  left.merge(right);
  expect(left.summary()).toEqual(whole.summary());
  expect(left.summary()).toMatchObject({ count: 1_000, max: 1_000 });
});

test("an empty one, and values below nothing, are borne", () => {
  const histogram = new Histogram();
  expect(histogram.summary()).toMatchObject({ count: 0, p50: 0, p99: 0, max: 0 });
  histogram.record(-0.3);
  expect(histogram.at(0.5)).toBe(0);
});
