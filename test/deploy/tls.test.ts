/** TLS that Node ends itself, with a certificate of `deploy/tls/`. */

import { X509Certificate } from "node:crypto";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type Child, programPath, startChild } from "../harness/child.ts";
import type { Owner } from "../harness/owner.ts";
import { until } from "../harness/until.ts";
import { expectPassage } from "./passage.ts";
import { ask, startSecondStack, whoAsks } from "./second-stack.ts";
import { openSite, type Site, whyNoSite } from "./site.ts";
import {
  clientOf,
  makeAuthority,
  makeExpiredCertificate,
  makeTlsSite,
  shakeHands,
  type TlsSite,
} from "./tls-site.ts";

describe.skipIf(whyNoSite !== undefined)("TLS ended by Node", () => {
  test("clients get through; a certificate renewed by SIGHUP drops nobody", async (context) => {
    const { site, url, tls, node } = await openTlsSite(context);
    const crowd = await expectPassage(context, url, clientOf(context, tls));
    expect(await whoAsks(url, { ca: tls.authority })).toMatchObject({
      client: site.clientAddress,
      scheme: "https",
      host: site.address,
    });
    expect((await ask(`${url}/readyz`, { ca: tls.authority })).text).toBe("ready\n");
    const before = await shakeHands(site.address, tls.authority);
    const since = performance.now();
    crowd.talk();
    // What is wrong changes nothing.
    writeFileSync(tls.certificateFile, "no certificate");
    node.signal("SIGHUP");
    await until(() => node.stderr.includes("the one before stays in use"), { what: "the refusal" });
    expect(node.stderr).toContain("HOLDFAST_TLS_CERTIFICATE=");
    expect(await shakeHands(site.address, tls.authority)).toEqual(before);
    await makeTlsSite(site.folder, site.address, true);
    node.signal("SIGHUP");
    await until(() => node.stderr.includes("the certificate was read again"), { what: "the exchange" });
    const after = await shakeHands(site.address, tls.authority);
    expect(after.serial).not.toBe(before.serial);
    // The limits come with a certificate, and so did with this one.
    await expect(shakeHands(site.address, tls.authority, "TLSv1.1")).rejects.toThrow("alert");
    expect(await shakeHands(site.address, tls.authority, "TLSv1.2")).toMatchObject({ protocol: "TLSv1.2" });
    expect(after.protocol).toBe("TLSv1.3");
    await crowd.settle();
    expect(crowd.verdict()).toEqual({ lost: 0, duplicated: 0, reordered: 0 });
    expect(crowd.reconnectsSince(since).flat()).toEqual([]);
  });
});

test("a key of another certificate stops the start", async (context) => {
  const folder = temporaryFolder(context);
  const one = await makeTlsSite(join(folder, "one"), "127.0.0.1");
  const two = await makeTlsSite(join(folder, "two"), "127.0.0.1");
  const files = { HOLDFAST_TLS_CERTIFICATE: one.certificateFile, HOLDFAST_TLS_KEY: two.keyFile };
  const child = startAlone(context, folder, files);
  expect(await child.exited()).toEqual({ code: 2, signal: null });
  expect(child.stderr).toContain(`HOLDFAST_TLS_KEY=${two.keyFile} is not the key of`);
  expect(child.stdout).toBe("");
});

test("an expired certificate is warned of", async (context) => {
  const folder = temporaryFolder(context);
  const { certificateFile, keyFile } = await makeExpiredCertificate(folder);
  const files = { HOLDFAST_TLS_CERTIFICATE: certificateFile, HOLDFAST_TLS_KEY: keyFile };
  const child = startAlone(context, folder, files);
  await child.line(/Holdfast is at https:\/\/localhost:\d+/, 30_000);
  expect(child.stderr).toContain("the certificate has expired: clients refuse it until it is renewed");
});

test("without TLS, SIGHUP changes nothing", async (context) => {
  const child = startAlone(context, temporaryFolder(context), {});
  await child.line(/Holdfast is at http:/, 30_000);
  child.signal("SIGHUP");
  await until(() => child.stderr.includes("there is no certificate"), { what: "the warning" });
  expect(await child.kill("SIGTERM")).toEqual({ code: 0, signal: null });
});

