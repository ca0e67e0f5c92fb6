/**
 * Streams that a client comes back with and that its session is not a member of. Most were left while it was
 * away. Others the storage does not have any more, because it has gone back in time: those the client is told
 * of, where it would otherwise forget them without a word.
 */

import type { ClientPosition, OpenStream } from "../protocol/frames.ts";
import { serverFrame } from "../protocol/frames.ts";
import type { Store } from "../store/port.ts";

/** What the welcome says of lost streams. */
export type LostStreams = { readonly streams: readonly OpenStream[]; readonly frames: readonly string[] };

/**
 * Looks for the streams of these positions. A stream that the storage has in another epoch, with another end,
 * or not at all, is lost to its reader. Rejects when the store does not answer.
 */
export async function findLostStreams(
  store: Pick<Store, "read">,
  positions: readonly ClientPosition[],
): Promise<LostStreams> {
  const looked = positions.slice(0, positionsMax);
  const pages = await Promise.all(
    looked.map(({ stream, offset }) => store.read({ stream, after: offset, limit: 1, charactersLimit: 1 })),
  );
  const isThere = (position: ClientPosition, index: number) => {
    const head = pages[index]?.head;
    return head?.epoch === position.epoch && head.head >= position.offset;
  };
  // What is beyond the limit is not looked for, and told rather than forgotten.
  const lost = positions.filter((position, index) => !isThere(position, index));
  return {
    // The client only hears of what it knows, so each is opened where it stands, reported, and left.
    streams: lost.map(({ stream, epoch, offset }) => ({ stream, epoch, offset, room: "", prompt: false })),
    frames: lost.flatMap(({ stream, offset }) => [
      serverFrame.gap(stream, "", offset + 1, 0, "reset"),
      serverFrame.leave(stream),
    ]),
  };
}

/** A client that has left more rooms than this while it was away hears of the others as lost. */
const positionsMax = 100;
