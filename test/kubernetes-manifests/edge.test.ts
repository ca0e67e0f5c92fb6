/**
 * Goal: the edge of every rendered file starts and answers, over TLS where it says so, and has the metrics
 * that the alerts ask for, under their names and in the scopes of the monitor. Method: HAProxy itself, with
 * the parts and the environment that the manifests give it, on other ports, with a certificate of the test's.
 */

import type { IServiceMonitor } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { get } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { renderedFolder } from "../../scripts/kustomize/renderings.ts";
import { systemProgram } from "../../scripts/system-packages.mjs";
import { makeCertificate } from "../harness/certificate.ts";
import { startChild } from "../harness/child.ts";
import { freePort } from "../harness/free-port.ts";
import type { Owner } from "../harness/owner.ts";
import { until } from "../harness/until.ts";
import { edgeMetricsIn } from "./alert-rules.ts";
import { edgeOf } from "./edge-rules.ts";
import { type Manifest, ofKind, readManifests } from "./manifests.ts";

const haproxy = systemProgram("haproxy");
const isHere = haproxy !== undefined && systemProgram("openssl") !== undefined;
if (!isHere) console.warn("haproxy or openssl is missing, so the edge of the manifests is not tried.");

describe.skipIf(!isHere && process.env["CI"] !== "true")("HAProxy", () => {
  test("with the edge of local.yaml is ready for no client before it has found a node", async (owner) => {
    const edge = await startEdge(owner, manifestsOf("local"));
    expect(await statusOf(`http://127.0.0.1:${edge.healthPort}/livez`)).toBe(200);
    expect(await statusOf(`http://127.0.0.1:${edge.healthPort}/readyz`)).toBe(503);
  });

  test("with the edge of production.yaml speaks TLS, and sends pages there but no client", async (owner) => {
    const edge = await startEdge(owner, manifestsOf("production"));
    const page = await fetch(`http://127.0.0.1:${edge.plainPort}/`, { redirect: "manual" });
    expect([page.status, page.headers.get("location")]).toEqual([
      308,
      `https://127.0.0.1:${edge.plainPort}/`,
    ]);
    expect(await statusOf(`http://127.0.0.1:${edge.plainPort}/socket.io/?EIO=4`)).toBe(403);
    // Without nodes it says 503, but under the certificate of the Secret.
    const status = await new Promise((resolve, reject) => {
      get(`https://127.0.0.1:${edge.port}/`, { ca: edge.authority }, (answer) => {
        answer.resume();
        resolve(answer.statusCode);
      }).on("error", reject);
    });
    expect(status).toBe(503);
  });

  test("has what the alerts ask for", async (owner) => {
    const manifests = manifestsOf("everything");
    const monitor = ofKind<IServiceMonitor>(manifests, "ServiceMonitor").find(
      ({ metadata }) => metadata.name === "holdfast-edge",
    );
    const scopes = monitor?.spec?.endpoints[0]?.params?.["scope"] ?? [];
    const { internalPort } = await startEdge(owner, manifests);
    const query = scopes.map((scope) => `scope=${scope}`).join("&");
    const said = await (await fetch(`http://127.0.0.1:${internalPort}/metrics?${query}`)).text();

    const wanted = edgeMetricsIn(manifests);
    expect(wanted.length).toBeGreaterThan(0);
    expect(wanted.filter((name) => !new RegExp(`^${name}[ {]`, "m").test(said))).toEqual([]);
    // The name of the backend is in the alerts too.
    expect(said).toContain('haproxy_backend_active_servers{proxy="socketio"}');
  });
});

/** Ends with its owner; it answers when this returns. */
async function startEdge(owner: Owner, manifests: readonly Manifest[]): Promise<RunningEdge> {
  const edge = edgeOf(manifests);
  if (edge === undefined) throw new Error("There is no edge among the manifests.");
  const folder = mkdtempSync(join(tmpdir(), "holdfast-edge-"));
  owner.onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(edge.parts)) writeFileSync(join(folder, name), text);
  const { certificateFile, keyFile } = await makeCertificate(owner);
  // Under the names that the Deployment gives to what is in the Secret.
  copyFileSync(certificateFile, join(folder, "site.pem"));
  copyFileSync(keyFile, join(folder, "site.pem.key"));
  const [port, plainPort, internalPort, healthPort] = [
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
  ];
  startChild(owner, {
    program: haproxy ?? "haproxy",
    native: true,
    args: edge.files.flatMap((file) => ["-f", file.replace("/parts/", `${folder}/`)]),
    environment: {
      ...edge.environment,
      BIND_OPTIONS: (edge.environment["BIND_OPTIONS"] ?? "").replace("/tls/", `${folder}/`),
      HTTP_PORT: String(port),
      PLAIN_PORT: String(plainPort),
      INTERNAL_PORT: String(internalPort),
      HEALTH_PORT: String(healthPort),
      RUNTIME_SOCKET: join(folder, "socket"),
    },
  });
  const isLive = () =>
    statusOf(`http://127.0.0.1:${healthPort}/livez`).then(
      (status) => status === 200,
      () => false,
    );
  await until(isLive, { what: "HAProxy as the manifests start it" });
  return { port, plainPort, internalPort, healthPort, authority: readFileSync(certificateFile, "utf8") };
}

async function statusOf(url: string): Promise<number> {
  return (await fetch(url, { redirect: "manual" })).status;
}

function manifestsOf(name: string): readonly Manifest[] {
  return readManifests(join(renderedFolder, `${name}.yaml`));
}

// --- types ---

type RunningEdge = {
  readonly port: number;
  readonly plainPort: number;
  readonly internalPort: number;
  readonly healthPort: number;
  readonly authority: string;
};
