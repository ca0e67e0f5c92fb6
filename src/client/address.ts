/** From what `io()` is given to a connection's address, as socket.io-client reads it. */

import { parse } from "engine.io-client";

export type Address = {
  /** `protocol://host:port`, where the manager connects to. */
  readonly source: string;
  /** Managers are shared by this: the address with the port written out, and the path of the engine. */
  readonly id: string;
  readonly namespace: string;
  /** The query string of the address, "" when there is none. */
  readonly query: string;
  readonly queryValues: Record<string, string>;
};

/** Reads an absolute address, one that is relative to the page, or nothing at all (the page's own host). */
export function readAddress(uri: string | undefined, path: string): Address {
  const page = (globalThis as { location?: Location }).location;
  const parsed = parse(absolute(uri, page)) as Parsed;
  const secure = parsed.protocol === "https" || parsed.protocol === "wss";
  const port = parsed.port || (secure ? "443" : "80");
  const host = parsed.host.includes(":") ? `[${parsed.host}]` : parsed.host;
  return {
    source: `${parsed.protocol}://${host}:${port}`,
    id: `${parsed.protocol}://${host}:${port}${path}`,
    namespace: parsed.path === "" ? "/" : parsed.path,
    query: parsed.query,
    queryValues: parsed.queryKey,
  };
}

function absolute(uri: string | undefined, page: Location | undefined): string {
  if (uri !== undefined && /^(https?|wss?):\/\//.test(uri)) return uri;
  if (page === undefined) {
    if (uri === undefined) throw new TypeError("io() needs an address outside of a browser");
    return `https://${uri.replace(/^\/\//, "")}`;
  }
  if (uri === undefined) return `${page.protocol}//${page.host}`;
  if (uri.startsWith("//")) return page.protocol + uri;
  if (uri.startsWith("/")) return `${page.protocol}//${page.host}${uri}`;
  return `${page.protocol}//${uri}`;
}

type Parsed = {
  protocol: string;
  host: string;
  port: string;
  path: string;
  query: string;
  queryKey: Record<string, string>;
};
