/**
 * The second stack: an HTTP application, mostly in another language, that is reached through this server
 * only. Everything that is not Socket.IO's, and not a health check, goes there and comes back as it is.
 */

import type { ClientRequest, IncomingMessage, ServerResponse } from "node:http";
import type { BlockList, Socket } from "node:net";
import { type Duplex, pipeline } from "node:stream";
import { ProxyServer } from "http-proxy-3";
import { passOnHeaders, withoutConnectionHeaders } from "./forwarded.ts";

export type SecondStackOptions = {
  /** `http://HOST:PORT`. */
  readonly target: string;
  /** Silence after which a request is given up. */
  readonly timeoutMs: number;
  /** Requests and WebSockets at a time. */
  readonly connectionsMax: number;
  /** Peers whose `X-Forwarded-...` are continued. */
  readonly trustedProxies: BlockList;
  readonly log: Log;
};

export class SecondStack {
  readonly #options: SecondStackOptions;
  readonly #proxy: ProxyServer;
  /** How to break off what is under way. */
  readonly #requests = new Set<() => void>();
  readonly #webSockets = new Set<() => void>();
  #isEnding = false;
  #isAnswering = true;
  #onIdle: () => void = () => undefined;

  constructor(options: SecondStackOptions) {
    this.#options = options;
    this.#proxy = new ProxyServer({
      target: options.target,
      // Left to the library, an answer that breaks off half-way stays open at the client, and its
      // `Connection` overwrites the one that sticky sessions need.
      selfHandleResponse: true,
      // The path goes on as it was sent. Else it is parsed first, and `GET http://[` ends the process.
      toProxy: true,
    });
    // Errors are taken by the callback of each request; what a WebSocket's socket reports comes here.
    this.#proxy.on("error", () => undefined);
    this.#proxy.on("proxyReq", (outgoing, _request, _response, _options, socket) =>
      this.#limitSilence(outgoing, socket),
    );
    this.#proxy.on("proxyRes", (answer, _request, response) => this.#passBack(answer, response));
    this.#proxy.on("proxyReqWs", (outgoing, _request, client) => this.#upgrading(outgoing, client));
  }

  /** Passes a request on, and its answer back. */
  answer(request: IncomingMessage, response: ServerResponse): void {
    if (this.#isFull) return sayInstead(response, full);
    // The library would call this body empty and send it all the same, as if it were the next request.
    const isChunked = request.headers["transfer-encoding"] !== undefined;
    if (isChunked && /^(DELETE|OPTIONS)$/.test(request.method ?? "")) return sayInstead(response, unmeasured);
    const abandon = () => response.destroy();
    this.#requests.add(abandon);
    response.once("close", () => {
      this.#requests.delete(abandon);
      if (this.#requests.size === 0) this.#onIdle();
      // Answered before its body was read: what follows on this connection would be taken for the body.
      if (!request.complete) request.unpipe().resume();
    });
    passOnHeaders(request, this.#options.trustedProxies);
    this.#proxy.web(request, response, {}, (error) => {
      if (response.headersSent || response.destroyed) response.destroy();
      else sayInstead(response, this.#failure(error));
    });
  }

  /** Passes a WebSocket on. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (this.#isFull || this.#isEnding) return refuseUpgrade(socket, full);
    const abandon = () => void socket.end();
    this.#webSockets.add(abandon);
    socket.once("close", () => this.#webSockets.delete(abandon));
    passOnHeaders(request, this.#options.trustedProxies);
    this.#proxy.ws(request, socket, head, {}, (error) => {
      if (!passedOn.has(socket)) refuseUpgrade(socket, this.#failure(error));
    });
  }

  /**
   * Waits until every request has its answer, and breaks off those that take longer. WebSockets end at once:
   * nothing can be said on them, and their clients come back.
   */
  async end(withinMs: number): Promise<void> {
    this.#isEnding = true;
    for (const abandon of this.#webSockets) abandon();
    if (this.#requests.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, withinMs);
      this.#onIdle = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    for (const abandon of this.#requests) abandon();
  }

  get #isFull(): boolean {
    return this.#requests.size + this.#webSockets.size >= this.#options.connectionsMax;
  }

  #passBack(answer: IncomingMessage, response: ServerResponse): void {
    if (!this.#isAnswering) this.#options.log.info({}, "the second stack answers again");
    this.#isAnswering = true;
    if (this.#isEnding) response.setHeader("connection", "close");
    const headers = withoutConnectionHeaders(answer.headers);
    response.writeHead(answer.statusCode ?? 502, answer.statusMessage, headers);
    // Whichever end breaks off, the other one learns of it.
    pipeline(answer, response, () => undefined);
  }

  #upgrading(outgoing: ClientRequest, client: Duplex): void {
    outgoing.once("socket", (socket: Socket) => this.#limitSilence(outgoing, socket));
    outgoing.once("upgrade", () => passedOn.add(client));
    outgoing.once("response", (answer: IncomingMessage) => {
      passedOn.add(client);
      // The connection ends with an answer that is not an upgrade.
      answer.headers.connection = "close";
    });
  }

  /** The connection has little time, because a machine that is gone does not refuse. */
  #limitSilence(outgoing: ClientRequest, socket: Socket): void {
    const { timeoutMs } = this.#options;
    const giveUp = () => outgoing.destroy(new Silence());
    const connecting = setTimeout(giveUp, Math.min(timeoutMs, connectTimeoutMs));
    for (const event of ["connect", "close"] as const) socket.once(event, () => clearTimeout(connecting));
    outgoing.setTimeout(timeoutMs, giveUp);
  }

  #failure(error: Error): Refusal {
    const { log, target } = this.#options;
    if (this.#isAnswering) log.warn({ reason: error.message, target }, "the second stack does not answer");
    this.#isAnswering = false;
    return error instanceof Silence ? late : down;
  }
}

class Silence extends Error {
  override readonly name = "Silence";

  constructor() {
    super("it was silent for too long");
  }
}

function sayInstead(response: ServerResponse, { status, text }: Refusal): void {
  const retry = status === 503 ? { "retry-after": "1" } : {};
  response.writeHead(status, {
    ...retry,
    "content-type": "text/plain; charset=utf-8",
    "cache-control": "no-store",
  });
  response.end(`${text}\n`);
}

function refuseUpgrade(socket: Duplex, { status, text }: Refusal): void {
  const head = `HTTP/1.1 ${status} ${text}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`;
  if (socket.writable) socket.end(head);
}

/** Sockets on which something of the second stack has come: what is written now is not ours to write. */
const passedOn = new WeakSet<Duplex>();

const down: Refusal = { status: 502, text: "The application behind this server cannot be reached." };
const late: Refusal = { status: 504, text: "The application behind this server does not answer in time." };
const full: Refusal = { status: 503, text: "The application behind this server is busy. Try again." };
const unmeasured: Refusal = { status: 411, text: "Say how long the body is." };

const connectTimeoutMs = 5_000;

// --- types ---

type Refusal = { readonly status: number; readonly text: string };

type Log = {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
};
