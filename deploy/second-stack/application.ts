/**
 * A small HTTP application in the place of yours: it says what reaches it, and from whom, as it sees it.
 * Needs nothing but Node. Settings: PORT, HOST, INSTANCE, TRUSTED_PROXIES.
 */

import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, BlockList, isIP } from "node:net";
import { pipeline } from "node:stream/promises";
import { setTimeout as wait } from "node:timers/promises";

const privateRanges = "127.0.0.0/8,::1,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7";
const slowMsMax = 600_000;
const bigBytesMax = 1024 * 1024 * 1024;
const chunkBytes = 64 * 1024;

const settings = settingsOrExit();

const server = createServer((request, response) => {
  response.setHeader("x-instance", settings.instance);
  answer(request, response).catch(() => response.destroy());
});
server.once("error", (error) =>
  exitOnStart(`HOST=${settings.host}, PORT=${settings.port}: ${error.message}`),
);
server.listen(settings.port, settings.host, () => {
  const { address, port } = server.address() as AddressInfo;
  process.stdout.write(`The second stack is at ${address} port ${port}\n`);
});
// Requests that run have their answer; new ones are refused.
process.on("SIGTERM", () => server.close());

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://any");
  if (pathname === "/") return sendPage(response);
  if (pathname === "/static/mark.svg") return sendMark(response);
  if (pathname === "/who") return sendJson(response, whoAsks(request));
  if (pathname === "/slow") {
    await wait(Math.min(Number(searchParams.get("ms")) || 0, slowMsMax));
    return sendJson(response, whoAsks(request));
  }
  if (pathname === "/echo" && request.method === "POST") {
    const hash = createHash("sha256");
    let bytes = 0;
    for await (const chunk of request as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      hash.update(chunk);
    }
    return sendJson(response, { bytes, sha256: hash.digest("hex") });
  }
  if (pathname === "/big") {
    const bytes = Math.min(Number(searchParams.get("bytes")) || 0, bigBytesMax);
    response.writeHead(200, { "content-type": "application/octet-stream" });
    return await pipeline(zeros(bytes), response);
  }
  response.writeHead(404, { "content-type": "text/plain; charset=utf-8" }).end("Not found.\n");
}

/** What an application usually wants to know; client and scheme are a proxy's word where it is trusted. */
function whoAsks(request: IncomingMessage) {
  const peer = plain(request.socket.remoteAddress ?? "");
  const isTold = isTrusted(peer);
  return {
    instance: settings.instance,
    method: request.method,
    path: request.url,
    host: (isTold && header(request, "x-forwarded-host")) || request.headers.host,
    client: isTold ? clientOf(request, peer) : peer,
    scheme: (isTold && header(request, "x-forwarded-proto")) || "http",
  };
}

/**
 * From the right: each trusted proxy has added whom it spoke with; further left stands what anybody wrote.
 */
function clientOf(request: IncomingMessage, peer: string): string {
  const told = header(request, "x-forwarded-for")?.split(",") ?? [];
  let client = peer;
  for (const address of told.map((part) => part.trim()).reverse()) {
    if (!isTrusted(client)) break;
    client = address;
  }
  return client;
}

function header(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value.join(", ") : value;
}

function isTrusted(address: string): boolean {
  return isIP(address) !== 0 && settings.trusted.check(address, isIP(address) === 6 ? "ipv6" : "ipv4");
}

function plain(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, "");
}

function sendJson(response: ServerResponse, value: object): void {
  response.writeHead(200, { "content-type": "application/json", "cache-control": "no-store" });
  response.end(`${JSON.stringify(value)}\n`);
}

function sendPage(response: ServerResponse): void {
  response.writeHead(200, { "content-type": "text/html; charset=utf-8", "cache-control": "no-cache" });
  response.end(
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>Second stack</title>' +
      '<link rel="icon" href="/static/mark.svg"><h1>The second stack</h1>' +
      '<p>Your application stands here. <a href="/who">Who asks</a></p></html>\n',
  );
}

/** A file whose name would change with its content, for caches in front. */
function sendMark(response: ServerResponse): void {
  response.writeHead(200, {
    "content-type": "image/svg+xml",
    "cache-control": "public, max-age=31536000, immutable",
  });
  response.end(
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><circle cx="4" cy="4" r="4"/></svg>\n',
  );
}

function* zeros(bytes: number): Generator<Buffer> {
  for (let left = bytes; left > 0; left -= chunkBytes) yield Buffer.alloc(Math.min(left, chunkBytes));
}

function settingsOrExit() {
  const { PORT, HOST, INSTANCE, TRUSTED_PROXIES } = process.env;
  const port = Number(PORT || 3000);
  if (!/^\d*$/.test(PORT ?? "") || port > 65_535)
    exitOnStart(`PORT is ${JSON.stringify(PORT)}; allowed is a whole number from 0 to 65535.`);
  const trusted = new BlockList();
  for (const entry of (TRUSTED_PROXIES || privateRanges).split(",")) {
    const [address = "", prefix] = entry.trim().split("/");
    const bits = isIP(address) === 6 ? 128 : 32;
    if (isIP(address) === 0 || !/^\d{0,3}$/.test(prefix ?? "") || Number(prefix ?? 0) > bits)
      exitOnStart(
        `TRUSTED_PROXIES has ${JSON.stringify(entry)}; allowed are addresses and ranges (10.0.0.0/8).`,
      );
    trusted.addSubnet(address, Number(prefix || bits), bits === 128 ? "ipv6" : "ipv4");
  }
  return { port, host: HOST || "127.0.0.1", instance: INSTANCE || "second-stack", trusted };
}

function exitOnStart(message: string): never {
  process.stderr.write(`The second stack did not start: ${message}\n`);
  process.exit(2);
}
