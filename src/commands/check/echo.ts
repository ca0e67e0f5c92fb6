/**
 * An echo that every Socket.IO server gives, whatever its application is: who asks for a namespace that does
 * not exist is answered with its name and a refusal. No handler runs and nothing is stored. Where an
 * application has namespaces by pattern the answer may be a welcome, which is as good.
 */

import type { EngineLink } from "./engine-link.ts";

/** Sends one message, padded to `bytes` if given, and waits for its answer. */
export async function echo(link: EngineLink, number: number, timeoutMs: number, bytes = 0): Promise<void> {
  await sendEcho(link, number, bytes);
  await link.next(timeoutMs, (message) => echoed(message) === number);
}

export async function sendEcho(link: EngineLink, number: number, bytes = 0): Promise<void> {
  const head = `0${namespacePrefix}${number},`;
  // One byte is Engine.IO's type in front, eight are the object around the padding.
  const padding = Math.max(0, bytes - head.length - 9);
  await link.send(padding === 0 ? head : `${head}{"p":"${"x".repeat(padding)}"}`);
}

/** Which message this one answers, or undefined. */
export function echoed(message: string): number | undefined {
  const [, number] = /^[04]\/holdfast-check-(\d+),/.exec(message) ?? [];
  return number === undefined ? undefined : Number(number);
}

const namespacePrefix = "/holdfast-check-";
