/**
 * The client's socket: socket.io-client's own, with `ClientSession` between `emit` and the wire. It carries
 * out what the core decides, and holds what cannot be data: callbacks, timers and the connection.
 */

import { DeliveryError, type ErrorCode } from "../protocol/errors.ts";
import { type ClientOutcome, type ClientOutput, ClientSession } from "../protocol/client-session.ts";
import { decodeWelcome, encodeHello, frameEvent, isFrameCount } from "../protocol/frames.ts";
import { decodePayload, encodePayload } from "../protocol/payload.ts";
import { reservedEvents } from "../protocol/reserved-events.ts";
import { Alarm } from "./alarm.ts";
import { ClientDelivery } from "./delivery.ts";
import { LinkProbe } from "./link-probe.ts";
import type { ResolvedClientOptions } from "./options.ts";
import { PacketWriter } from "./packet-writer.ts";
import { errorOf, throwLater, wrapBinary } from "./outcome.ts";
import { SessionSaver } from "./saved-session.ts";
import {
  type Packet,
  packetConnect,
  packetConnectError,
  packetEvent,
  reconnectOnceIn,
  SocketBase,
} from "./socket-io-client.ts";
import { type SleepWatch, watchSleep } from "./sleep-watch.ts";
import { type Settle, Waiters } from "./waiters.ts";

type Callback = (...args: unknown[]) => void;

