/** Serves the browser client beside Socket.IO's own: `<path>/holdfast.js`, an ES module. */

import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { IncomingMessage, Server as HttpServer, ServerResponse } from "node:http";
import { fileURLToPath } from "node:url";
import { brotliCompress, gzip } from "node:zlib";
import { promisify } from "node:util";

type Variant = { readonly body: Buffer; readonly encoding: string | undefined };
type Bundle = { readonly tag: string; readonly variants: readonly Variant[]; readonly type: string };

/** A file to be served, found where the package has it; nothing of it is imported. */
const bundleName = "holdfast/client/holdfast.js";

const bundles = new Map<string, Promise<Bundle>>();

/** Answers requests for the bundle before anyone else sees them. */
export function serveClientBundle(server: HttpServer, path: string): void {
  const listeners = server.listeners("request") as ((...args: unknown[]) => void)[];
  server.removeAllListeners("request");
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    const name = request.url?.split("?")[0];
    if (name === `${path}/holdfast.js` || name === `${path}/holdfast.js.map`) {
      void serve(name.slice(path.length + 1), request, response);
      return;
    }
    for (const listener of listeners) listener.call(server, request, response);
  });
}

async function serve(file: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    const bundle = await loaded(file);
    response.setHeader("ETag", bundle.tag);
    response.setHeader("Cache-Control", "public, max-age=0");
    response.setHeader("Vary", "Accept-Encoding");
    response.setHeader("X-Content-Type-Options", "nosniff");
    if (request.headers["if-none-match"] === bundle.tag) {
      response.writeHead(304).end();
      return;
    }
    const accepted = String(request.headers["accept-encoding"] ?? "");
    const variant =
      bundle.variants.find(({ encoding }) => encoding === undefined || accepted.includes(encoding)) ??
      bundle.variants.at(-1);
    if (variant?.encoding !== undefined) response.setHeader("Content-Encoding", variant.encoding);
    response.setHeader("Content-Type", bundle.type);
    response.writeHead(200).end(request.method === "HEAD" ? undefined : variant?.body);
  } catch {
    bundles.delete(file);
    response.writeHead(404, { "Content-Type": "text/plain" });
    response.end("The browser client has not been built. Run: node scripts/build-client.mjs\n");
  }
}

function loaded(file: string): Promise<Bundle> {
  let bundle = bundles.get(file);
  if (bundle === undefined) {
    bundle = load(file);
    bundles.set(file, bundle);
  }
  return bundle;
}

async function load(file: string): Promise<Bundle> {
  const body = await readFile(fileURLToPath(new URL(file, import.meta.resolve(bundleName))));
  const [brotli, gzipped] = await Promise.all([promisify(brotliCompress)(body), promisify(gzip)(body)]);
  return {
    tag: `"${createHash("sha256").update(body).digest("base64url").slice(0, 16)}"`,
    type: `${file.endsWith(".map") ? "application/json" : "text/javascript"}; charset=utf-8`,
    variants: [
      { body: brotli, encoding: "br" },
      { body: gzipped, encoding: "gzip" },
      { body, encoding: undefined },
    ],
  };
}