describe("make-authority", () => {
  test("makes what a client verifies, readable to those who need it", async (context) => {
    const folder = join(temporaryFolder(context), "made", "here");
    const names = ["chat.example", "*.chat.example", "192.0.2.7", "2001:db8::7"];
    expect(await makeAuthority([folder, ...names])).toMatchObject({ code: 0, stderr: "" });
    const modes = readdirSync(folder).map((name) => [name, statSync(join(folder, name)).mode & 0o777]);
    expect(Object.fromEntries(modes)).toEqual({
      "authority.key": 0o600,
      "authority.pem": 0o644,
      "certificate.pem": 0o644,
      "key.pem": 0o600,
      "site.pem": 0o600,
    });
    const certificate = new X509Certificate(readFileSync(join(folder, "site.pem")));
    const authority = new X509Certificate(readFileSync(join(folder, "authority.pem")));
    expect(certificate.verify(authority.publicKey)).toBe(true);
    expect([authority.ca, certificate.ca]).toEqual([true, false]);
    expect(certificate.checkHost("a.chat.example")).toBe("*.chat.example");
    expect(certificate.checkIP("2001:db8::7")).toBe("2001:db8::7");
    const days = (new Date(certificate.validTo).getTime() - Date.now()) / 86_400_000;
    expect(Math.round(days)).toBe(90);
  });

  test("a renewal keeps the authority, and who may read what", async (context) => {
    const folder = temporaryFolder(context);
    await makeAuthority([join(folder, "tls"), "chat.example"]);
    const contentOf = (name: string) => readFileSync(join(folder, "tls", name), "utf8");
    const [authority, site] = [contentOf("authority.pem"), contentOf("site.pem")];
    chmodSync(join(folder, "tls/key.pem"), 0o640);
    expect(await makeAuthority(["--renew", join(folder, "tls"), "chat.example"])).toMatchObject({ code: 0 });
    expect(contentOf("authority.pem")).toBe(authority);
    expect(contentOf("site.pem")).not.toBe(site);
    expect(statSync(join(folder, "tls/key.pem")).mode & 0o777).toBe(0o640);
  });

  test.for([
    ["a missing folder", [], {}, "FOLDER is missing"],
    ["a missing name", ["FOLDER"], {}, "NAME is missing"],
    ["a wrong name", ["FOLDER", "chat example"], {}, "NAME chat example is neither"],
    ["a wrong address", ["FOLDER", "999.1.1.1"], {}, "bad ip address"],
    ["an unknown option", ["--force", "FOLDER", "a"], {}, "--force is not an option"],
    ["a wrong setting", ["FOLDER", "a"], { SITE_DAYS: "soon" }, "SITE_DAYS=soon"],
    ["a renewal of nothing", ["--renew", "FOLDER", "a"], {}, "has no authority.pem"],
  ] as const)("%s is refused by name, and nothing changed", async ([, given, settings, message], context) => {
    const folder = temporaryFolder(context);
    const parameters = given.map((text) => (text === "FOLDER" ? join(folder, "tls") : text));
    const { code, stderr } = await makeAuthority(parameters, settings);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
    expect(readdirSync(folder)).toEqual([]);
  });

  test("nothing is overwritten", async (context) => {
    const folder = temporaryFolder(context);
    writeFileSync(join(folder, "key.pem"), "mine");
    const { code, stderr } = await makeAuthority([folder, "chat.example"]);
    expect([code, stderr]).toEqual([2, expect.stringContaining("key.pem is there already")]);
    expect(readdirSync(folder)).toEqual(["key.pem"]);
  });
});

/** The server on this machine, without a site. */
function startAlone(owner: Owner, folder: string, environment: Record<string, string>): Child {
  return startChild(owner, {
    program: programPath("../../src/main.ts", import.meta.url),
    environment: {
      PORT: "0",
      HOLDFAST_STORE: `sqlite:${join(folder, "holdfast.db")}`,
      HOLDFAST_CHAT_DATABASE: join(folder, "chat.db"),
      ...environment,
    },
  });
}

function temporaryFolder(owner: Owner): string {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-tls-"));
  owner.onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function openTlsSite(owner: Owner): Promise<OpenSite> {
  const site = await openSite(owner);
  await startSecondStack(site);
  const tls = await makeTlsSite(site.folder, site.address);
  const node = await site.startNode("a00", {
    environment: {
      PORT: "443",
      HOST: "0.0.0.0",
      HOLDFAST_TLS_CERTIFICATE: tls.certificateFile,
      HOLDFAST_TLS_KEY: tls.keyFile,
      HOLDFAST_SECOND_STACK: "http://127.0.0.1:3000",
      HOLDFAST_LOG_LEVEL: "info",
    },
  });
  return { site, url: `https://${site.address}`, tls, node };
}

type OpenSite = { readonly site: Site; readonly url: string; readonly tls: TlsSite; readonly node: Child };
