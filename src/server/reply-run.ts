/** A run of a callback that waited for a client's answer. */

import { EventEmitter } from "node:events";
import { DeliveryError } from "../protocol/errors.ts";
import { rejection, runEvent, type RunResult } from "./dispatch.ts";
import type { ReplyCallback } from "./replies.ts";
import { type Request, runInRequest } from "./request.ts";

/** Resolves with how the answer ends; the callback is spent by then. */
export async function runReply(
  callback: ReplyCallback,
  values: unknown[],
  options: {
    readonly request: Request;
    readonly wantsReply: boolean;
    readonly timeoutMs: number;
    readonly encodeReply: (args: unknown[]) => string;
  },
): Promise<RunResult> {
  const { request } = options;
  const virtual = new EventEmitter();
  virtual.on("reply", (...args: unknown[]) => callback(undefined, args));
  const result = await runInRequest(request, () =>
    runEvent({ socket: undefined, virtual }, ["reply", ...values], options),
  );
  await request.settled();
  request.close();
  // The callback is spent, so an error in it cannot be made good by running it again.
  return result.kind === "retry" ? rejection(result.cause as Error) : result;
}

/** How an answer ends that nobody waits for any more. */
export function unanswered(wantsReply: boolean): RunResult {
  if (!wantsReply) return { kind: "ok", body: "" };
  return rejection(new DeliveryError("session_closed", { detail: "nobody waits for this reply any more" }));
}
