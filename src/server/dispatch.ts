/**
 * Runs the handlers of one event and says how it ended. Handlers are those of the virtual connection and
 * those of the socket, called as Socket.IO calls them; what they return is awaited, what they throw travels
 * to the caller.
 */

import { DeliveryError } from "../protocol/errors.ts";
import type { FrameError } from "../protocol/frames.ts";
import { encodePayload } from "../protocol/payload.ts";
import { RetryLater } from "./request.ts";
import { listenersOf, type HoldfastSocket } from "./socket-io.ts";

/** How the run of an event ended. */
export type RunResult =
  | { readonly kind: "ok"; readonly body: string }
  | { readonly kind: "rejected"; readonly error: FrameError }
  | { readonly kind: "retry"; readonly delayMs: number | undefined; readonly cause: unknown };

/** Where the listeners of an event are. */
export type Target = { readonly socket: HoldfastSocket | undefined; readonly virtual: object };

/**
 * Turns the arguments of `ack(...)` into the text of the result; a callback among them asks for a reply in
 * turn.
 */
export type ReplyEncoder = (args: unknown[]) => string;

/**
 * Listeners of the event, in the order in which they are called. `*` listeners (`onAny`) count as handling
 * it.
 */
export function hasListener(target: Target, event: string): boolean {
  const { socket, virtual } = target;
  if (!lifecycleEvents.has(event) && listenersOf(virtual, event).length > 0) return true;
  if (socket === undefined) return false;
  return listenersOf(socket, event).length > 0 || socket.listenersAny().length > 0;
}

/** Runs an event; never rejects. */
export async function runEvent(
  target: Target,
  args: unknown[],
  options: { readonly wantsReply: boolean; readonly timeoutMs: number; readonly encodeReply: ReplyEncoder },
): Promise<RunResult> {
  const reply = options.wantsReply ? newReply(options.encodeReply, options.timeoutMs) : undefined;
  const values = reply === undefined ? args : [...args, reply.acknowledge];
  try {
    const { socket } = target;
    if (socket !== undefined) {
      for (const listener of socket.listenersAny()) listener.apply(socket, values);
      const middleware = runMiddlewares(socket, values);
      if (middleware !== undefined) await middleware;
    }
    const finished = callListeners(target, values);
    if (reply === undefined) {
      if (finished !== undefined) await finished;
      return { kind: "ok", body: "" };
    }
    // The first of: the handler acknowledges; a handler fails before that; nobody does anything in time.
    if (finished !== undefined) finished.catch(reply.fail);
    return { kind: "ok", body: await reply.body };
  } catch (error) {
    return failure(error);
  } finally {
    reply?.dispose();
  }
}

/**
 * Only waits when there is something to wait for, so that plain handlers of following events start at once.
 */
function callListeners(target: Target, values: readonly unknown[]): Promise<unknown> | undefined {
  const [event, ...args] = values;
  const pending: PromiseLike<unknown>[] = [];
  const call = (self: object) => {
    for (const listener of listenersOf(self, String(event))) {
      const returned = listener.apply(self, args);
      if (isPromiseLike(returned)) pending.push(returned);
    }
  };
  if (!lifecycleEvents.has(String(event))) call(target.virtual);
  if (target.socket !== undefined) call(target.socket);
  return pending.length === 0 ? undefined : Promise.all(pending);
}

/**
 * The socket's own `use` functions; as in Socket.IO, an error also reaches the socket's "error" listeners.
 */
function runMiddlewares(socket: HoldfastSocket, values: unknown[]): Promise<void> | undefined {
  let done = false;
  let failed: Error | undefined;
  let settle: ((error?: Error) => void) | undefined;
  socket.run(values, (error) => {
    done = true;
    failed = error ?? undefined;
    settle?.(failed);
  });
  const finish = (error?: Error) => {
    if (error === undefined) return;
    socket._onerror(error);
    throw error;
  };
  if (done) {
    finish(failed);
    return undefined;
  }
  return new Promise<Error | undefined>((resolve) => {
    settle = resolve;
  }).then(finish);
}

function newReply(encode: ReplyEncoder, timeoutMs: number) {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  // A failure that nobody awaits any more, because the handler threw first, is not an unhandled rejection.
  promise.catch(() => undefined);
  const timer = setTimeout(() => reject(new DeliveryError("handler_timeout")), timeoutMs);
  let answered = false;
  return {
    body: promise,
    acknowledge: (...args: unknown[]) => {
      if (answered) return;
      answered = true;
      // An answer that cannot be sent is the event's end as well; the caller would wait for ever otherwise.
      try {
        resolve(encode(args));
      } catch (error) {
        reject(error);
      }
    },
    fail: reject,
    dispose: () => clearTimeout(timer),
  };
}

function failure(error: unknown): RunResult {
  if (error instanceof RetryLater) return { kind: "retry", delayMs: error.delayMs, cause: error };
  if (error instanceof DeliveryError && error.retryable)
    return { kind: "retry", delayMs: undefined, cause: error };
  return { kind: "rejected", error: describeError(error) };
}

/** The end of an event that Holdfast itself rejects. */
export function rejection(error: Error): RunResult {
  const code = error instanceof DeliveryError ? error.code : "handler_failed";
  return { kind: "rejected", error: { code, message: error.message } };
}

/** What of an error travels to the caller: its code, its message, and its `data` where that can be sent. */
export function describeError(error: unknown): FrameError {
  if (!(error instanceof Error)) return { code: "handler_failed", message: String(error) };
  const { code, data } = error as { code?: unknown; data?: unknown };
  const described = { code: typeof code === "string" ? code : "handler_failed", message: error.message };
  if (data === undefined) return described;
  try {
    encodePayload([data]);
    return { ...described, data };
  } catch {
    return described;
  }
}

/**
 * A client's event of such a name reaches the socket's listeners, never those of the virtual connection's
 * life.
 */
const lifecycleEvents: ReadonlySet<string> = new Set(["suspend", "resume", "moved", "end", "error"]);

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function"
  );
}
