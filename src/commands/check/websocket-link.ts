/** A WebSocket: from the beginning, or as what a polling connection goes on as. */

import type { IncomingMessage } from "node:http";
import { type RawData, WebSocket } from "ws";
import { trust, userAgent } from "./ask.ts";
import { EngineLink, readHandshake } from "./engine-link.ts";
import { faultOf, LinkFault, statusFault, timedOut } from "./fault.ts";
import type { Handshake, Inquiry } from "./inquiry.ts";
import { patiently } from "./patiently.ts";
import type { PollingLink } from "./polling-link.ts";

export class WebSocketLink extends EngineLink {
  readonly #socket: WebSocket;

  static async open(
    inquiry: Inquiry,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<WebSocketLink> {
    return await patiently(inquiry, async () => {
      const link = new WebSocketLink(connect(inquiry, headers), inquiry);
      link.opened(readHandshake(await link.#opening(inquiry)));
      inquiry.sawConnection(link.handshake.sid);
      link.#listen();
      return link;
    });
  }

  /** Takes a polling connection over, as clients do: asks with a probe, then says that it goes on here. */
  static async upgrade(inquiry: Inquiry, polling: PollingLink): Promise<WebSocketLink> {
    const { handshake } = polling;
    const link = new WebSocketLink(connect(inquiry, {}, handshake), inquiry);
    link.#socket.once("open", () => link.#socket.send("2probe"));
    const answer = await link.#opening(inquiry);
    if (answer !== "3probe")
      throw new LinkFault("CONTENT", `"${answer.slice(0, 20)}" in answer to the probe`);
    link.#socket.send("5");
    link.opened(handshake);
    link.#listen();
    polling.cut();
    return link;
  }

  constructor(socket: WebSocket, inquiry: Inquiry) {
    super();
    this.#socket = socket;
    const abort = () => socket.terminate();
    inquiry.signal.addEventListener("abort", abort, { once: true });
    socket.on("error", (error) => this.fail(faultOf(error, inquiry.target.timeoutMs)));
    socket.on("close", (code, reason) => {
      inquiry.signal.removeEventListener("abort", abort);
      this.fail(new LinkFault("CLOSED", closing(code, reason.toString())));
    });
  }

  override cut(): void {
    this.fail(new LinkFault("CUT", "cut from here"));
    this.#socket.terminate();
  }

  override async close(): Promise<void> {
    if (this.#socket.readyState !== WebSocket.OPEN) return this.cut();
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => this.#socket.terminate(), closingMs);
      this.#socket.once("close", () => {
        clearTimeout(timer);
        resolve();
      });
      this.#socket.close();
    });
  }

  protected override async write(packet: string): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#socket.send(packet, (error) => (error ? reject(faultOf(error, 0)) : resolve()));
    });
  }

  /** The first packet; rejects with why there is none. */
  async #opening(inquiry: Inquiry): Promise<string> {
    const { timeoutMs } = inquiry.target;
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const timer = setTimeout(() => reject(timedOut(timeoutMs)), timeoutMs);
    this.#socket.once("message", (data) => resolve(textOf(data)));
    this.#socket.once("unexpected-response", (_request, response: IncomingMessage) => {
      void bodyOf(response).then((body) => {
        inquiry.sawAnswer(response.headers, body);
        reject(statusFault(response.statusCode ?? 0, body, response.headers));
      });
    });
    void this.ended.then(reject);
    try {
      return await promise;
    } catch (error) {
      this.cut();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  #listen(): void {
    this.#socket.on("message", (data) => this.take(textOf(data)));
  }
}

function connect(
  inquiry: Inquiry,
  headers: Readonly<Record<string, string>>,
  handshake?: Handshake,
): WebSocket {
  const { target } = inquiry;
  const sid = handshake === undefined ? "" : `&sid=${handshake.sid}`;
  const url = new URL(`${target.path}?EIO=4&transport=websocket${sid}`, target.url);
  url.protocol = inquiry.secure ? "wss:" : "ws:";
  return new WebSocket(url, {
    headers: { "user-agent": userAgent, ...headers },
    perMessageDeflate: false,
    ...trust(inquiry),
  });
}

async function bodyOf(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  // Whoever keeps the answer open has said enough by then.
  const timer = setTimeout(() => response.destroy(), closingMs);
  try {
    for await (const part of response) parts.push(part as Buffer);
  } catch {
    // What came until then is shown.
  } finally {
    clearTimeout(timer);
  }
  return Buffer.concat(parts).toString("utf8").slice(0, 1_000);
}

/** As `ws` hands messages over unless it was told to do otherwise. */
function textOf(data: RawData): string {
  return (data as Buffer).toString("utf8");
}

function closing(code: number, reason: string): string {
  if (code === 1006) return "the connection broke off";
  return `the connection was closed with code ${code}${reason === "" ? "" : ` ${reason}`}`;
}

const closingMs = 1_000;
