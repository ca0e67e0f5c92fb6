/** A ready-made frame is the same bytes that `ws` would send. */

import { expect, test } from "vitest";
import * as ws from "ws";
import { textFrame } from "./text-frame.ts";

/** `ws` exports it, and its types do not know of it. */
const { Sender } = ws as unknown as { Sender: { frame(data: Buffer, options: object): Buffer[] } };

test.each([
  ["nothing", ""],
  ["125 bytes, the last length in one byte", "x".repeat(125)],
  ["126 bytes", "x".repeat(126)],
  ["65,535 bytes, the last length in two bytes", "x".repeat(65_535)],
  ["65,536 bytes", "x".repeat(65_536)],
  ["characters of two, three and four bytes", "4é€😀".repeat(20)],
  ["half a surrogate pair, which UTF-8 cannot say", "a\ud83d"],
])("%s", (_name, text) => {
  const made = Sender.frame(Buffer.from(text), {
    readOnly: false,
    mask: false,
    rsv1: false,
    opcode: 1,
    fin: true,
  });
  expect(textFrame(text).equals(Buffer.concat(made))).toBe(true);
});
