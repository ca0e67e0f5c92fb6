/**
 * One connection of Engine.IO 4, on one transport, without what a client library adds: nothing is tried
 * again, and how it ends is kept.
 */

import { LinkFault, timedOut } from "./fault.ts";
import type { Handshake } from "./inquiry.ts";

export abstract class EngineLink {
  readonly startedAt = performance.now();
  /** Pings of the server so far. */
  pings = 0;
  /** Fulfils when the connection has ended, with how; also when it was closed from here. */
  readonly ended: Promise<LinkFault>;
  #fault: LinkFault | undefined;
  #handshake: Handshake | undefined;
  readonly #messages: string[] = [];
  #arrived: (() => void) | undefined;
  readonly #end: (fault: LinkFault) => void;

  constructor() {
    const { promise, resolve } = Promise.withResolvers<LinkFault>();
    this.ended = promise;
    this.#end = resolve;
  }

  get handshake(): Handshake {
    if (this.#handshake === undefined) throw new Error("The connection is not open yet");
    return this.#handshake;
  }

  get isOpen(): boolean {
    return this.#fault === undefined;
  }

  /** Sends a packet of Socket.IO. */
  async send(message: string): Promise<void> {
    await this.write(`4${message}`);
  }

  /** Waits for the next packet of Socket.IO that is `wanted`; others before it are dropped. */
  async next(timeoutMs: number, wanted: (message: string) => boolean = () => true): Promise<string> {
    const until = performance.now() + timeoutMs;
    for (;;) {
      const message = this.#messages.shift();
      if (message !== undefined && wanted(message)) return message;
      if (message !== undefined) continue;
      if (this.#fault !== undefined) throw this.#fault;
      const leftMs = until - performance.now();
      if (leftMs <= 0) throw timedOut(timeoutMs);
      await this.#wait(leftMs);
    }
  }

  /** Breaks the connection without a word. */
  abstract cut(): void;

  /** Takes leave, so that nothing of it stays at the server. */
  abstract close(): Promise<void>;

  protected abstract write(packet: string): Promise<void>;

  protected opened(handshake: Handshake): void {
    this.#handshake = handshake;
  }

  /** Takes one packet of Engine.IO. */
  protected take(packet: string): void {
    const type = packet[0];
    if (type === "2") {
      this.pings += 1;
      this.write(`3${packet.slice(1)}`).catch(() => undefined);
    } else if (type === "1") this.fail(new LinkFault("CLOSED", "the server closed the connection"));
    else if (type === "4") {
      this.#messages.push(packet.slice(1));
      this.#arrived?.();
    }
  }

  protected fail(fault: LinkFault): void {
    if (this.#fault !== undefined) return;
    this.#fault = fault;
    this.#end(fault);
    this.#arrived?.();
  }

  async #wait(timeoutMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#arrived = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#arrived = undefined;
  }
}

/** Reads the first packet of a connection; throws a `LinkFault` for anything else. */
export function readHandshake(packet: string): Handshake {
  try {
    const value = JSON.parse(packet.startsWith("0") ? packet.slice(1) : "") as Partial<Handshake>;
    const { sid, upgrades, pingInterval, pingTimeout, maxPayload } = value;
    if (typeof sid === "string" && typeof pingInterval === "number" && typeof pingTimeout === "number") {
      const names = Array.isArray(upgrades) ? upgrades.map(String) : [];
      return { sid, upgrades: names, pingInterval, pingTimeout, maxPayload: maxPayload ?? maxPayloadOfOld };
    }
  } catch {
    // Said below.
  }
  const beginning = packet.slice(0, 40).replaceAll(/[\s\p{Cc}]+/gu, " ");
  throw new LinkFault("CONTENT", `an answer that is not Engine.IO's: ${beginning}`, { body: packet });
}

/** Engine.IO before 6.1 did not say it, and took 1 MB. */
const maxPayloadOfOld = 1_000_000;
