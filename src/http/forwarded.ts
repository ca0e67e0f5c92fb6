/**
 * What a request says of itself when it is passed on: whose it is, and nothing that belonged to the
 * connection on which it came.
 */

import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { BlockList, isIP } from "node:net";

/**
 * Addresses and ranges, `10.0.0.0/8,::1`, as a list that can be asked; undefined when one of them is neither.
 */
export function addressList(text: string): BlockList | undefined {
  const list = new BlockList();
  for (const entry of text.split(",").map((part) => part.trim())) {
    if (entry === "") continue;
    const [address = "", prefix] = entry.split("/");
    const family = isIP(address) === 4 ? "ipv4" : "ipv6";
    const bits = family === "ipv4" ? 32 : 128;
    if (isIP(address) === 0 || (prefix !== undefined && !/^\d{1,3}$/.test(prefix))) return undefined;
    if (entry.split("/").length > 2 || Number(prefix ?? 0) > bits) return undefined;
    list.addSubnet(address, Number(prefix ?? bits), family);
  }
  return list;
}

/**
 * Makes the headers of `request` those of a request that is passed on. What a peer that is not among
 * `trusted` says of an address, a scheme or a host before it is replaced; a trusted one's is continued.
 */
export function passOnHeaders(request: IncomingMessage, trusted: BlockList): void {
  const { headers } = request;
  const peer = plainAddress(request.socket.remoteAddress ?? "");
  const family = isIP(peer) === 6 ? "ipv6" : "ipv4";
  const before = isIP(peer) !== 0 && trusted.check(peer, family) ? { ...headers } : {};
  const ofThisConnection = connectionHeadersOf(headers);
  // Without what says where a body ends it would be read as the next request, whoever asks for it to be left
  // out.
  for (const name of ["transfer-encoding", "content-length"]) ofThisConnection.delete(name);
  // A WebSocket is asked for from hop to hop, and with these two.
  if (isWebSocket(request)) for (const name of ["connection", "upgrade"]) ofThisConnection.delete(name);
  for (const name of Object.keys(headers)) {
    if (ofThisConnection.has(name) || isClaim(name)) delete headers[name];
  }
  const chain = valueOf(before["x-forwarded-for"]);
  headers["x-forwarded-for"] = chain === undefined ? peer : `${chain}, ${peer}`;
  const scheme = "encrypted" in request.socket ? "https" : "http";
  headers["x-forwarded-proto"] = valueOf(before["x-forwarded-proto"]) ?? scheme;
  headers["x-forwarded-host"] = valueOf(before["x-forwarded-host"]) ?? headers.host ?? "";
}

/** Headers of an answer without those of the connection on which it came. */
export function withoutConnectionHeaders(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const ofThisConnection = connectionHeadersOf(headers);
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !ofThisConnection.has(name)));
}

/** Any other upgrade, such as curl's to HTTP/2, is answered as if it had not been asked for. */
export function isWebSocket(request: IncomingMessage): boolean {
  return request.headers.upgrade?.toLowerCase() === "websocket";
}

/** Those that the standard names, and those that `Connection` names. */
function connectionHeadersOf({ connection = "" }: IncomingHttpHeaders): Set<string> {
  const named = connection.split(",").map((name) => name.trim().toLowerCase());
  return new Set([...connectionHeaders, ...named]);
}

/**
 * Behind CGI and its descendants `X_Forwarded_For` reads like `X-Forwarded-For`, and `Proxy` sets the proxy
 * of outgoing requests.
 */
function isClaim(name: string): boolean {
  return /^(x-forwarded(-.*)?|x-real-ip|forwarded|proxy)$/.test(name.replaceAll("_", "-"));
}

/** A socket that listens on both families shows IPv4 as a part of IPv6. */
function plainAddress(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, "");
}

function valueOf(header: string | string[] | undefined): string | undefined {
  const text = Array.isArray(header) ? header.join(", ") : header;
  return text === "" ? undefined : text;
}

/** `Expect` was answered here, and the second answer would be one too many. */
const connectionHeaders: readonly string[] = [
  "connection",
  "expect",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
];