export class DeliveringSocket extends SocketBase {
  readonly delivery: ClientDelivery<this>;
  #core: ClientSession;
  readonly #options: ResolvedClientOptions;
  readonly #waiters = new Waiters();
  readonly #writer = new PacketWriter(this);
  /** The server is a stock one: everything goes the stock way. */
  #stock = false;
  #aside = false;
  /** Names this life of the client, so that the server can tell it from its copies. */
  readonly #instance = Math.random().toString(36).slice(2) + Date.now().toString(36);
  #attempt = 0;
  readonly #timer = new Alarm(now, () => {
    this.#core.handleTimeout(now());
    this.#carryOut();
  });
  readonly #probe: LinkProbe;
  readonly #saver: SessionSaver;
  #sleepWatch: SleepWatch | undefined;

  constructor(
    manager: ConstructorParameters<typeof SocketBase>[0],
    namespace: string,
    options: object | undefined,
    delivery: ResolvedClientOptions,
  ) {
    super(manager, namespace, options);
    this.#options = delivery;
    this.#core = new ClientSession(delivery);
    this.#probe = new LinkProbe(delivery.probeTimeoutMs);
    this.delivery = new ClientDelivery<this>(
      {
        pending: () => this.#core.pending,
        positions: () => this.#core.positions,
        session: () => this.#session(),
        guaranteed: () => !this.#stock,
        reset: () => this.#reset(),
      },
      () => {
        this.#aside = true;
        return this;
      },
    );
    this.#saver = new SessionSaver({
      place: delivery.persist,
      namespace,
      // Nobody can listen yet while the socket is being made.
      failed: (error) => setTimeout(() => this.delivery.emit("persist_failed", { error }), 0),
    });
    const saved = this.#saver.take();
    if (saved !== undefined) this.#core.restore(saved);
  }

  override connect(): this {
    this.#sleepWatch ??= watchSleep({
      awake: () => this.#probeLink(),
      hidden: () => this.#saver.save(this.#core),
      shown: () => this.#saver.remove(),
    });
    return super.connect();
  }

  override disconnect(): this {
    this.#sleepWatch?.stop();
    this.#sleepWatch = undefined;
    // As in Socket.IO, what was emitted before goes out before the word of parting.
    this.#writer.flush();
    return super.disconnect();
  }

  /**
   * As in Socket.IO. Throws `outbox_full`, `event_too_large` or `payload_unsupported` where no callback takes
   * it.
   */
  override emit(event: string, ...args: unknown[]): this {
    // Without a guarantee it would even be taken for frames.
    if (event === frameEvent) throw new DeliveryError("reserved_event", { detail: event });
    if (this.flags.volatile === true || this.#stock || reservedEvents.has(event))
      return super.emit(event, ...args);
    const { timeout = this._opts.ackTimeout } = this.flags;
    this.flags = {};
    const callback = typeof args.at(-1) === "function" ? (args.pop() as Callback) : undefined;
    // As in Socket.IO, a callback takes an error first only when there is a timeout, or retries, that could
    // cause one.
    const withError = timeout !== undefined || (this._opts.retries ?? 0) > 0;
    this.#send([event, ...args], timeout, callback !== undefined, (error, values) => {
      if (callback === undefined) return false;
      if (withError) callback.call(this, error ?? null, ...values);
      else if (error === undefined) callback.apply(this, values);
      return withError || error === undefined;
    });
    return this;
  }

  override emitWithAck(event: string, ...args: unknown[]): Promise<unknown> {
    if (event === frameEvent) return Promise.reject(new DeliveryError("reserved_event", { detail: event }));
    if (this.flags.volatile === true || this.#stock) return super.emitWithAck(event, ...args);
    const { timeout = this._opts.ackTimeout } = this.flags;
    this.flags = {};
    return new Promise((resolve, reject) => {
      this.#send([event, ...args], timeout, true, (error, values) => {
        if (error === undefined) resolve(values[0]);
        else reject(error);
        return true;
      });
    });
  }

  // --- what socket.io-client calls ---

  override _sendConnectPacket(data: Record<string, unknown> | undefined): void {
    this.#attempt += 1;
    const holder = { instance: this.#instance, generation: this.#core.generation, attempt: this.#attempt };
    const offset = encodeHello({ ...this.#core.hello(), holder });
    this.packet({ type: packetConnect, data: { ...data, pid: this.#core.token, offset } });
  }

  override onpacket(packet: Packet): void {
    if (packet.nsp !== this.nsp) return;
    if (packet.type === packetConnect && this.#welcomed(packet.data)) return;
    const data = packet.data as unknown[] | undefined;
    if (packet.type === packetEvent && Array.isArray(data) && data[0] === frameEvent) {
      // A server counts for those it has welcomed: the welcome is lost, and nobody will say it again.
      if (!this.connected && data.some(isFrameCount)) return this.io.engine?.close();
      for (let index = 1; index < data.length; index++) this.#core.handleFrame(now(), data[index]);
      this.#carryOut();
    } else {
      super.onpacket(packet);
      if (packet.type === packetConnectError) this.#refused(packet.data);
    }
  }

  override onclose(reason: string, description?: unknown): void {
    this.#core.handleDisconnected();
    this.#core.poll();
    this.#writer.clear();
    this.#probe.end();
    this.#timer.setAt(this.#core.nextTimeout());
    super.onclose(reason, description);
  }

  #session(): { readonly id: string; readonly generation: number } | undefined {
    const { sessionId } = this.#core;
    return sessionId === "" ? undefined : { id: sessionId, generation: this.#core.generation };
  }

  // --- sending ---

  #send(args: unknown[], timeoutMs: number | undefined, wantsReply: boolean, settle: Settle): void {
    const aside = this.#aside;
    this.#aside = false;
    const payload = encodePayload(args);
    this.notifyOutgoingListeners({ type: packetEvent, data: args });
    const result = this.#core.emit(now(), { payload, wantsReply, aside });
    if (!result.ok) {
      this.#refuse(result.code, settle);
      return;
    }
    this.delivery.lastSequence = result.sequence;
    this.#waitFor(result.sequence, settle, timeoutMs);
    this.#carryOut();
  }

  #refuse(code: ErrorCode, settle: Settle): void {
    const error = new DeliveryError(code);
    if (!settle(error, [])) throw error;
  }

  #waitFor(sequence: number, settle: Settle, timeoutMs: number | undefined): void {
    this.#waiters.add(sequence, settle, timeoutMs, (current) => {
      this.#core.cancel(now(), current);
      this.#carryOut();
    });
  }

  /**
   * The function that a listener gets to answer with; its own last argument may ask for an answer in turn.
   */
  #replyTo(request: string): Callback {
    let answered = false;
    return (...args) => {
      if (answered) return;
      const callback = typeof args.at(-1) === "function" ? (args.pop() as Callback) : undefined;
      const payload = encodePayload(args);
      const wantsReply = callback !== undefined;
      const result = this.#core.reply(now(), request, { payload, wantsReply, aside: false });
      // What was not taken may be answered again: when there is room, or with less.
      if (!result.ok) throw new DeliveryError(result.code);
      answered = true;
      const settle: Settle = (error, values) => {
        if (error === undefined) callback?.apply(this, values);
        return error === undefined || callback === undefined;
      };
      this.#waitFor(result.sequence, settle, undefined);
      this.#carryOut();
    };
  }

  // --- receiving ---

  /** Returns false for the CONNECT packet of a stock server. */
  #welcomed(data: unknown): boolean {
    const { sid, pid, holdfast } = (data ?? {}) as Record<string, unknown>;
    const welcome = decodeWelcome(holdfast);
    if (welcome === undefined || typeof sid !== "string" || typeof pid !== "string") {
      if (holdfast === undefined && !this.#stock) this.#downgrade();
      return false;
    }
    // While servers are replaced, a client may meet a stock one first and one that delivers later.
    this.#stock = false;
    this.connected = true;
    this.id = sid;
    this.#core.handleConnected(now(), sid, pid, welcome);
    // A welcome that is not taken is no connection: it closes, and the next one is told what is right.
    if (this.#core.sessionId !== sid) {
      this.connected = false;
      this.#carryOut();
      return true;
    }
    // The base class says `recovered` when the token is the one it knows.
    this._pid = welcome.resumed ? pid : undefined;
    this.onconnect(sid, pid);
    // The server hears that the welcome has arrived; a copy of this client can then no longer go on in its
    // place.
    this.#core.probe(0);
    this.#carryOut();
    if (welcome.resumed) this.delivery.emit("resume", { id: sid, generation: welcome.generation });
    return true;
  }

  /**
   * Another connection has resumed the session while we did. The server knows whose it is when we ask again.
   */
  #refused(data: unknown): void {
    const { code } = ((data as { data?: unknown } | undefined)?.data ?? {}) as { code?: unknown };
    if (code !== "stale_generation") return;
    this.connect();
  }

  #carryOut(): void {
    for (;;) {
      const outputs = this.#core.poll();
      if (outputs.length === 0) break;
      for (const output of outputs) this.#perform(output);
    }
    this.#timer.setAt(this.#core.nextTimeout());
  }

  #perform(output: ClientOutput): void {
    switch (output.kind) {
      case "transmit":
        this.#writer.write(output.frame);
        return;
      case "deliver":
        this.#deliver(output);
        return;
      case "settle":
        this.#settle(output.sequence, output.outcome);
        return;
      case "renumbered":
        this.#waiters.renumber(output.from, output.to);
        this.delivery.emit("renumbered", { from: output.from, to: output.to });
        return;
      case "sent":
        this.delivery.emit("sent", { sequence: output.sequence });
        return;
      case "gap": {
        const { stream, from, to, reason } = output;
        const room = output.room === "" ? String(stream) : output.room;
        this.delivery.emit("gap", { room, stream, from, to, reason });
        return;
      }
      case "drain":
        reconnectOnceIn(this.io, output.reconnectInMs);
        this.delivery.emit("drain", { reconnectInMs: output.reconnectInMs });
        return;
      case "alive":
        this.#probe.answered(output.nonce);
        return;
      case "refused":
        this.delivery.emit("refused", { code: output.code, detail: output.detail });
        return;
      case "violation":
        this.delivery.emit("refused", { code: "bad_frame", detail: output.detail });
        this.io.engine?.close();
        return;
      case "incomplete":
        return this.io.engine?.close();
    }
  }

  #deliver(output: Extract<ClientOutput, { kind: "deliver" }>): void {
    const args = decodePayload(output.payload, wrapBinary);
    if (args === undefined) return;
    if (output.request !== undefined) args.push(this.#replyTo(output.request));
    const { stream, offset } = output;
    this.delivery.entry = { stream, offset, room: output.room === "" ? String(stream) : output.room };
    try {
      this.emitEvent(args);
    } catch (error) {
      throwLater(error);
    } finally {
      this.delivery.entry = undefined;
    }
  }

  #settle(sequence: number, outcome: ClientOutcome): void {
    const settle = this.#waiters.take(sequence);
    const error = errorOf(outcome);
    const values = outcome.status === "ok" ? this.#valuesOf(outcome.body) : [];
    try {
      const taken = settle?.(error, values) ?? false;
      if (error !== undefined && !taken) this.delivery.emit("reject", { sequence, error });
      this.delivery.emit("settled", { sequence, error, values });
    } catch (thrown) {
      throwLater(thrown);
    }
  }

  /** A result is `[payload]`, or `[payload, request]` when the server waits for an answer to it. */
  #valuesOf(body: unknown): unknown[] {
    if (!Array.isArray(body)) return [];
    const values = decodePayload(body[0], wrapBinary) ?? [];
    if (typeof body[1] === "string") values.push(this.#replyTo(body[1]));
    return values;
  }

  // --- the life of the connection ---

  /** After sleep a connection may look alive and be dead: ask, and give it up when nobody answers. */
  #probeLink(): void {
    if (!this.connected || this.#stock) return;
    const nonce = this.#probe.begin(() => this.io.engine?.close());
    if (nonce === undefined) return;
    this.#core.probe(nonce);
    this.#carryOut();
  }

  /** What waited in the outbox goes out the stock way. */
  #downgrade(): void {
    this.#stock = true;
    // A session that there was is lost, and so is what was published meanwhile; both are said.
    if (this.#core.token !== "") this.#core.abandon();
    this.#carryOut();
    const { items } = this.#core.save();
    this.#core = new ClientSession(this.#options);
    this.delivery.emit("downgrade");
    for (const item of items) {
      const [kind, , wantsReply, payload] = JSON.parse(item.frame) as unknown[];
      const args = kind === "ev" ? decodePayload(payload, wrapBinary) : undefined;
      const settle = this.#waiters.take(item.sequence);
      if (args === undefined) continue;
      const [event, ...values] = args;
      if (wantsReply === 1) values.push((...reply: unknown[]) => settle?.(undefined, reply));
      super.emit(String(event), ...values);
    }
  }

  #reset(): void {
    this.#core.reset();
    this.#carryOut();
    this.#saver.remove();
    // The connection belongs to the session that is no more; a new one is opened by the next connection.
    if (this.connected) this.io.engine?.close();
  }
}

function now(): number {
  return performance.now();
}
