/** `holdfast check` of certificates and clocks, behind a real HAProxy that ends TLS. */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Scope } from "../harness/owner.ts";
import { Authority } from "./check/authority.ts";
import { startNodes } from "./check/nodes.ts";
import { haproxy, haproxyNodes, startHaproxy } from "./check/proxies.ts";
import { auth, check, checkJson, curesOf, quick } from "./check/run-check.ts";

const scope = new Scope();
let ports: Readonly<Record<string, number>> = {};
let authority: Authority | undefined;

beforeAll(async () => {
  ports = await startNodes(scope, ["a00"]);
  authority = await Authority.make(scope);
});
afterAll(() => scope.end());

if (haproxy === undefined && process.env["CI"] === "true") throw new Error("haproxy is not installed");
if (haproxy === undefined) console.log("skipped: haproxy is not installed");

describe.runIf(haproxy !== undefined).concurrent("a site with TLS", () => {
  test("a good certificate: it worked, and all of it was verified", async (context) => {
    const port = await site(context, await issue("DNS:localhost,IP:127.0.0.1", { to: 60 }));
    const { code, last, said } = await check(context, ...urlOf("localhost", port), ...trusting(), ...auth);
    expect([code, last]).toEqual([0, "It worked."]);
    expect(said).toMatch(/TLSv1\.3, certificate for localhost, 127\.0\.0\.1, 59 days left, chain trusted/);
  });

  test("an expired certificate; the rest is tried all the same, without the secret", async (context) => {
    const port = await site(context, await issue("DNS:localhost", { to: -3 }));
    const args = [...urlOf("localhost", port), ...trusting(), ...auth];
    const { code, of, bad, shown } = await checkJson(context, ...args);
    expect([code, bad], shown).toEqual([1, ["tls"]]);
    expect(of("tls").seen).toContain("expired 4 days ago");
    expect(curesOf(of("tls"))).toMatch(
      /certificate ended on \d{4}-\d\d-\d\d[^]*site\.pem[^]*deploy\/tls\/README\.md/,
    );
    expect(of("polling").result).toBe("ok");
    expect(of("session")).toMatchObject({ result: "skipped", seen: expect.stringContaining("--insecure") });
  });

  test("a certificate for another host", async (context) => {
    const port = await site(context, await issue("DNS:chat.example", { to: 60 }));
    const { code, of, bad, shown } = await checkJson(context, ...urlOf("localhost", port), ...trusting());
    expect([code, bad], shown).toEqual([1, ["tls"]]);
    expect(of("tls").problems.map(({ means }) => means)).toEqual([
      "The certificate is for chat.example, not for localhost.",
    ]);
  });

  test("an authority that nobody trusts; --insecure goes on without", async (context) => {
    const port = await site(context, await issue("DNS:localhost", { to: 60 }));
    const { code, of, bad, shown } = await checkJson(context, ...urlOf("localhost", port));
    expect([code, bad], shown).toEqual([1, ["tls"]]);
    expect(curesOf(of("tls"))).toMatch(/not known here|does not trust|authority/);
    expect(curesOf(of("tls"))).toContain("--ca FILE");
    const insecure = await check(context, ...urlOf("localhost", port), "--insecure", ...auth);
    expect([insecure.code, insecure.last]).toEqual([0, "It worked."]);
    expect(insecure.said).toContain("not verified (--insecure)");
  });

  test("a certificate that ends soon, and TLS 1.0: warnings", async (context) => {
    const old = "ssl-min-ver TLSv1.0 ciphers DEFAULT:@SECLEVEL=0";
    const port = await site(context, await issue("DNS:localhost", { to: 5 }), old);
    const args = [...urlOf("localhost", port), ...trusting(), ...auth];
    const { code, last, said } = await check(context, ...args);
    expect([code, last]).toEqual([0, "It works, with 1 warning."]);
    expect(said).toContain("The certificate ends in 4 days");
    expect(said).toContain("TLS older than 1.2 is accepted");
  });

  test("a port that does not speak TLS", async (context) => {
    const port = ports["a00"] ?? 0;
    const { code, of, bad, shown } = await checkJson(context, ...urlOf("localhost", port));
    expect([code, bad], shown).toEqual([1, ["http", "tls"]]);
    expect(curesOf(of("tls"))).toContain("does not speak TLS");
    expect(of("session")).toMatchObject({ result: "skipped", seen: "nobody answers" });
  });

  test("a clock that is a minute behind", async (context) => {
    const rules = ["http-response set-header date %[date(-60),http_date]"];
    const port = await startHaproxy(context, { backend: haproxyNodes(ports), rules });
    const { code, of } = await checkJson(context, `http://localhost:${port}`, ...quick);
    expect(code).toBe(0);
    expect(of("clock")).toMatchObject({
      result: "warning",
      seen: expect.stringMatching(/^the server's is (59|60)\.\d s behind/),
    });
    expect(curesOf(of("clock"))).toContain("timedatectl");
  });
});

async function issue(names: string, days: { readonly to: number }): Promise<string> {
  if (authority === undefined) throw new Error("There is no authority yet");
  return await authority.issue(names, days);
}

/** HAProxy with this certificate in front of the node; returns its port. */
async function site(context: Parameters<typeof startHaproxy>[0], file: string, more = ""): Promise<number> {
  return await startHaproxy(context, { backend: haproxyNodes(ports), bind: `ssl crt ${file} ${more}` });
}

function urlOf(host: string, port: number): readonly string[] {
  return [`https://${host}:${port}`, ...quick];
}

function trusting(): readonly string[] {
  return ["--ca", authority?.file ?? ""];
}
