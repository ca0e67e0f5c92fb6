import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Health } from "./health.ts";
import { staticFiles } from "./static-files.ts";

const folder = mkdtempSync(join(tmpdir(), "holdfast-http-"));
const style = "body { color: teal }\n".repeat(200);
const health = new Health();
let server: Server;

beforeAll(async () => {
  mkdirSync(join(folder, "site", "parts"), { recursive: true });
  writeFileSync(join(folder, "secret.txt"), "not for the web");
  writeFileSync(join(folder, "site", "index.html"), "<!doctype html><title>page</title>");
  writeFileSync(join(folder, "site", "style.css"), style);
  writeFileSync(join(folder, "site", "parts", "one.js"), "export {};");
  writeFileSync(join(folder, "site", "notes.unknown"), "left out");
  const page = staticFiles(join(folder, "site"));
  server = createServer((incoming, response) => {
    if (!health.handle(incoming, response) && !page(incoming, response))
      response.writeHead(404).end("nothing here");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});

afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(folder, { recursive: true });
});

test("files are served with their type, and the folder itself with index.html", async () => {
  const index = await ask("/");
  expect(index.status).toBe(200);
  expect(index.headers["content-type"]).toBe("text/html; charset=utf-8");
  expect(index.body.toString()).toContain("<title>page</title>");
  expect((await ask("/index.html?reload=1")).body).toEqual(index.body);
  expect((await ask("/parts/one.js")).headers["content-type"]).toBe("text/javascript; charset=utf-8");
});

test("every answer carries a policy that allows nothing inline and nothing foreign", async () => {
  const { headers } = await ask("/");
  expect(headers["content-security-policy"]).toContain("default-src 'self'");
  expect(headers["content-security-policy"]).not.toContain("unsafe");
  expect(headers["x-content-type-options"]).toBe("nosniff");
});

test.each([
  "/../secret.txt",
  "/%2e%2e/secret.txt",
  "/parts/../../secret.txt",
  "/parts%2fone.js",
  "/..%5csecret.txt",
  "//secret.txt",
  "/notes.unknown",
  "/__proto__",
  "/style.css%00.html",
])("%s is not found", async (path) => {
  expect((await ask(path)).status).toBe(404);
});

test("a file that the client already has is not sent again", async () => {
  const first = await ask("/style.css");
  const tag = String(first.headers.etag);
  expect(first.headers["cache-control"]).toBe("no-cache");
  const second = await ask("/style.css", { headers: { "if-none-match": `"other", W/${tag}` } });
  expect(second.status).toBe(304);
  expect(second.body.length).toBe(0);
  expect((await ask("/style.css", { headers: { "if-none-match": '"other"' } })).status).toBe(200);
});

test("text is compressed for those who accept it, under a tag of its own", async () => {
  const plain = await ask("/style.css");
  const zipped = await ask("/style.css", { headers: { "accept-encoding": "br, gzip" } });
  expect(zipped.headers["content-encoding"]).toBe("gzip");
  expect(gunzipSync(zipped.body).toString()).toBe(style);
  expect(zipped.headers.etag).not.toBe(plain.headers.etag);
  const refused = await ask("/style.css", { headers: { "accept-encoding": "gzip;q=0, identity" } });
  expect(refused.headers["content-encoding"]).toBeUndefined();
});

test("HEAD has the headers without the body, other methods are refused", async () => {
  const head = await ask("/style.css", { method: "HEAD" });
  expect(head.status).toBe(200);
  expect(head.headers["content-length"]).toBe(String(style.length));
  expect(head.body.length).toBe(0);
  const posted = await ask("/style.css", { method: "POST" });
  expect(posted.status).toBe(405);
  expect(posted.headers.allow).toBe("GET, HEAD");
});

test("a draining process is alive and not ready, and says so with 404", async () => {
  expect((await ask("/readyz")).status).toBe(404);
  health.readiness = "ready";
  expect((await ask("/readyz")).status).toBe(200);
  health.readiness = "draining";
  expect((await ask("/readyz")).status).toBe(404);
  expect((await ask("/livez")).status).toBe(200);
});

/** Sends a path exactly as it is written; `fetch` would tidy it up first. */
function ask(
  path: string,
  options: { method?: string; headers?: Record<string, string> } = {},
): Promise<Answer> {
  const { port } = server.address() as AddressInfo;
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { port, host: "127.0.0.1", path, agent: false, timeout: 5000, ...options },
      (response) => {
        const parts: Buffer[] = [];
        response.on("data", (part: Buffer) => parts.push(part));
        response.on("end", () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(parts),
          }),
        );
      },
    );
    outgoing.on("timeout", () => outgoing.destroy(new Error(`no answer for ${path}`)));
    outgoing.on("error", reject).end();
  });
}

type Answer = { status: number; headers: IncomingMessage["headers"]; body: Buffer };
