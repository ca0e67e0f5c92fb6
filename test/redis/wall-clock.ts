/** One clock for all processes of this machine, fine enough to order what they write down. */

/** Milliseconds since 1970, with fractions, and never backwards within a process. */
export function wallClock(): number {
  return performance.timeOrigin + performance.now();
}
