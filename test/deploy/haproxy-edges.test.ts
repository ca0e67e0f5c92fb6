/** What the edges of HAProxy let in, turn away and pass on. */

import { execFile } from "node:child_process";
import { connect as connectHttp2 } from "node:http2";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { makeCertificate } from "../harness/certificate.ts";
import type { Owner } from "../harness/owner.ts";
import { until } from "../harness/until.ts";
import { haproxySees } from "./haproxy-runtime.ts";
import { expectPassage } from "./passage.ts";
import { startSecondStack, whoAsks } from "./second-stack.ts";
import { openSite, requireProgram, type Site, whyNoSite } from "./site.ts";

describe.skipIf(whyNoSite !== undefined)("the edges of HAProxy", () => {
  test("with TLS clients get through, without it they are turned away", async (context) => {
    const { site, authority } = await openTlsSite(context);
    const url = `https://${site.address}`;
    await expectPassage(context, url, { ca: authority.toString() });
    // Over HTTP/2, which browsers prefer.
    expect(await statusOverHttp2(url, authority, "/readyz")).toBe(200);
    const turnedAway = await fetch(`${site.url(80)}/socket.io/?EIO=4&transport=polling`);
    expect([turnedAway.status, await turnedAway.text()]).toEqual([
      403,
      "Socket.IO is served over https only.",
    ]);
    const sentOn = await fetch(site.url(80), { redirect: "manual" });
    expect([sentOn.status, sentOn.headers.get("location")]).toEqual([308, `${url}/`]);
  });

  test("a second stack beside the nodes sees whose request it is, over TLS and without", async (context) => {
    const { site, authority } = await openTlsSite(context, "website-from-second-stack");
    await startSecondStack(site);
    const url = `https://${site.address}`;
    const seen = { client: site.clientAddress, scheme: "https", host: site.address, path: "/who" };
    expect(await whoAsks(url, { ca: authority.toString() })).toMatchObject(seen);
    expect(await whoAsks(url, { ca: authority.toString(), headers: lies })).toMatchObject(seen);
    // The other edge takes requests at a port of its own.
    await site.startHaproxy(["base", "edge-http", "nodes", "website-from-second-stack"], {
      environment: { HTTP_PORT: "8080", INTERNAL_PORT: "8405", RUNTIME_SOCKET: `${site.haproxySocket}2` },
      readyPort: 8080,
    });
    const plain = { ...seen, scheme: "http", host: `${site.address}:8080` };
    expect(await whoAsks(site.url(8080), { headers: lies })).toMatchObject(plain);
  });

  test("TLS before 1.2 is refused", async (context) => {
    const { site, authority } = await openTlsSite(context);
    const speak = (version: "TLSv1.1" | "TLSv1.2" | "TLSv1.3") =>
      new Promise<string | null>((resolve) => {
        const options = { minVersion: version, maxVersion: version, ca: authority } as const;
        // OpenSSL 3 itself offers the old version at security level 0 only.
        const socket = connectTls(443, site.address, { ...options, ciphers: "DEFAULT:@SECLEVEL=0" }, () => {
          resolve(socket.getProtocol());
          socket.destroy();
        });
        socket.on("error", () => resolve(null));
      });
    expect([await speak("TLSv1.1"), await speak("TLSv1.2"), await speak("TLSv1.3")]).toEqual([
      null,
      "TLSv1.2",
      "TLSv1.3",
    ]);
  });

  test("too many handshakes are answered 429; who has a session is not limited", async (context) => {
    const site = await openSite(context);
    await site.startNodes(["a00"]);
    await site.startHaproxy(["base", "edge-http", "nodes", "website-from-nodes"], {
      environment: { HANDSHAKES_PER_10S: "20" },
    });
    await haproxySees(site.haproxySocket, ["a00"], "UP");
    const shake = () => fetch(`${site.url()}/socket.io/?EIO=4&transport=polling`);
    const answers = [];
    for (let count = 0; count < 30; count += 1) answers.push(await shake());
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused).toHaveLength(10);
    expect(refused[0]?.headers.get("retry-after")).toBe("5");
    const { sid } = JSON.parse((await answers[0]?.text())?.slice(1) ?? "{}") as { sid?: string };
    const joined = await fetch(`${site.url()}/socket.io/?EIO=4&transport=polling&sid=${sid}`, {
      method: "POST",
      body: "40",
    });
    expect(joined.status).toBe(200);
    // Asking again and again does not keep one out: what was refused does not count.
    await until(async () => (await shake()).status === 200, { what: "another let in", deadlineMs: 25_000 });
  });

  test("absent nodes turn nobody away, also before HAProxy has looked at them", async (context) => {
    const site = await openSite(context);
    await site.startNodes(["a00", "a01", "a02"]);
    // Slot b is absent; until its first check each server counts as up, and as the one with the least to do.
    const started = site.startHaproxy(["base", "edge-http", "nodes", "website-from-nodes"]);
    const shake = async () => {
      const answer = await fetch(`${site.url()}/socket.io/?EIO=4&transport=polling`).catch(() => undefined);
      return answer?.status;
    };
    const statuses: number[] = [];
    await until(
      async () => {
        const round = await Promise.all(Array.from({ length: 6 }, shake));
        statuses.push(...round.filter((status) => status !== undefined));
        return statuses.length >= 60;
      },
      { what: "answers to 60 handshakes" },
    );
    await started;
    expect(statuses.filter((status) => status !== 200)).toEqual([]);
  });

  test("by source address, all clients behind one address are on one node", async (context) => {
    const site = await openSite(context);
    await site.startNodes(["a00", "a01", "a02"]);
    await site.startHaproxy(["base", "edge-http", "nodes-by-source", "website-from-nodes"]);
    await haproxySees(site.haproxySocket, ["a00", "a01", "a02"], "UP");
    const crowd = await expectPassage(context, site.url());
    const nodes = new Set(crowd.members.map(({ socket }) => socket.io.engine.id.slice(0, 3)));
    expect(nodes.size).toBe(1);
  });

  test("every topology that the page names is valid", async (context) => {
    const page = readFileSync(fileURLToPath(new URL("../../haproxy/README.md", import.meta.url)), "utf8");
    const rows = [...page.matchAll(/^\| .* \| `([a-z. -]+\.cfg)`/gm)].map(([, parts = ""]) =>
      parts.split(" "),
    );
    expect(rows).toHaveLength(7);
    const { certificateFile, keyFile } = await makeCertificate(context);
    const file = join(newFolder(context), "site.pem");
    writeFileSync(file, readFileSync(certificateFile, "utf8") + readFileSync(keyFile, "utf8"));
    for (const row of rows) {
      // The one row that names a part to put in the place of another.
      const parts = row.length > 1 ? row : ["edge-http.cfg", ...row, "website-from-nodes.cfg"];
      const names = ["base", ...parts.map((part) => part.replace(".cfg", ""))];
      const { output, status } = await parse(names, { TLS_CERTIFICATE: file });
      expect(status, output).toBe(0);
      expect(output).not.toMatch(/WARNING/);
    }
  });

  test.each([
    ["TLS_CERTIFICATE", "edge-tls", { TLS_CERTIFICATE: "/nowhere/site.pem" }, "/nowhere/site.pem"],
    ["HTTP_PORT", "edge-http", { HTTP_PORT: "eighty" }, "eighty"],
    ["HANDSHAKES_PER_10S", "edge-http", { HANDSHAKES_PER_10S: "many" }, "many"],
  ])("a wrong %s is refused by name", async (_setting, edge, environment, named) => {
    const parts = ["base", edge, "nodes", "website-from-nodes"];
    const { output, status } = await parse(parts, environment);
    expect(status).toBe(1);
    expect(output).toContain(named);
  });
});

