/** What a welcome says of the outbox. */

import { decodeServerFrame } from "./frames.ts";

/** The sequences that these frames give the outcome of, from `low` on and below `next`. */
export function recordedSequences(
  frames: readonly unknown[],
  { low, next }: { readonly low: number; readonly next: number },
): Set<number> {
  const recorded = new Set<number>();
  for (const value of frames) {
    const frame = decodeServerFrame(value);
    if (typeof frame === "string") continue;
    if (frame.kind === "done") {
      // A range can only be as long as what was sent, whatever the frame says.
      const last = Math.min(frame.last, next - 1);
      for (let sequence = Math.max(frame.first, low); sequence <= last; sequence++) recorded.add(sequence);
    } else if (frame.kind === "result" || frame.kind === "rejected" || frame.kind === "expired") {
      recorded.add(frame.sequence);
    }
  }
  return recorded;
}
