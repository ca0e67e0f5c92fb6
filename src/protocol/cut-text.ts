/** Cutting long texts into chunks. */

import { assert } from "./errors.ts";

/**
 * Returns the places at which a text is cut, 0 and its length included, from `from` on: pieces of at most
 * `size` characters (UTF-16 units, at least 2), never cut inside a surrogate pair, because half a pair does
 * not survive UTF-8. The same text, size and `from` give the same cuts.
 */
export function cutText(text: string, size: number, from = 0): number[] {
  assert(size >= 2, "a piece has room for a surrogate pair");
  const cuts: number[] = [from];
  for (let at = cutAfter(text, size, from); at < text.length; at = cutAfter(text, size, at)) cuts.push(at);
  cuts.push(text.length);
  return cuts;
}

/** The first of these places behind `from`. */
export function cutAfter(text: string, size: number, from: number): number {
  const at = from + size;
  if (at >= text.length) return text.length;
  const code = text.charCodeAt(at - 1);
  return code >= 0xd800 && code <= 0xdbff ? at - 1 : at;
}