/** What a client may say of itself; none of it is to be believed. */
const lies = {
  "x-forwarded-for": "192.0.2.66",
  "x-forwarded-proto": "gopher",
  "x-forwarded-host": "evil.example",
  "x-real-ip": "192.0.2.67",
  forwarded: "for=192.0.2.68;proto=gopher;host=evil.example",
};

function newFolder(owner: Owner): string {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-haproxy-"));
  owner.onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function openTlsSite(
  owner: Owner,
  website = "website-from-nodes",
): Promise<{ site: Site; authority: Buffer }> {
  const site = await openSite(owner);
  const { keyFile, certificateFile } = await makeCertificate(owner, site.address);
  const file = join(site.folder, "site.pem");
  writeFileSync(file, Buffer.concat([readFileSync(certificateFile), readFileSync(keyFile)]), { mode: 0o600 });
  await site.startNodes(["a00", "a01", "a02"]);
  await site.startHaproxy(["base", "edge-tls", "nodes", website], {
    environment: { TLS_CERTIFICATE: file },
    readyPort: 443,
  });
  await haproxySees(site.haproxySocket, ["a00", "a01", "a02"], "UP");
  return { site, authority: readFileSync(certificateFile) };
}

/** As a client that speaks HTTP/2 and nothing else sees it. */
async function statusOverHttp2(url: string, authority: Buffer, path: string): Promise<number | undefined> {
  const session = connectHttp2(url, { ca: authority });
  try {
    return await new Promise((resolve, reject) => {
      session.on("error", reject);
      const request = session.request({ ":path": path });
      request.on("error", reject);
      request.on("response", (headers) => resolve(headers[":status"]));
      request.setTimeout(5_000, () => reject(new Error("no answer over HTTP/2")));
      request.end();
    });
  } finally {
    session.destroy();
  }
}

/** What HAProxy says of a configuration when it only parses it. */
async function parse(
  parts: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<{ readonly status: number; readonly output: string }> {
  const folder = fileURLToPath(new URL("../../haproxy/", import.meta.url));
  const args = ["-c", ...parts.flatMap((part) => ["-f", join(folder, `${part}.cfg`)])];
  return await new Promise((resolve) => {
    const env = { ...process.env, ...environment };
    execFile(requireProgram("haproxy"), args, { env, timeout: 20_000 }, (error, stdout, stderr) => {
      resolve({ status: error === null ? 0 : Number(error.code), output: `${stdout}${stderr}` });
    });
  });
}
