/** Asks a deployment for one handshake before a crowd does, so that what is wrong is said in one sentence. */

import { request as requestPlain } from "node:http";
import { request as requestSecure } from "node:https";
import { getCACertificates } from "node:tls";

/** Why clients cannot connect there, and what to do about it; undefined when they can. */
export async function whyNotReachable(options: ProbeOptions): Promise<string | undefined> {
  const url = new URL("/socket.io/?EIO=4&transport=polling", options.url);
  try {
    const answer = await ask(url, "GET", options);
    if (answer.status !== 200 || !answer.body.startsWith("0{")) return sentenceOf(url.origin, answer);
    const { sid } = JSON.parse(answer.body.slice(1)) as { sid: string };
    // Leaves no connection that the server waits for; whether it is heard does not matter.
    await ask(new URL(`${url.href}&sid=${sid}`), "POST", options, "1").catch(() => undefined);
    return undefined;
  } catch (error) {
    return failureOf(url, error as NodeJS.ErrnoException);
  }
}

function sentenceOf(origin: string, { status, body, location }: Answer): string {
  if (status === 429) return `${origin} limits the handshakes of one address (429): ${limitCure}`;
  if (status === 502 || status === 503 || status === 504)
    return `${origin} answers ${status}: the proxy is there, and no node behind it is ready. GET /readyz of the nodes tells.`;
  if (location !== undefined)
    return `${origin} sends clients on to ${location} (${status}): give that address as --target.`;
  if (status === 403 || status === 401)
    return `${origin} does not let clients in (${status}): ${excerpt(body)}. Is it served over https only?`;
  return `What answers at ${origin}/socket.io/ is not Socket.IO: status ${status}, ${excerpt(body)}.`;
}

function failureOf(url: URL, { code = "", message }: NodeJS.ErrnoException): string {
  if (certificateFaults.test(code))
    return (
      `The certificate of ${url.origin} is refused: ${message} (${code}). Give its authority with --ca FILE, ` +
      "or --insecure for a trial."
    );
  if (url.protocol === "https:" && /^(EPROTO|ERR_SSL)/.test(code))
    return `${url.origin} does not speak TLS (${code}): is it http://?`;
  if (code === "ENOTFOUND" || code === "EAI_AGAIN")
    return `Nobody knows the name ${url.hostname} (${code}): is --target spelt right?`;
  if (code === "HPE_INVALID_CONSTANT" || message.includes("Parse Error"))
    return `What answers at ${url.origin} is not HTTP: is it https://?`;
  return (
    `${url.origin} cannot be reached: ${message === "" ? code : message}. ` +
    "Is the edge up, and may this machine connect to it?"
  );
}

function ask(url: URL, method: string, { ca, insecure = false }: ProbeOptions, body = ""): Promise<Answer> {
  const send = url.protocol === "https:" ? requestSecure : requestPlain;
  const trust = ca === undefined ? {} : { ca: [...getCACertificates("default"), ca] };
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(timeoutMs);
    const headers = { "content-type": "text/plain;charset=UTF-8", "content-length": Buffer.byteLength(body) };
    const options = {
      method,
      agent: false,
      signal,
      headers,
      rejectUnauthorized: !insecure,
      ...trust,
    } as const;
    const request = send(url, options, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => (text += part.slice(0, bodyCharactersMax)));
      response.on("error", reject);
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, body: text, location: response.headers.location }),
      );
    });
    request.on("error", (error) => reject(signal.aborted ? timedOut : error));
    request.end(body);
  });
}

function excerpt(body: string): string {
  const text = body.replaceAll(/<[^>]*>|\s+/g, " ").trim();
  return text === "" ? "without a text" : `"${text.slice(0, 80)}"`;
}

export const limitCure =
  "all clients of a load test come from one. Raise HANDSHAKES_PER_10S of haproxy/, or burst and rate of the zone " +
  '"handshakes" in nginx/, for as long as the test runs, or come with fewer --clients.';
const certificateFaults = /CERT|SELF_SIGNED|UNABLE_TO_|ISSUER|HOSTNAME/;
const timeoutMs = 10_000;
const bodyCharactersMax = 10_000;
const timedOut = Object.assign(new Error(`no answer within ${timeoutMs / 1_000} s`), { code: "TIMEOUT" });

// --- types ---

export type ProbeOptions = {
  readonly url: string;
  /** A certificate to trust beside the usual ones, in PEM. */
  readonly ca?: string | undefined;
  readonly insecure?: boolean | undefined;
};

type Answer = { readonly status: number; readonly body: string; readonly location: string | undefined };
