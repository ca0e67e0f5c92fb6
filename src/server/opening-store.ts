/**
 * A store that can be called while it is still being opened: calls wait, in order, and go straight through
 * later.
 */

import { DeliveryError } from "../protocol/errors.ts";
import type { Durability, Store } from "../store/port.ts";

export class OpeningStore implements Store {
  readonly durability: Durability;
  /** Fulfils once the store is open; rejects with the reason why it cannot be. */
  readonly ready: Promise<void>;
  #store: Store | undefined;
  #failure: unknown;
  #waiting: (() => void)[] = [];
  #listener: Parameters<Store["onCommitted"]>[0] | undefined;

  constructor(opening: Promise<Store>, durability: Durability) {
    this.durability = durability;
    this.ready = opening.then(
      (store) => this.#opened(store),
      (error: unknown) => this.#failed(error),
    );
    // Whoever does not wait for it still sees the failure at every call.
    this.ready.catch(() => undefined);
  }

  onCommitted(listener: Parameters<Store["onCommitted"]>[0]): void {
    this.#listener = listener;
    this.#store?.onCommitted(listener);
  }

  follow(): void {
    this.#store?.follow();
  }

  /** While it is being opened nothing is announced. */
  get announces(): Store["announces"] {
    return this.#store?.announces ?? "everything";
  }

  watch(key: string): Promise<void> | undefined {
    if (this.#store !== undefined) return this.#store.watch(key);
    // Nobody can be told of anything before the store is open, nor be too late for it.
    return this.ready.then(() => this.#store?.watch(key)).catch(() => undefined);
  }

  unwatch(key: string): void {
    void this.ready.then(() => this.#store?.unwatch(key)).catch(() => undefined);
  }

  append: Store["append"] = (request) => this.#call((store) => store.append(request));
  read: Store["read"] = (request) => this.#call((store) => store.read(request));
  heads: Store["heads"] = (keys) => this.#call((store) => store.heads(keys));
  openSession: Store["openSession"] = (request) => this.#call((store) => store.openSession(request));
  peekSession: Store["peekSession"] = (id, now) => this.#call((store) => store.peekSession(id, now));
  resumeSession: Store["resumeSession"] = (request) => this.#call((store) => store.resumeSession(request));
  saveHeard: Store["saveHeard"] = (fence) => this.#call((store) => store.saveHeard(fence));
  saveData: Store["saveData"] = (request) => this.#call((store) => store.saveData(request));
  touchSessions: Store["touchSessions"] = (holders, at) =>
    this.#call((store) => store.touchSessions(holders, at));
  endSession: Store["endSession"] = (id, key) => this.#call((store) => store.endSession(id, key));
  join: Store["join"] = (request) => this.#call((store) => store.join(request));
  leave: Store["leave"] = (request) => this.#call((store) => store.leave(request));
  withdraw: Store["withdraw"] = (selector, rooms) => this.#call((store) => store.withdraw(selector, rooms));
  enroll: Store["enroll"] = (request) => this.#call((store) => store.enroll(request));
  record: Store["record"] = (request) => this.#call((store) => store.record(request));
  putChunk: Store["putChunk"] = (request) => this.#call((store) => store.putChunk(request));
  readUpload: Store["readUpload"] = (fence, sequence) =>
    this.#call((store) => store.readUpload(fence, sequence));
  moveCursor: Store["moveCursor"] = (request) => this.#call((store) => store.moveCursor(request));
  sweep: Store["sweep"] = (retention) => this.#call((store) => store.sweep(retention));
  renewEpochs: Store["renewEpochs"] = () => this.#call((store) => store.renewEpochs());
  figures: Store["figures"] = () => this.#call((store) => store.figures());

  async close(): Promise<void> {
    await this.ready.catch(() => undefined);
    await this.#store?.close();
  }

  #call<T>(operation: (store: Store) => Promise<T>): Promise<T> {
    if (this.#store !== undefined) return operation(this.#store);
    if (this.#failure !== undefined) {
      return Promise.reject(new DeliveryError("store_unavailable", { cause: this.#failure }));
    }
    if (this.#waiting.length >= waitingLimit) return Promise.reject(new DeliveryError("store_busy"));
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push(() => {
        this.#call(operation).then(resolve, reject);
      });
    });
  }

  #opened(store: Store): void {
    this.#store = store;
    if (this.#listener !== undefined) store.onCommitted(this.#listener);
    this.#release();
  }

  #failed(error: unknown): never {
    this.#failure = error;
    this.#release();
    throw error;
  }

  #release(): void {
    for (const call of this.#waiting.splice(0)) call();
  }
}

/** Opening takes milliseconds; this only bounds a start-up that never ends. */
const waitingLimit = 10_000;
