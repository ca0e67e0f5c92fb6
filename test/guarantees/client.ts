/** A Holdfast client in the test's process, with a record of everything its application saw. */

import {
  io,
  type ClientDeliveryOptions,
  type Gap,
  type Options,
  type Settled,
  type Socket,
} from "holdfast/client";
import type { Owner } from "../harness/owner.ts";
import { eventually, until } from "../harness/until.ts";
import type { Call, Entry, Introduction } from "./contract.ts";

export type ClientOptions = Introduction & {
  readonly socket?: Options;
  readonly delivery?: ClientDeliveryOptions;
};

/** Makes a client that begins to connect; it is closed with its owner. */
export function startClient(owner: Owner, url: string, options: ClientOptions): GuaranteeClient {
  const { socket, delivery, ...introduction } = options;
  const client = new GuaranteeClient(url, introduction, {
    // One connection is one TCP connection, so that a test can say what happens to it.
    transports: ["websocket"],
    forceNew: true,
    reconnectionDelay: 50,
    reconnectionDelayMax: 100,
    // A link that is reset between the upgrade and the handshake closes the engine without an error, and
    // socket.io-client's manager notices by its connect timeout alone: 20 s unless it is told otherwise.
    timeout: 2_000,
    auth: introduction,
    delivery: { acknowledgeDelayMs: 50, ...delivery },
    ...socket,
  });
  owner.onTestFailed(() => console.error(client.report()));
  owner.onTestFinished(() => void client.socket.disconnect());
  return client;
}

/**
 * Options of a client that begins with somebody's token, as a duplicated tab does. `next` is the sequence of
 * the next event, which belongs to the copied state.
 */
export function withToken(token: string, next = 1, generation = 1): ClientDeliveryOptions {
  const positions = { streams: [], elsewhere: [] };
  const saved = { version: 1, token, sessionId: "copied", generation, next, items: [], positions };
  return { persist: { load: () => JSON.stringify(saved), save: () => undefined, remove: () => undefined } };
}

/** Makes a client, and resolves once it is connected. */
export async function openClient(
  owner: Owner,
  url: string,
  options: ClientOptions,
): Promise<GuaranteeClient> {
  const client = startClient(owner, url, options);
  await client.connected();
  return client;
}

export class GuaranteeClient {
  readonly name: string;
  readonly socket: Socket;
  /** The `entry` events, in the order in which the application got them. */
  readonly entries: Entry[] = [];
  readonly gaps: Gap[] = [];
  readonly settled: Settled[] = [];
  /** `socket.id` at each connect. */
  readonly connects: (string | undefined)[] = [];
  readonly disconnects: string[] = [];
  readonly connectErrors: { readonly message: string; readonly code: unknown }[] = [];
  readonly refused: string[] = [];
  readonly questions: number[] = [];
  /** The resume token, read off the wire as a thief would; the public API does not show it. */
  token = "";

  constructor(url: string, introduction: Introduction, options: Options) {
    this.name = introduction.name;
    this.socket = io(url, options);
    const { socket } = this;
    socket.io.on("open", () => {
      socket.io.engine.on("data", (data: unknown) => {
        this.token = /"pid":"([^"]+)"/.exec(String(data).slice(0, 200))?.[1] ?? this.token;
      });
    });
    socket.on("entry", (entry: Entry) => this.entries.push(entry));
    socket.on("question", (id: number, answer: (value: number) => void) => {
      this.questions.push(id);
      answer(id * 2);
    });
    socket.on("connect", () => this.connects.push(socket.id));
    socket.on("disconnect", (reason) => this.disconnects.push(reason));
    socket.on("connect_error", (error: Error & { data?: { code?: unknown } }) =>
      this.connectErrors.push({ message: error.message, code: error.data?.code }),
    );
    socket.delivery.on("gap", (gap) => this.gaps.push(gap));
    socket.delivery.on("settled", (settled) => this.settled.push(settled));
    socket.delivery.on("refused", ({ code }) => this.refused.push(code));
  }

  /** The ids received from one room, in order. */
  received(room: string): number[] {
    return this.entries.filter((entry) => entry.room === room).map((entry) => entry.id);
  }

  /** Waits until `count` entries of a room have arrived. */
  async receives(room: string, count: number, deadlineMs = 15_000): Promise<number[]> {
    const what = `${count} entries of ${room} at ${this.name}`;
    return await eventually(() => this.received(room), { count, deadlineMs, what });
  }

  /** Waits for the connect number `count`, from 1. */
  async connected(count = 1, deadlineMs = 15_000): Promise<void> {
    const what = `connect ${count} of ${this.name}`;
    await until(() => this.connects.length >= count, { deadlineMs, what, state: () => this.report() });
  }

  async disconnected(count = 1, deadlineMs = 15_000): Promise<void> {
    const what = `disconnect ${count} of ${this.name}`;
    await until(() => this.disconnects.length >= count, { deadlineMs, what, state: () => this.report() });
  }

  /** Waits until nothing that was emitted is without a terminal state. */
  async settles(deadlineMs = 20_000): Promise<void> {
    const what = `terminal states of everything that ${this.name} emitted`;
    const state = () => `${this.socket.delivery.pending} are pending; ${this.report()}`;
    await until(() => this.socket.delivery.pending === 0, { deadlineMs, what, state });
  }

  /** Emits `call`, and resolves to its answer. */
  async call(call: Call): Promise<unknown> {
    return (await this.socket.emitWithAck("call", call)) as unknown;
  }

  /** Goes away and stays away until `return`; the session stays. */
  async leave(): Promise<void> {
    const count = this.disconnects.length + 1;
    this.socket.disconnect();
    await this.disconnected(count);
  }

  /** Comes back with its session. */
  async return(): Promise<void> {
    const count = this.connects.length + 1;
    this.socket.connect();
    await this.connected(count);
  }

  async whereAmI(): Promise<{ id: string; rooms: string[]; data: Record<string, unknown> }> {
    return (await this.socket.emitWithAck("where am I")) as Awaited<ReturnType<GuaranteeClient["whereAmI"]>>;
  }

  /** When the answer is here, so is everything that the server wrote to this connection before it. */
  async roundTrip(deadlineMs = 15_000): Promise<void> {
    await this.socket.timeout(deadlineMs).emitWithAck("round trip");
  }

  report(): string {
    const { name, connects, disconnects, connectErrors, refused, gaps } = this;
    const entries = this.entries.slice(-10).map(({ room, id }) => `${room}/${id}`);
    const { connected } = this.socket;
    const shown = {
      connected,
      connects: connects.slice(-5),
      disconnects: disconnects.slice(-5),
      connectErrors,
    };
    return `--- client ${name}: ${JSON.stringify({ ...shown, refused, gaps, entries })}`;
  }
}
