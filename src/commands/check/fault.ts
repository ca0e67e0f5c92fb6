/** How a request or a connection failed, kept apart from what it means. */

import type { IncomingHttpHeaders } from "node:http";

export class LinkFault extends Error {
  override readonly name = "LinkFault";
  /** Node's code of the error, or `TIMEOUT`, `STATUS`, `CLOSED`, `CONTENT`. */
  readonly code: string;
  readonly status: number | undefined;
  /** The beginning of the answer's body. */
  readonly body: string;
  readonly location: string | undefined;
  /** Where a limit turned us away: when to come again. */
  readonly retryAfterSeconds: number;

  constructor(
    code: string,
    message: string,
    answer: { readonly status?: number; readonly body?: string; readonly headers?: IncomingHttpHeaders } = {},
  ) {
    super(message);
    this.code = code;
    this.status = answer.status;
    this.body = answer.body ?? "";
    this.location = answer.headers?.location;
    this.retryAfterSeconds = Number(answer.headers?.["retry-after"] ?? 1) || 1;
  }

  /**
   * The answer of an Engine.IO that does not know the connection; Holdfast's is 404 where it is another
   * node's.
   */
  get isUnknownSession(): boolean {
    return (this.status === 400 || this.status === 404) && /"code":1\b|Session ID unknown/.test(this.body);
  }

  get isRateLimit(): boolean {
    return this.status === 429;
  }

  /** The answer of a proxy whose back end is silent, gone or not ready. */
  get isBadGateway(): boolean {
    return this.status === 502 || this.status === 503 || this.status === 504;
  }
}

/** What Node throws, as a fault. */
export function faultOf(error: unknown, timeoutMs: number): LinkFault {
  if (error instanceof LinkFault) return error;
  const { code, message, name } = error as NodeJS.ErrnoException;
  if (name === "TimeoutError") return timedOut(timeoutMs);
  if (name === "AbortError") return new LinkFault("CUT", "given up");
  return new LinkFault(code ?? "ERROR", sentences.get(code ?? "") ?? message);
}

export function timedOut(timeoutMs: number): LinkFault {
  return new LinkFault("TIMEOUT", `no answer within ${timeoutMs / 1_000} s`);
}

/** An answer with a status that was not asked for. */
export function statusFault(status: number, body: string, headers: IncomingHttpHeaders): LinkFault {
  const text = excerpt(body);
  const where = headers.location === undefined ? "" : ` to ${headers.location}`;
  const message = `status ${status}${where}${text === "" ? "" : ` ${text}`}`;
  return new LinkFault("STATUS", message, { status, body, headers });
}

/** A body in a few words; of a page in HTML its heading. */
function excerpt(body: string): string {
  const heading = /<(title|h1)>([^<]*)</i.exec(body)?.[2];
  if (heading === undefined && body.startsWith("<")) return "(a page)";
  const text = (heading ?? body).replaceAll(/[\s\p{Cc}]+/gu, " ").trim();
  const message = /"message":"([^"]{1,60})"/.exec(text)?.[1];
  return message === undefined ? text.slice(0, excerptCharacters) : `"${message}"`;
}

/** How many of each, most frequent first: `status 400 "Session ID unknown" (12), closed (1)`. */
export function countedFaults(faults: readonly LinkFault[]): string {
  const counts = new Map<string, number>();
  for (const { message } of faults) counts.set(message, (counts.get(message) ?? 0) + 1);
  const sorted = [...counts].toSorted(([, a], [, b]) => b - a).slice(0, kindsShown);
  return sorted
    .map(([message, count]) => (faults.length === 1 ? message : `${message} (${count})`))
    .join(", ");
}

const sentences: ReadonlyMap<string, string> = new Map([
  ["ECONNREFUSED", "the connection is refused"],
  ["ECONNRESET", "the connection is reset"],
  ["EHOSTUNREACH", "the host cannot be reached"],
  ["ENETUNREACH", "the network cannot be reached"],
  ["ETIMEDOUT", "nobody answers"],
]);

const excerptCharacters = 60;
const kindsShown = 3;
