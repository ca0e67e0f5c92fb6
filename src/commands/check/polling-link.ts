/** Long-polling without cookies: every request comes on a connection of its own. */

import { ask } from "./ask.ts";
import { EngineLink, readHandshake } from "./engine-link.ts";
import { faultOf, LinkFault, statusFault } from "./fault.ts";
import type { Inquiry } from "./inquiry.ts";
import { patiently } from "./patiently.ts";

export class PollingLink extends EngineLink {
  readonly #inquiry: Inquiry;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #stop = new AbortController();
  #lastWrite: Promise<void> = Promise.resolve();

  static async open(inquiry: Inquiry, headers: Readonly<Record<string, string>> = {}): Promise<PollingLink> {
    const link = new PollingLink(inquiry, headers);
    const answer = await patiently(inquiry, async () => {
      const given = await ask(inquiry, { path: pollingPath(inquiry), headers });
      if (given.status !== 200) throw statusFault(given.status, given.body, given.headers);
      return given;
    });
    link.opened(readHandshake(answer.body.split(separator)[0] ?? ""));
    inquiry.sawConnection(link.handshake.sid);
    void link.#poll();
    return link;
  }

  constructor(inquiry: Inquiry, headers: Readonly<Record<string, string>>) {
    super();
    this.#inquiry = inquiry;
    this.#headers = headers;
  }

  /** Ends the polling, so that the connection can go on as a WebSocket. */
  override cut(): void {
    this.fail(new LinkFault("CUT", "cut from here"));
    this.#stop.abort();
  }

  override async close(): Promise<void> {
    await this.write("1").catch(() => undefined);
    this.cut();
  }

  /** One after the other, as Engine.IO wants them. */
  protected override async write(packet: string): Promise<void> {
    const before = this.#lastWrite;
    const written = before.catch(() => undefined).then(() => this.#post(packet));
    this.#lastWrite = written;
    await written;
  }

  async #post(body: string): Promise<void> {
    const headers = { ...this.#headers, "content-type": "text/plain;charset=UTF-8" };
    const answer = await ask(this.#inquiry, { method: "POST", path: this.#path, body, headers });
    if (answer.status === 200) return;
    throw statusFault(answer.status, answer.body, answer.headers);
  }

  async #poll(): Promise<void> {
    while (this.isOpen) {
      try {
        // The server answers at the latest with its ping.
        const { pingInterval, pingTimeout } = this.handshake;
        const timeoutMs = pingInterval + pingTimeout + this.#inquiry.target.timeoutMs;
        const { signal } = this.#stop;
        const answer = await ask(this.#inquiry, {
          path: this.#path,
          headers: this.#headers,
          timeoutMs,
          signal,
        });
        if (answer.status !== 200) throw statusFault(answer.status, answer.body, answer.headers);
        for (const packet of answer.body.split(separator)) this.take(packet);
      } catch (error) {
        this.fail(faultOf(error, 0));
      }
    }
  }

  get #path(): string {
    return pollingPath(this.#inquiry, this.handshake.sid);
  }
}

export function pollingPath({ target }: Inquiry, sid?: string): string {
  const unique = Math.random().toString(36).slice(2, 10);
  return `${target.path}?EIO=4&transport=polling&t=${unique}${sid === undefined ? "" : `&sid=${sid}`}`;
}

/** Between two packets of one payload. */
const separator = "\x1e";
