/** Plain Socket.IO by hand, with connection state recovery where the server has it. */

import { type Answer, RawSocket } from "./raw-socket.ts";

export class RawStock extends RawSocket {
  readonly #auth: object;
  /** What was emitted without a connection. What was sent into one that breaks is gone. */
  #waiting: string[] = [];
  readonly #callbacks = new Map<number, (...values: unknown[]) => void>();
  #emitted = 0;
  #recoveryId: string | undefined;
  #lastOffset: string | undefined;

  constructor(url: string, auth: object) {
    super(url);
    this.#auth = auth;
  }

  override emit(event: string, ...values: unknown[]): void {
    const callback = typeof values.at(-1) === "function" ? values.pop() : undefined;
    let id = "";
    if (callback !== undefined) {
      this.#callbacks.set(this.#emitted, callback as () => void);
      id = String(this.#emitted);
      this.#emitted += 1;
    }
    const packet = `42${id}${JSON.stringify([event, ...values])}`;
    if (this.connected) this.write(packet);
    else this.#waiting.push(packet);
  }

  protected override introduction(): object {
    if (this.#recoveryId === undefined) return this.#auth;
    return { ...this.#auth, pid: this.#recoveryId, offset: this.#lastOffset };
  }

  protected override welcomed({ pid }: Answer): void {
    this.recovered = pid !== undefined && pid === this.#recoveryId;
    this.#recoveryId = pid;
    this.connected = true;
    for (const packet of this.#waiting) this.write(packet);
    this.#waiting = [];
    this.fire("connect");
  }

  protected override received([event, ...values]: unknown[]): void {
    const last = values.at(-1);
    if (this.#recoveryId !== undefined && typeof last === "string") this.#lastOffset = last;
    this.fire(String(event), ...values);
  }

  protected override acknowledged(id: number, values: readonly unknown[]): void {
    const callback = this.#callbacks.get(id);
    this.#callbacks.delete(id);
    callback?.(...values);
  }

  protected override closed(): void {
    // As with socket.io-client, a callback of what was sent waits for an answer that never comes.
  }
}
