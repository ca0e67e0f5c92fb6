/** One event in the outbox, whole or cut into chunks. */

import { cutText } from "./cut-text.ts";
import { clientFrame } from "./frames.ts";

/** An item as it is kept over a page reload. */
export type SavedItem = {
  readonly sequence: number;
  readonly frame: string;
  readonly aside: boolean;
  readonly sent: boolean;
  readonly cancelled: boolean;
  /** Size of the chunks that the server may have stored; 0 when none was ever sent. */
  readonly chunkCharacters: number;
};

export type Item = {
  readonly sequence: number;
  frame: string;
  readonly aside: boolean;
  sent: boolean;
  cancelled: boolean;
  chunkCharacters: number;
  /** Characters that count against the window on this connection. */
  counted: number;
  notBefore: number;
  upload: Upload | undefined;
};

/** Invariant: acknowledged <= sent <= count. */
export type Upload = {
  readonly cuts: readonly number[];
  readonly count: number;
  sent: number;
  acknowledged: number;
};

export function newUpload(frame: string, size: number, stored: number): Upload {
  const cuts = cutText(frame, size);
  const count = cuts.length - 1;
  // When all chunks are stored and the outcome is not, one chunk more tells the server that it is still
  // wanted.
  const begin = Math.min(stored, count - 1);
  return { cuts, count, sent: begin, acknowledged: begin };
}

export function chunkFrame(item: Item, upload: Upload, index: number): string {
  const text = item.frame.slice(upload.cuts[index], upload.cuts[index + 1]);
  return clientFrame.chunk(item.sequence, index, upload.count, item.aside, text);
}
