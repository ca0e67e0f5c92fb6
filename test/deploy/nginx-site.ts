/** The configurations of `nginx/`, as shipped, on a machine of their own. */

import { execFile } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { makeCertificate } from "../harness/certificate.ts";
import type { Child } from "../harness/child.ts";
import type { Owner } from "../harness/owner.ts";
import { until } from "../harness/until.ts";
import { requireProgram, type Site } from "./site.ts";

/** The nginx of this machine, or the one that `HOLDFAST_TEST_NGINX` names. */
export async function installedNginx(): Promise<Nginx> {
  return await nginxAt(requireProgram("nginx"));
}

export async function nginxAt(program: string): Promise<Nginx> {
  const { stderr } = await promisify(execFile)(program, ["-V"], { timeout: 20_000 });
  const version = /nginx\/(\d+\.\d+\.\d+)/.exec(stderr)?.[1];
  if (version === undefined) throw new Error(`${program} -V did not tell its version: ${stderr}`);
  const [major = 0, minor = 0, patch = 0] = version.split(".").map(Number);
  const knowsSticky = major > 1 || minor > 29 || (minor === 29 && patch >= 6);
  return { program, version, knowsSticky };
}

/** Lays the files out as README.md says, on a site and for one nginx. */
export async function layNginx(owner: Owner, site: Site, nginx?: Nginx): Promise<NginxSite> {
  const { program } = nginx ?? (await installedNginx());
  const certificate = await makeCertificate(owner, site.address);
  // Workers are another user, who has to reach the static files.
  chmodSync(site.folder, 0o755);
  for (const folder of ["tls", "prefix/website"]) mkdirSync(join(site.folder, folder), { recursive: true });
  cpSync(join(site.repository, "nginx"), join(site.folder, "nginx"), { recursive: true });
  const chain = readFileSync(certificate.certificateFile, "utf8");
  const key = readFileSync(certificate.keyFile, "utf8");
  writeFileSync(join(site.folder, "tls/site.pem"), chain + key, { mode: 0o600 });
  return new NginxSite(owner, site, program, chain);
}

export class NginxSite {
  readonly site: Site;
  /** Whom a client is to trust. */
  readonly authority: string;
  readonly #owner: Owner;
  readonly #program: string;

  constructor(owner: Owner, site: Site, program: string, authority: string) {
    this.#owner = owner;
    this.site = site;
    this.#program = program;
    this.authority = authority;
  }

  /** Has nginx read a topology, then starts it; resolves when it takes connections. */
  async start(topology: string, deadlineMs?: number): Promise<Child> {
    const args = ["-p", this.prefix, "-c", join(this.site.folder, "nginx", `${topology}.conf`)];
    await this.site.run(this.#program, "-t", "-q", ...args);
    // In front and with its log on standard error, so that it is the test's child and what ends it is seen.
    const child = this.site.start({
      program: this.#program,
      native: true,
      name: `nginx ${topology}`,
      args: [...args, "-g", "daemon off; error_log stderr crit;"],
      ...(deadlineMs === undefined ? {} : { deadlineMs }),
    });
    // Its workers outlive it when it is killed, and keep its output open: they end before it is waited for.
    this.#owner.onTestFinished(() => this.site.end());
    await this.site.reachable(80);
    return child;
  }

  /**
   * Waits until nginx sends newcomers to each of these ports; it does not look at a node that was not there
   * before `fail_timeout` is over.
   */
  async finds(url: string, ports: readonly number[]): Promise<void> {
    await until(
      async () => {
        await this.#askAnyNode(url);
        return ports.every((port) => this.accessLog.includes(`:${port}" "400"`));
      },
      { what: `nginx to find nodes at ${ports.join(", ")}`, deadlineMs: 20_000 },
    );
  }

  /** Asks for no transport: the node that is asked refuses, and keeps nothing. */
  async #askAnyNode(url: string): Promise<void> {
    const { get } = url.startsWith("https:") ? await import("node:https") : await import("node:http");
    await new Promise<void>((resolve, reject) => {
      const options = { ca: this.authority, agent: false, timeout: 5_000 } as const;
      get(`${url}/socket.io/?EIO=4&transport=none`, options, (response) => {
        response.resume().on("end", resolve);
      }).on("error", reject);
    });
  }

  /** Ends it at once, so that another one can take its ports. */
  async stop(child: Child): Promise<void> {
    await child.kill("SIGTERM");
  }

  /** Puts a static file there. */
  addFile(path: string, text: string): void {
    const file = join(this.prefix, "website", path);
    mkdirSync(join(file, ".."), { recursive: true });
    writeFileSync(file, text);
  }

  get accessLog(): string {
    const file = join(this.prefix, "access.log");
    return existsSync(file) ? readFileSync(file, "utf8") : "";
  }

  get prefix(): string {
    return join(this.site.folder, "prefix");
  }
}

// --- types ---

export type Nginx = {
  readonly program: string;
  readonly version: string;
  /** Whether it has `sticky route`, from 1.29.6 on. */
  readonly knowsSticky: boolean;
};
