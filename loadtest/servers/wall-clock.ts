/** Milliseconds since 1970 with fractions, steady within one process. */
export function now(): number {
  return performance.timeOrigin + performance.now();
}
