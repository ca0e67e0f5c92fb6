/** From what the core says of an event's end to what the application is given. */

import type { ClientOutcome } from "../protocol/client-session.ts";
import { DeliveryError, isErrorCode } from "../protocol/errors.ts";

/** The error of an outcome; undefined when the event was handled. */
export function errorOf(outcome: ClientOutcome): Error | undefined {
  switch (outcome.status) {
    case "ok":
      return undefined;
    case "expired":
      // The words of socket.io-client, which applications look for.
      return Object.assign(new DeliveryError("expired"), { message: "operation has timed out" });
    case "failed":
      return new DeliveryError(outcome.code);
    case "rejected": {
      const { code, message, data } = outcome.error;
      const retryable = isErrorCode(code) && new DeliveryError(code).retryable;
      return Object.assign(new Error(message), { code, retryable, ...(data === undefined ? {} : { data }) });
    }
  }
}

/** As in Socket.IO: a Buffer in Node, an ArrayBuffer in browsers. */
export function wrapBinary(bytes: Uint8Array): unknown {
  if (typeof Buffer !== "undefined") return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
}

/**
 * A listener's error is the application's; it must be seen, and must not keep the next entry from its
 * listener.
 */
export function throwLater(error: unknown): void {
  setTimeout(() => {
    throw error;
  }, 0);
}
