/**
 * A folder of small files, read once and served from memory: what is not in the folder cannot be asked for.
 */

import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { extname, join, relative, sep } from "node:path";
import { gzipSync } from "node:zlib";
import { pathOf } from "./request-path.ts";

/**
 * Reads `directory` and returns a handler that answers GET and HEAD for its files, and returns false for
 * every other path. `index.html` also answers for its folder. Files of unknown type are left out. The folder
 * is trusted and held in memory: above `folderBytesMax` it is refused, because this is for a page, not for
 * downloads.
 */
export function staticFiles(
  directory: string,
): (request: IncomingMessage, response: ServerResponse) => boolean {
  const files = readFolder(directory);

  return (request, response) => {
    // An exact lookup, never a path joined to the folder: `..`, encodings and links have nothing to work on.
    const file = files.get(pathOf(request));
    if (file === undefined) return false;
    if (request.method !== "GET" && request.method !== "HEAD") {
      response.writeHead(405, { allow: "GET, HEAD" }).end();
      return true;
    }
    const zipped = acceptsGzip(request.headers["accept-encoding"]) ? file.zipped : undefined;
    // Each encoding is its own representation and has its own tag (RFC 9110, 8.8.3.3).
    const tag = zipped === undefined ? `"${file.hash}"` : `"${file.hash}-gzip"`;
    const headers = { ...securityHeaders, "cache-control": "no-cache", etag: tag, vary: "accept-encoding" };
    if (names(request.headers["if-none-match"], tag)) {
      response.writeHead(304, headers).end();
      return true;
    }
    const body = zipped ?? file.body;
    response.writeHead(200, {
      ...headers,
      "content-type": file.type,
      "content-length": body.length,
      ...(zipped === undefined ? {} : { "content-encoding": "gzip" }),
    });
    response.end(request.method === "HEAD" ? undefined : body);
    return true;
  };
}

/**
 * What every answer of the page carries: it loads nothing foreign, runs nothing inline, and nobody frames it.
 */
export const securityHeaders = {
  "content-security-policy":
    "default-src 'self'; connect-src 'self' ws: wss:; object-src 'none'; base-uri 'none'; " +
    "form-action 'self'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
} as const;

function readFolder(directory: string): ReadonlyMap<string, File> {
  const files = new Map<string, File>();
  let folderBytes = 0;
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    const type = contentTypes[extname(entry.name)];
    if (!entry.isFile() || type === undefined) continue;
    const name = join(entry.parentPath, entry.name);
    const body = readFileSync(name);
    folderBytes += body.length;
    if (folderBytes > folderBytesMax) {
      throw new Error(
        `${directory} holds more than ${folderBytesMax} bytes; serve it from a web server instead`,
      );
    }
    const hash = createHash("sha256").update(body).digest("base64url").slice(0, 22);
    const zipped = body.length >= zippedBytesMin ? gzipSync(body, { level: 9 }) : undefined;
    const path = `/${relative(directory, name).split(sep).join("/")}`;
    files.set(path, { type, body, zipped, hash });
    if (path.endsWith("/index.html"))
      files.set(path.slice(0, -"index.html".length), { type, body, zipped, hash });
  }
  return files;
}

/** True when gzip is listed and not refused with a quality of zero. */
function acceptsGzip(header: string | string[] | undefined): boolean {
  return /\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))/i.test(String(header ?? ""));
}

/** If-None-Match compares weakly: a proxy may have put `W/` in front of our tag. */
function names(header: string | undefined, tag: string): boolean {
  if (header === undefined) return false;
  return header.split(",").some((part) => part.trim() === "*" || part.trim().replace(/^W\//, "") === tag);
}

const contentTypes: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".ico": "image/x-icon",
  ".webmanifest": "application/manifest+json",
  ".txt": "text/plain; charset=utf-8",
};

const folderBytesMax = 16 * 1024 * 1024;

/** Below a packet's worth of bytes compression saves nothing. */
const zippedBytesMin = 1400;

type File = {
  readonly type: string;
  readonly body: Buffer;
  /** Undefined: too small to be worth it. */
  readonly zipped: Buffer | undefined;
  readonly hash: string;
};
