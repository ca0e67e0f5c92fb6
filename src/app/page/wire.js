// @ts-check
/** The connection to the server, and the fate of every message that was handed to it. */

// @ts-ignore: the bundle that the server serves
import { io } from "/socket.io/holdfast.js";
import { deviceSecret, rememberedPending, rememberPending } from "./memory.js";

export class Wire {
  /** @param {WireListeners} listeners */
  constructor(listeners) {
    this.listeners = listeners;
    /** Whether this window has met the server since it was loaded. */
    this.hasMet = false;
    /**
     * Messages without a final word, and failed ones that wait for a decision. @type {Map<string, Pending>}
     */
    this.pending = new Map(rememberedPending().map((pending) => [pending.id, pending]));
    /** The highest sequence that this session has written to a connection. */
    this.written = 0;
    /**
     * Messages that an earlier life of this window put into the outbox, by sequence: nobody here waits for
     * their replies, so their fate is read from the outbox. @type {Map<number, Pending>}
     */
    this.inherited = new Map();
    for (const pending of this.pending.values()) {
      if (pending.mark === "failed") continue;
      pending.mark = "waiting";
      if (pending.sequence !== undefined) this.inherited.set(pending.sequence, pending);
    }
    // Kept only while the page is away: a copy that lies about would be taken along by a duplicated tab.
    addEventListener("pagehide", () => rememberPending([...this.pending.values()]));

    this.socket = io({ auth: { secret: deviceSecret() }, delivery: { outboxLimit: 10_000, persist: true } });
    this.socket.on("connect", () => {
      const isNew = !this.socket.recovered;
      const isFirst = !this.hasMet;
      this.hasMet = true;
      if (isNew) this.written = 0;
      // What had been written before is written again at once when the session goes on.
      for (const pending of this.pending.values()) if (!isNew && pending.wasWritten) this.#written(pending);
      listeners.connected({ isNew, isFirst });
    });
    this.socket.on("disconnect", () => this.#disconnected());
    this.socket.on("connect_error", (/** @type {Error & { data?: { code?: string } }} */ error) =>
      // Only a refusal carries data. A server that is away is what the banner says already.
      listeners.disconnected(error.data?.code === undefined ? undefined : error.message),
    );
    this.socket.on("message", (/** @type {any} */ message) =>
      listeners.message(message, this.socket.delivery.entry?.offset ?? 0),
    );
    this.socket.on("direct", (/** @type {any} */ message) =>
      listeners.direct(message, this.socket.delivery.entry?.offset ?? 0),
    );
    this.socket.on("presence", listeners.presence);
    this.socket.delivery.on("gap", listeners.gap);
    this.socket.delivery.on("sent", ({ sequence }) => this.#sent(sequence));
    this.socket.delivery.on("settled", ({ sequence, error }) => this.#settled(sequence, error));
  }

  get isConnected() {
    return this.socket.connected;
  }

  /** Messages that have not been confirmed. */
  get unconfirmed() {
    let count = 0;
    for (const { mark } of this.pending.values()) if (mark !== "failed") count++;
    return count;
  }

  /**
   * Asks the server something. Settles when there is an answer, through whatever happens to the connection.
   * @param {string} event @param {object} input @returns {Promise<any>}
   */
  ask(event, input) {
    return this.socket.emitWithAck(event, input);
  }

  /**
   * Hands a message over. Its mark follows what is known about it; `changed` is called at every step.
   * @param {Pending} pending @param {string} event @param {object} input
   */
  send(pending, event, input) {
    this.pending.set(pending.id, pending);
    pending.mark = "waiting";
    delete pending.reason;
    delete pending.wasWritten;
    const reply = this.socket.emitWithAck(event, { ...input, id: pending.id, text: pending.text });
    pending.sequence = this.socket.delivery.lastSequence;
    // With a connection it was written before `emitWithAck` returned.
    if (pending.sequence <= this.written) this.#written(pending);
    this.#changed();
    reply.then(
      () => this.settle(pending.id),
      (/** @type {Error} */ error) => this.#failed(pending, error.message),
    );
  }

  /** The message is stored: its reply says so, or its entry has come. @param {string} id */
  settle(id) {
    const pending = this.pending.get(id);
    if (pending === undefined) return;
    pending.mark = "stored";
    this.pending.delete(id);
    this.#changed();
  }

  /** @param {Pending} pending @param {string} reason */
  #failed(pending, reason) {
    if (!this.pending.has(pending.id)) return;
    pending.mark = "failed";
    pending.reason = reason;
    this.#changed();
    this.listeners.failed(pending);
  }

  /** @param {number} sequence */
  #sent(sequence) {
    this.written = Math.max(this.written, sequence);
    for (const pending of this.pending.values()) if (pending.sequence === sequence) this.#written(pending);
    this.#changed();
  }

  /** @param {Pending} pending */
  #written(pending) {
    if (pending.mark === "waiting") pending.mark = "sent";
    pending.wasWritten = true;
  }

  /** @param {number} sequence @param {Error | undefined} error */
  #settled(sequence, error) {
    const pending = this.inherited.get(sequence);
    if (pending === undefined) return;
    this.inherited.delete(sequence);
    if (error === undefined) this.settle(pending.id);
    else this.#failed(pending, error.message);
  }

  /** What was written and not confirmed may or may not have arrived; it will be written again. */
  #disconnected() {
    for (const pending of this.pending.values()) if (pending.mark === "sent") pending.mark = "waiting";
    this.#changed();
    this.listeners.disconnected(undefined);
  }

  #changed() {
    this.listeners.changed();
  }
}

/**
 * @typedef {import("./conversation.js").Pending} Pending
 * @typedef {{ room: string, stream: number, from: number, to: number, reason: string }} Gap
 * @typedef {{ user: string, name: string }} Person
 * @typedef {{ id: string, from: Person, text: string, at: number }} Message
 * @typedef {object} WireListeners
 * @property {(state: { isNew: boolean, isFirst: boolean }) => void} connected
 * @property {(refusal: string | undefined) => void} disconnected
 * @property {(message: Message & { room: string }, offset: number) => void} message
 * @property {(message: Message & { peer: Person }, offset: number) => void} direct
 * @property {(presence: { room: string, count: number, names: string[] }) => void} presence
 * @property {(gap: Gap) => void} gap
 * @property {(pending: Pending) => void} failed
 * @property {() => void} changed
 */
