/** One HTTP request on a connection of its own, as a client without cookies sends it. */

import { request as requestPlain, type IncomingHttpHeaders } from "node:http";
import { request as requestSecure } from "node:https";
import { createSecureContext, getCACertificates, type SecureContext } from "node:tls";
import { faultOf, LinkFault, timedOut } from "./fault.ts";
import type { Inquiry } from "./inquiry.ts";

/** Rejects with a `LinkFault` when there is no answer at all; every status is an answer. */
export function ask(inquiry: Inquiry, asked: Asked): Promise<Answer> {
  const { target } = inquiry;
  const { timeoutMs = target.timeoutMs, body } = asked;
  const send = inquiry.secure ? requestSecure : requestPlain;
  const signal =
    asked.signal === undefined ? inquiry.signal : AbortSignal.any([inquiry.signal, asked.signal]);
  const trusting = trust(inquiry);
  return new Promise((resolve, reject) => {
    const startedAt = performance.now();
    const request = send(new URL(asked.path, target.url), {
      method: asked.method ?? "GET",
      headers: {
        "user-agent": userAgent,
        ...asked.headers,
        ...(body === undefined ? {} : { "content-length": Buffer.byteLength(body) }),
      },
      // A connection that is used again hides that the next request would have gone elsewhere.
      agent: false,
      signal,
      ...trusting,
    });
    const fail = (error: unknown) => {
      clearTimeout(timer);
      reject(faultOf(error, timeoutMs));
    };
    const timer = setTimeout(() => request.destroy(timedOut(timeoutMs)), timeoutMs);
    request.on("error", fail);
    request.on("response", (response) => {
      const parts: Buffer[] = [];
      let size = 0;
      response.on("data", (part: Buffer) => {
        size += part.length;
        if (size <= bodyBytesMax) parts.push(part);
      });
      response.on("error", fail);
      response.on("close", () => {
        clearTimeout(timer);
        if (!response.complete) return fail(new LinkFault("CUT_SHORT", "the answer broke off"));
        const text = Buffer.concat(parts).toString("utf8");
        // The front page may come from another program than Socket.IO does.
        if (asked.path.startsWith(target.path)) inquiry.sawAnswer(response.headers, text);
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: text,
          tookMs: performance.now() - startedAt,
        });
      });
    });
    // An early answer, such as 413, comes while the body is still being written.
    request.end(body);
  });
}

/** How connections of this inquiry treat certificates. */
export function trust(inquiry: Inquiry): Trust {
  if (!inquiry.secure) return { rejectUnauthorized: false };
  const secureContext = contexts.get(inquiry) ?? createSecureContext({ ca: authoritiesOf(inquiry) });
  // Made once: to read all the authorities takes longer than the rest of a handshake.
  contexts.set(inquiry, secureContext);
  return { secureContext, rejectUnauthorized: inquiry.verifies };
}

/** Node's own list, the system's, and those of `--ca`. */
function authoritiesOf({ target }: Inquiry): string[] {
  const own = target.authorities === undefined ? [] : [target.authorities];
  return [...new Set([...getCACertificates("default"), ...getCACertificates("system"), ...own])];
}

const contexts = new WeakMap<Inquiry, SecureContext>();

export const userAgent = "holdfast-check";
const bodyBytesMax = 4_000_000;

// --- types ---

export type Asked = {
  readonly path: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
};

export type Trust = { readonly secureContext?: SecureContext; readonly rejectUnauthorized: boolean };

export type Answer = {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly tookMs: number;
};
