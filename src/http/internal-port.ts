/**
 * The internal port: health, metrics, and the commands that a running process takes. It listens on loopback
 * unless somebody decides otherwise; commands are taken from loopback in any case.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Health, type Readiness } from "./health.ts";
import { pathOf } from "./request-path.ts";

export type InternalPortOptions = {
  readonly readiness: () => Readiness;
  /** The text of `/metrics`, and the type of that text. */
  readonly metrics: () => Promise<string>;
  readonly metricsType: string;
  /**
   * Exchanges the workers, telling each step. Rejects with an error whose message is the reason, and whose
   * `lastWords`, if any, say more.
   */
  readonly roll: (tell: (line: string) => void) => Promise<void>;
};

export class InternalPort {
  readonly #options: InternalPortOptions;
  readonly #health = new Health();
  readonly #http: Server;

  constructor(options: InternalPortOptions) {
    this.#options = options;
    this.#http = createServer((request, response) => void this.#answer(request, response));
  }

  /** Returns the port; rejects with Node's error. */
  async listen(host: string, port: number): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#http.once("error", reject);
      this.#http.listen(port, host, resolve);
    });
    return (this.#http.address() as AddressInfo).port;
  }

  close(): void {
    this.#http.close();
    this.#http.closeAllConnections();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#health.readiness = this.#options.readiness();
    if (this.#health.handle(request, response)) return;
    const path = pathOf(request);
    if (path === "/metrics") return await this.#measure(request, response);
    if (path === "/roll") return await this.#roll(request, response);
    refuse(response, 404, "Here are /livez, /readyz, /metrics and POST /roll.");
  }

  async #measure(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method !== "GET" && request.method !== "HEAD") {
      return refuse(response, 405, "Metrics are read with GET.");
    }
    try {
      const text = await this.#options.metrics();
      response.writeHead(200, { "content-type": this.#options.metricsType, "cache-control": "no-store" });
      response.end(request.method === "HEAD" ? undefined : text);
    } catch (error) {
      refuse(response, 500, `The metrics cannot be read: ${messageOf(error)}`);
    }
  }

  async #roll(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method !== "POST") return refuse(response, 405, "A roll is asked for with POST.");
    const objection = objectionTo(request);
    if (objection !== undefined) return refuse(response, 403, objection);
    response.writeHead(200, { "content-type": "application/x-ndjson", "cache-control": "no-store" });
    // Whoever asked may go away; the roll goes on.
    response.on("error", () => undefined);
    const write = (line: RollLine) => response.write(`${JSON.stringify(line)}\n`);
    try {
      await this.#options.roll((progress) => write({ progress }));
      write({ rolled: true });
    } catch (error) {
      const { lastWords = [] } = error as { readonly lastWords?: readonly string[] };
      write({ refused: messageOf(error), details: lastWords });
    }
    response.end();
  }
}

/** One line of the answer to a roll; the last one says how it ended. */
export type RollLine =
  | { readonly progress: string }
  | { readonly rolled: true }
  | { readonly refused: string; readonly details: readonly string[] };

/**
 * Why a command is not taken from this request. A browser on this machine reaches loopback for any page that
 * it shows: it cannot send the header without asking first, and is not answered; and a page whose name leads
 * to loopback comes with that name as its host.
 */
function objectionTo(request: IncomingMessage): string | undefined {
  const { headers, socket } = request;
  if (!/^(::ffff:)?127\.|^::1$/.test(socket.remoteAddress ?? ""))
    return "Commands are taken from this machine only.";
  if (headers["holdfast-command"] !== "roll") return "The header `holdfast-command: roll` is missing.";
  if (headers.origin !== undefined) return "Commands are not taken from browsers.";
  if (!/^(localhost|127(\.\d+){3}|\[::1\])(:\d+)?$/i.test(headers.host ?? "")) {
    return "Commands are taken under the name of localhost or an address of loopback only.";
  }
  return undefined;
}

function refuse(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" });
  response.end(`${text}\n`);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
