/** What one namespace asks its clients: each question names the callback that waits for the answer. */

import { DeliveryError } from "../protocol/errors.ts";
import { encodePayload } from "../protocol/payload.ts";
import type { NamespaceDelivery } from "./namespace-delivery.ts";

export class Questions {
  readonly #delivery: NamespaceDelivery;

  constructor(delivery: NamespaceDelivery) {
    this.#delivery = delivery;
  }

  /** Emits to one session and resolves with the first value of its reply. */
  ask(session: string, args: unknown[], timeoutMs: number | undefined): Promise<unknown> {
    const { replies } = this.#delivery.node;
    return new Promise((resolve, reject) => {
      const name = replies.wait(
        session,
        (error, [value]) => (error === undefined ? resolve(value) : reject(error)),
        timeoutMs,
      );
      const publish = { rooms: [session], except: [], args, request: name, kind: "emitted" } as const;
      this.#delivery.publish(publish).catch((error: unknown) => {
        replies.forget(name);
        reject(error instanceof Error ? error : new Error(String(error)));
      });
    });
  }

  /** The text of a reply: `[payload]`, or `[payload, request]` when its last argument is a callback. */
  encodeReply(session: string, self: object, values: readonly unknown[]): string {
    const args = [...values];
    const callback = typeof args.at(-1) === "function" ? (args.pop() as AnyFunction) : undefined;
    const payload = encodePayload(args);
    if (payload.length > this.#delivery.options.replyCharactersLimit)
      throw new DeliveryError("reply_too_large");
    if (callback === undefined) return `[${payload}]`;
    this.#delivery.node.others.announce();
    return `[${payload},${JSON.stringify(this.wait(session, self, callback, undefined))}]`;
  }

  /** Returns the name of the callback. */
  wait(session: string, self: object, callback: AnyFunction, timeoutMs: number | undefined): string {
    // As in Socket.IO, a callback takes an error first only when a timeout was asked for.
    const withError = timeoutMs !== undefined;
    return this.#delivery.node.replies.wait(
      session,
      (error, values) => {
        if (withError) callback.call(self, error ?? null, ...values);
        else if (error === undefined) callback.apply(self, values);
      },
      timeoutMs,
    );
  }
}

export type AnyFunction = (...args: unknown[]) => unknown;
