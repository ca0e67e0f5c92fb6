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
    /**
     * Messages that an earlier life of this window put into the outbox; nobody here waits for their replies.
     */
    this.inherited = new Set(
      [...this.pending.values()].filter(({ mark }) => mark !== "failed").map(({ id }) => id),
    );
    for (const pending of this.pending.values()) if (pending.mark !== "failed") pending.mark = "waiting";
    /** The highest sequence written to the present connection. */
    this.written = 0;

    this.socket = io({ auth: { secret: deviceSecret() }, delivery: { outboxLimit: 10_000, persist: true } });
    this.socket.on("connect", () => {
      const isNew = !this.socket.recovered;
      const isFirst = !this.hasMet;
      this.hasMet = true;
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
    this.socket.delivery.on("sent", (/** @type {{ sequence: number }} */ { sequence }) =>
      this.#sent(sequence),
    );
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
    const reply = this.socket.emitWithAck(event, { ...input, id: pending.id, text: pending.text });
    pending.sequence = this.socket.delivery.lastSequence;
    if ((pending.sequence ?? Infinity) <= this.written) pending.mark = "sent";
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
    this.inherited.delete(id);
    this.#changed();
  }

  /** @param {Pending} pending @param {string} reason */
  #failed(pending, reason) {
    if (!this.pending.has(pending.id)) return;
    pending.mark = "failed";
    pending.reason = reason;
    this.inherited.delete(pending.id);
    this.#changed();
    this.listeners.failed(pending);
  }

  /** @param {number} sequence */
  #sent(sequence) {
    this.written = Math.max(this.written, sequence);
    for (const pending of this.pending.values()) {
      if (pending.mark === "waiting" && pending.sequence !== undefined && pending.sequence <= sequence) {
        pending.mark = "sent";
      }
    }
    this.#changed();
  }

  /** What was written and not confirmed may or may not have arrived; it will be written again. */
  #disconnected() {
    this.written = 0;
    for (const pending of this.pending.values()) if (pending.mark === "sent") pending.mark = "waiting";
    this.#changed();
    this.listeners.disconnected(undefined);
  }

  #changed() {
    rememberPending([...this.pending.values()]);
    this.listeners.changed();
  }
}

/**
 * @typedef {import("./conversation.js").Pending} Pending
 * @typedef {{ room?: string, stream: string, from: number, to: number, reason: string }} Gap
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
