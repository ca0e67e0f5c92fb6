/** What nginx itself answers, turns away and passes on, in each topology. */

import { connect as connectHttp2 } from "node:http2";
import { request } from "node:http";
import { join } from "node:path";
import { io } from "holdfast/client";
import { describe, expect, test } from "vitest";
import { until } from "../harness/until.ts";
import { chatDialect } from "./chat-dialect.ts";
import { layNginx, type NginxSite } from "./nginx-site.ts";
import { openSite, type Site, whyNoSite } from "./site.ts";

const handshake = "/socket.io/?EIO=4&transport=polling";

describe.skipIf(whyNoSite !== undefined)("nginx itself", () => {
  test("the second stack hears who asks and by which scheme, whatever a client says", async (context) => {
    const site = await openSite(context);
    const nginx = await layNginx(context, site);
    await startSecondStack(site, "127.0.0.1");
    const lies = {
      "x-forwarded-for": "6.6.6.6",
      "x-forwarded-proto": "https",
      "x-forwarded-host": "evil.example",
      forwarded: "for=6.6.6.6",
    };
    const plain = await nginx.start("second-stack");
    const heard = await ask(`${site.url()}/orders?page=2`, {
      ...lies,
      upgrade: "h2c",
      connection: "upgrade",
    });
    expect(heard).toMatchObject({ method: "GET", url: "/orders?page=2" });
    expect(heard.headers).toMatchObject({
      host: site.address,
      "x-forwarded-for": site.clientAddress,
      "x-forwarded-proto": "http",
    });
    expect(heard.headers).not.toHaveProperty("forwarded");
    expect(heard.headers).not.toHaveProperty("x-forwarded-host");
    expect(heard.headers).not.toHaveProperty("upgrade");
    await nginx.stop(plain);

    await nginx.start("second-stack-tls");
    const [status, body] = await overHttp2(nginx, "/orders");
    expect(status).toBe(200);
    const { headers } = JSON.parse(body) as Heard;
    expect([headers["x-forwarded-for"], headers["x-forwarded-proto"]]).toEqual([site.clientAddress, "https"]);
    const turnedAway = await fetch(`${site.url()}${handshake}`, { redirect: "manual" });
    expect([turnedAway.status, await turnedAway.text()]).toEqual([
      403,
      "Socket.IO is served over https only.\n",
    ]);
    const sentOn = await fetch(`${site.url()}/orders?page=2`, { redirect: "manual" });
    expect([sentOn.status, sentOn.headers.get("location")]).toEqual([
      308,
      `https://${site.address}/orders?page=2`,
    ]);
  });

  test("several machines take turns with the second stack", async (context) => {
    const site = await openSite(context);
    const nginx = await layNginx(context, site);
    for (const address of machines) {
      await site.addAddress(address);
      await startSecondStack(site, address);
    }
    await nginx.start("several-machines");
    const answers = [];
    for (let count = 0; count < 6; count += 1) answers.push(await overHttp2(nginx, "/"));
    const turns = answers.map(([, body]) => (JSON.parse(body) as Heard).address);
    for (const address of machines) expect(turns.filter((turn) => turn === address)).toHaveLength(2);
  });

  test("behind HAProxy, plain HTTP has the website and no Socket.IO", async (context) => {
    const site = await openSite(context);
    const nginx = await layNginx(context, site);
    await startSecondStack(site, "127.0.0.1");
    await nginx.start("static-and-second-stack");
    await site.startHaproxy(["base", "edge-tls", "nodes", "website-from-second-stack"], {
      environment: {
        SECOND_STACK: "127.0.0.1:80",
        HTTP_PORT: "8080",
        TLS_CERTIFICATE: join(site.folder, "tls/site.pem"),
      },
      readyPort: 443,
    });
    const byHaproxy = await until(
      async () => {
        const [status, body] = await overHttp2(nginx, "/orders");
        return status === 200 && (JSON.parse(body) as Heard);
      },
      { what: "HAProxy to find nginx", deadlineMs: 10_000 },
    );
    expect(byHaproxy.headers).toMatchObject({
      "x-forwarded-for": site.clientAddress,
      "x-forwarded-proto": "https",
    });
    // Who is not HAProxy may not say so.
    const lies = { "x-forwarded-for": "6.6.6.6", "x-forwarded-proto": "https" };
    expect((await ask(`${site.url()}/orders`, lies)).headers).toMatchObject({
      "x-forwarded-for": site.clientAddress,
      "x-forwarded-proto": "http",
    });
    expect((await fetch(`${site.url()}${handshake}`)).status).toBe(403);
  });

  test("files with a hash in their name are kept, others are asked about again", async (context) => {
    const site = await openSite(context);
    const nginx = await layNginx(context, site);
    nginx.addFile("assets/app-4f1d0c9a.js", "hashed()");
    nginx.addFile("assets/app.js", "plain()");
    nginx.addFile(".env", "SECRET=1");
    await startSecondStack(site, "127.0.0.1");
    await nginx.start("second-stack");
    const get = (path: string, headers = {}) => fetch(`${site.url()}${path}`, { headers });
    const hashed = await get("/assets/app-4f1d0c9a.js");
    expect([await hashed.text(), hashed.headers.get("content-type")]).toEqual([
      "hashed()",
      "text/javascript",
    ]);
    expect(hashed.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
    const plain = await get("/assets/app.js");
    expect(plain.headers.get("cache-control")).toBe("no-cache");
    const again = await get("/assets/app.js", { "if-none-match": plain.headers.get("etag") });
    expect([again.status, again.headers.get("cache-control")]).toEqual([304, "no-cache"]);
    // What is not there is the second stack's to answer, and hidden files are nobody's.
    const missing = await get("/assets/gone-4f1d0c9a.js");
    expect([((await missing.json()) as Heard).url, missing.headers.get("cache-control")]).toEqual([
      "/assets/gone-4f1d0c9a.js",
      null,
    ]);
    expect((await get("/.env")).status).toBe(404);
  });

  test("too many handshakes are answered 429; who has a session is not limited", async (context) => {
    const site = await openSite(context);
    const nginx = await layNginx(context, site);
    await site.startNode("a00");
    await nginx.start("single-stack");
    const answers = await shake(site, 900);
    const refused = answers.filter(({ status }) => status === 429);
    // 60 a second come free meanwhile.
    expect(refused.length).toBeGreaterThan(50);
    expect(refused[0]?.headers.get("retry-after")).toBe("5");
    const taken = answers.find(({ status }) => status === 200);
    const { sid } = JSON.parse((await taken?.text())?.slice(1) ?? "{}") as { sid?: string };
    const session = `${site.url()}${handshake}&sid=${sid}`;
    expect((await fetch(session, { method: "POST", body: "40" })).status).toBe(200);
    // A client that is refused now comes back by itself.
    await shake(site, 200);
    const client = io(site.url(), { auth: chatDialect.auth(0, "any"), transports: ["polling"] });
    context.onTestFinished(() => void client.disconnect());
    await until(() => client.connected, { what: "the client to be let in", deadlineMs: 30_000 });
    expect(nginx.accessLog).toMatch(/"GET \/socket\.io\/ HTTP\/1\.1" 429/);
    expect(nginx.accessLog).not.toMatch(/sid=/);
  });

  test("a newcomer is sent on by a node that drains, a session stays with its node", async (context) => {
    const site = await openSite(context);
    const nginx = await layNginx(context, site);
    // They stand for two nodes: one that drains refuses with 503.
    await startEcho(site, ["8000", "127.0.0.1", "503"]);
    await startEcho(site, ["8010"]);
    await nginx.start("single-stack");
    const newcomers = await Promise.all((await shake(site, 20)).map((answer) => answer.json()));
    expect(new Set((newcomers as Heard[]).map(({ port }) => port))).toEqual(new Set(["8010"]));
    const say = async (sid: string) => {
      const url = `${site.url()}${handshake}&sid=${sid}-0123456789abcdef`;
      const answer = await fetch(url, { method: "POST", body: "40" });
      return [answer.status, ((await answer.json()) as Partial<Heard>).port];
    };
    expect(await say("b00")).toEqual([200, "8010"]);
    expect(await say("a00")).toEqual([503, "8000"]);
    expect(await say("a01")).toEqual([400, undefined]);
    expect((await say("zzz"))[1]).toMatch(/^80[01]0$/);
  });

  test("nobody is there: a session is over, a newcomer and the website are told when", async (context) => {
    const site = await openSite(context);
    const nginx = await layNginx(context, site);
    await nginx.start("single-stack-tls");
    const of = async (path: string) => {
      const [status, body, headers] = await overHttp2(nginx, path);
      return { status, body, retryAfter: headers["retry-after"] };
    };
    expect(await of(`${handshake}&sid=a00-0123456789abcdef`)).toEqual({
      status: 400,
      body: '{"code":1,"message":"Session ID unknown"}',
    });
    expect(await of(handshake)).toMatchObject({ status: 503, retryAfter: "1" });
    const page = await of("/");
    expect(page).toMatchObject({ status: 503, retryAfter: "5" });
    expect(page.body).toContain("Try again");
    const numbers = await site.run("/bin/sh", "-c", `${process.execPath} -e "${printStatus}"`);
    expect(numbers).toMatch(/Active connections: \d+/);
    await expect(fetch(`http://${site.address}:8405/status`)).rejects.toThrow();
  });
});

const machines = ["10.0.0.10", "10.0.0.11", "10.0.0.12"];
const printStatus = "fetch('http://127.0.0.1:8405/status').then((answer) => answer.text()).then(console.log)";

async function startSecondStack(site: Site, address: string): Promise<void> {
  await startEcho(site, ["3000", address]);
}

async function startEcho(site: Site, args: readonly string[]): Promise<void> {
  const program = join(site.repository, "test/deploy/echo-program.ts");
  const child = site.start({ program, name: `echo at ${args.join(" ")}`, args });
  await child.line(/listening/);
}

async function shake(site: Site, times: number): Promise<Response[]> {
  return await Promise.all(Array.from({ length: times }, () => fetch(`${site.url()}${handshake}`)));
}

/** With headers that `fetch` would not send. */
async function ask(url: string, headers: Record<string, string>): Promise<Heard> {
  const body = await new Promise<string>((resolve, reject) => {
    const asking = request(url, { headers, agent: false, timeout: 5_000 }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      response.on("end", () => resolve(text));
    });
    asking.on("error", reject);
    asking.end();
  });
  return JSON.parse(body) as Heard;
}

/** As a browser asks that trusts the certificate. */
async function overHttp2(
  { site, authority }: NginxSite,
  path: string,
): Promise<[status: number, body: string, headers: Record<string, unknown>]> {
  const session = connectHttp2(`https://${site.address}`, { ca: authority });
  try {
    return await new Promise((resolve, reject) => {
      session.on("error", reject);
      const asking = session.request({ ":path": path });
      let headers: Record<string, unknown> = {};
      let body = "";
      asking.on("response", (received) => (headers = received));
      asking.setEncoding("utf8").on("data", (chunk: string) => (body += chunk));
      asking.on("end", () => resolve([Number(headers[":status"]), body, headers]));
      asking.on("error", reject);
      asking.setTimeout(5_000, () => reject(new Error("no answer over HTTP/2")));
      asking.end();
    });
  } finally {
    session.destroy();
  }
}

type Heard = {
  readonly address: string;
  readonly port: string;
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
};
