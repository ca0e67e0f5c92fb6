/**
 * A Socket.IO client by hand: text frames of Engine.IO 4 and Socket.IO 5 over one WebSocket, in the namespace
 * "/", with the reconnects of socket.io-client. It costs a fraction of that one, and knows a fraction: no
 * polling, no binary, no other namespaces.
 */

import { WebSocket } from "k6/websockets";

export abstract class RawSocket {
  connected = false;
  recovered = false;
  /** The next reconnect comes after so long, whatever the backoff says. */
  protected reconnectInMs: number | undefined;
  readonly #url: string;
  readonly #listeners = new Map<string, Listener[]>();
  #socket: WebSocket | undefined;
  #attempts = 0;
  #silence: unknown;
  #silenceMs = openTimeoutMs;
  #isOver = false;

  constructor(url: string) {
    this.#url = `${url.replace(/^http/, "ws")}/socket.io/?EIO=4&transport=websocket`;
    this.#open();
  }

  on(event: string, listener: (...values: never[]) => void): void {
    const listeners = this.#listeners.get(event) ?? [];
    listeners.push(listener as Listener);
    this.#listeners.set(event, listeners);
  }

  abstract emit(event: string, ...values: unknown[]): void;

  disconnect(): void {
    this.#isOver = true;
    if (this.connected) this.write("41");
    this.#close("io client disconnect");
  }

  /** What the CONNECT packet carries. */
  protected abstract introduction(): object;
  /** CONNECT was answered. */
  protected abstract welcomed(answer: Answer): void;
  /** An event arrived; `write(43…)` would acknowledge it, which nothing here asks for. */
  protected abstract received(values: unknown[]): void;
  protected abstract acknowledged(id: number, values: readonly unknown[]): void;
  /** The connection is gone. */
  protected abstract closed(): void;

  protected write(text: string): void {
    if (this.#socket?.readyState === openState) this.#socket.send(text);
  }

  protected fire(event: string, ...values: unknown[]): void {
    for (const listener of this.#listeners.get(event) ?? []) listener(...values);
  }

  /** Breaks the connection, which comes back by itself. */
  protected giveUp(reason: string): void {
    this.#close(reason);
  }

  #open(): void {
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    this.#expectWithin(openTimeoutMs);
    socket.onmessage = (event) => {
      if (socket === this.#socket && typeof event?.data === "string") this.#take(event.data);
    };
    const lose = () => {
      if (socket === this.#socket) this.#close("transport close");
    };
    socket.onerror = lose;
    socket.onclose = lose;
  }

  #take(text: string): void {
    switch (text.charAt(0)) {
      case "0": {
        const { pingInterval, pingTimeout } = JSON.parse(text.slice(1)) as Handshake;
        this.#silenceMs = pingInterval + pingTimeout;
        this.#expectWithin(this.#silenceMs);
        this.connectAgain();
        return;
      }
      case "2":
        this.#expectWithin(this.#silenceMs);
        this.write("3");
        return;
      case "4":
        this.#takePacket(text.slice(1));
        return;
      case "1":
        this.#close("transport close");
        return;
      default:
    }
  }

  #takePacket(text: string): void {
    const [, type, id = "", body = ""] = /^(\d)(\d*)(.*)$/s.exec(text) ?? [];
    switch (type) {
      case "0":
        this.#attempts = 0;
        this.welcomed(JSON.parse(body) as Answer);
        return;
      case "1":
        this.#isOver = true;
        this.#close("io server disconnect");
        return;
      case "2":
        this.received(JSON.parse(body) as unknown[]);
        return;
      case "3":
        this.acknowledged(Number(id), JSON.parse(body) as unknown[]);
        return;
      case "4":
        this.refused(JSON.parse(body) as Refusal);
        return;
      default:
        throw new Error(`A packet that this client does not know: ${text.slice(0, 80)}`);
    }
  }

  /** CONNECT_ERROR: as with socket.io-client the application decides, and this one does not come back. */
  protected refused({ message }: Refusal): void {
    this.fire("connect_error", new Error(message));
  }

  /** Sends CONNECT on the connection that there is. */
  protected connectAgain(): void {
    this.write(`40${JSON.stringify(this.introduction())}`);
  }

  #expectWithin(ms: number): void {
    if (this.#silence !== undefined) clearTimeout(this.#silence as number);
    this.#silence = setTimeout(() => this.#close("ping timeout"), ms);
  }

  #close(reason: string): void {
    const socket = this.#socket;
    if (socket === undefined) return;
    this.#socket = undefined;
    clearTimeout(this.#silence as number);
    this.#silence = undefined;
    if (socket.readyState <= openState) socket.close();
    const wasConnected = this.connected;
    this.connected = false;
    this.closed();
    if (wasConnected) this.fire("disconnect", reason);
    else if (!this.#isOver) this.fire("connect_error", new Error(reason));
    if (this.#isOver) return;
    setTimeout(() => !this.#isOver && this.#open(), this.#nextDelayMs());
  }

  /** As socket.io-client has it: 1 s, 2 s, 4 s, 5 s, each a half more or less. */
  #nextDelayMs(): number {
    const { reconnectInMs } = this;
    this.reconnectInMs = undefined;
    if (reconnectInMs !== undefined) return reconnectInMs;
    const delayMs = Math.min(1_000 * 2 ** this.#attempts, delayMsMax);
    this.#attempts += 1;
    return Math.min(delayMs * (0.5 + Math.random()), delayMsMax);
  }
}

const openState = 1;
const openTimeoutMs = 20_000;
const delayMsMax = 5_000;

// --- types ---

type Listener = (...values: unknown[]) => void;

type Handshake = { readonly pingInterval: number; readonly pingTimeout: number };

export type Answer = { readonly sid: string; readonly pid?: string; readonly holdfast?: unknown };

export type Refusal = { readonly message: string; readonly data?: { readonly code?: string } };
