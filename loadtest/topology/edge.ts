/**
 * What clients connect to: a shipped proxy configuration in front of several nodes, or the port of a primary.
 */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { haproxySees } from "../../test/deploy/haproxy-runtime.ts";
import { layNginx, type NginxSite } from "../../test/deploy/nginx-site.ts";
import type { NodeName, Site } from "../../test/deploy/site.ts";
import type { Child } from "../../test/harness/child.ts";
import type { Owner } from "../../test/harness/owner.ts";
import { portOf, type Topology } from "./topology.ts";
import { widened } from "./widened.ts";

/** `deadlineMs`: what is started ends by itself after so long. */
export function edgeOf(owner: Owner, site: Site, topology: Topology, deadlineMs: number): Edge {
  switch (topology.edge) {
    case "haproxy":
      return new Haproxy(site, topology.nodes, deadlineMs);
    case "nginx":
      return new Nginx(owner, site, deadlineMs);
    case "primary":
      return new PrimaryPort(site);
  }
}

class Haproxy implements Edge {
  /** HAProxy checks every second; two checks, and a little. */
  readonly drainLeadMs = 2_500;
  readonly #site: Site;
  readonly #nodes: number;
  readonly #deadlineMs: number;
  #child: Child | undefined;

  constructor(site: Site, nodes: number, deadlineMs: number) {
    this.#site = site;
    this.#nodes = nodes;
    this.#deadlineMs = deadlineMs;
  }

  async start(): Promise<void> {
    const parts = ["base", "edge-http", "nodes", "website-from-nodes"];
    const files = parts.flatMap((part) => ["-f", this.#lay(part)]);
    const environment = {
      RUNTIME_SOCKET: this.#site.haproxySocket,
      // All clients come from one address here.
      HANDSHAKES_PER_10S: "1000000",
    };
    const args = ["-W", "-db", ...files];
    this.#child = this.#site.startSystem("haproxy", args, environment, this.#deadlineMs);
    await this.#site.reachable(80);
  }

  async finds(names: readonly NodeName[]): Promise<void> {
    await haproxySees(this.#site.haproxySocket, names, "UP");
  }

  reload(): void {
    this.#child?.signal("SIGUSR2");
  }

  async kill(): Promise<void> {
    await killWithWorkers(this.#site, this.#child);
  }

  /** A copy of a shipped part, with as many nodes as there are. */
  #lay(part: string): string {
    const folder = join(this.#site.folder, "haproxy");
    mkdirSync(folder, { recursive: true });
    const file = join(folder, `${part}.cfg`);
    const shipped = readFileSync(join(this.#site.repository, "haproxy", `${part}.cfg`), "utf8");
    writeFileSync(file, widened(shipped, this.#nodes));
    return file;
  }
}

class Nginx implements Edge {
  /** nginx looks at no readiness: it takes the node's own refusal. */
  readonly drainLeadMs = 0;
  readonly #owner: Owner;
  readonly #site: Site;
  readonly #deadlineMs: number;
  #laid: NginxSite | undefined;
  #child: Child | undefined;

  constructor(owner: Owner, site: Site, deadlineMs: number) {
    this.#owner = owner;
    this.#site = site;
    this.#deadlineMs = deadlineMs;
  }

  async start(): Promise<void> {
    this.#laid ??= await this.#lay();
    this.#child = await this.#laid.start("single-stack", this.#deadlineMs);
  }

  async finds(names: readonly NodeName[]): Promise<void> {
    await this.#laid?.finds(this.#site.url(), names.map(portOf));
  }

  reload(): void {
    this.#child?.signal("SIGHUP");
  }

  async kill(): Promise<void> {
    await killWithWorkers(this.#site, this.#child);
  }

  async #lay(): Promise<NginxSite> {
    const laid = await layNginx(this.#owner, this.#site);
    const parts = join(this.#site.folder, "nginx/parts");
    // All clients come from one address here.
    replaceIn(join(parts, "http.conf"), "rate=60r/s", "rate=100000r/s");
    replaceIn(join(parts, "socketio.conf"), "limit_conn connections 5000", "limit_conn connections 60000");
    return laid;
  }
}

/** A cluster owns its port itself, and there are no other nodes to find. */
class PrimaryPort implements Edge {
  readonly drainLeadMs = 0;
  readonly #site: Site;

  constructor(site: Site) {
    this.#site = site;
  }

  async start(): Promise<void> {
    await Promise.resolve();
  }

  async finds(): Promise<void> {
    await this.#site.reachable(80);
  }

  reload(): void {
    throw new Error("a cluster has no proxy to reload");
  }

  kill(): Promise<void> {
    return Promise.reject(new Error("a cluster has no proxy to kill"));
  }
}

function replaceIn(file: string, from: string, to: string): void {
  const text = readFileSync(file, "utf8");
  if (!text.includes(from))
    throw new Error(`${file} has no "${from}" any more: say here what it has instead`);
  writeFileSync(file, text.replace(from, to));
}

/** A master that is killed leaves its workers behind, and they would go on. */
async function killWithWorkers(site: Site, child: Child | undefined): Promise<void> {
  if (child === undefined) return;
  await site.run("/bin/sh", "-c", `pkill -KILL -P ${child.pid}; kill -KILL ${child.pid}`);
  await child.exited();
}

// --- types ---

export type Edge = {
  /** How long a node that is to end says so before it does. */
  readonly drainLeadMs: number;
  start(): Promise<void>;
  /** Waits until clients are sent to these nodes. */
  finds(names: readonly NodeName[]): Promise<void>;
  reload(): void;
  /** Without a warning, with all of its processes. */
  kill(): Promise<void>;
};
