/**
 * Latencies in buckets that grow with the value, so that each figure is right to within 1.6 % and a merge is
 * a sum of counts. Percentiles come from merged counts; an average of percentiles is no percentile.
 */

export class Histogram {
  readonly #counts = new Map<number, number>();
  #count = 0;
  #max = 0;

  get count(): number {
    return this.#count;
  }

  /** The largest value, exactly; 0 of an empty histogram. */
  get max(): number {
    return this.#max;
  }

  /** Values below 0 count as 0: clocks of one machine can differ by a fraction of a millisecond. */
  record(value: number): void {
    const bucket = bucketOf(value);
    this.#counts.set(bucket, (this.#counts.get(bucket) ?? 0) + 1);
    this.#count += 1;
    this.#max = Math.max(this.#max, value);
  }

  merge(other: Histogram): void {
    for (const [bucket, count] of other.#counts)
      this.#counts.set(bucket, (this.#counts.get(bucket) ?? 0) + count);
    this.#count += other.#count;
    this.#max = Math.max(this.#max, other.#max);
  }

  /** The value that this share of all values does not exceed; `share` from 0 to 1. */
  at(share: number): number {
    let left = Math.ceil(share * this.#count);
    for (const bucket of [...this.#counts.keys()].sort((a, b) => a - b)) {
      left -= this.#counts.get(bucket) ?? 0;
      if (left <= 0) return Math.min(upperEndOf(bucket), this.#max);
    }
    return this.#max;
  }

  summary(): Percentiles {
    const { count, max } = this;
    return {
      count,
      p50: this.at(0.5),
      p90: this.at(0.9),
      p99: this.at(0.99),
      p999: this.at(0.999),
      p9999: this.at(0.9999),
      max,
    };
  }
}

/** 64 buckets for each doubling; below 1, steps of 1/64. */
function bucketOf(value: number): number {
  if (value < 1) return Math.floor(Math.max(0, value) * perDoubling);
  const doublings = Math.floor(Math.log2(value));
  return Math.floor((doublings + value / 2 ** doublings) * perDoubling);
}

function upperEndOf(bucket: number): number {
  const next = bucket + 1;
  if (next <= perDoubling) return next / perDoubling;
  const doublings = Math.floor(bucket / perDoubling) - 1;
  return 2 ** doublings * (next / perDoubling - doublings);
}

const perDoubling = 64;

// --- types ---

export type Percentiles = {
  readonly count: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly p9999: number;
  readonly max: number;
};
