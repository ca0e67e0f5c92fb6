/**
 * A machine to deploy to: a network namespace in which the shipped configurations run on their own ports,
 * with shipped nodes behind them. The clients come from outside, so their address is another than the
 * proxy's.
 */

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemProgram } from "../../scripts/system-packages.mjs";
import { type Child, type ChildOptions, programPath, startChild } from "../harness/child.ts";
import { type Link, makeNamespace, type Namespace, whyNoNamespaces } from "../harness/namespace.ts";
import type { Owner } from "../harness/owner.ts";
import { until } from "../harness/until.ts";

/** Why there can be no site here, for `describe.skipIf`; undefined if there can. */
export const whyNoSite = await whyNoNamespaces();
if (whyNoSite !== undefined) console.warn(`Deployments are not tested: ${whyNoSite}`);

/** A machine with nothing on it yet. All that runs on it ends with its owner. */
export async function openSite(owner: Owner): Promise<Site> {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-site-"));
  owner.onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const namespace = await makeNamespace(owner);
  const link = await namespace.connect();
  const site = new Site(owner, namespace, link, folder);
  guardNamespace(owner, namespace);
  owner.onTestFinished(() => site.end());
  return site;
}

export class Site {
  /** Of the machine, for its clients, and of the clients, for the machine. */
  readonly address: string;
  readonly clientAddress: string;
  /** For stores, sockets and certificates. */
  readonly folder: string;
  readonly repository = programPath("../..", import.meta.url);
  readonly #owner: Owner;
  readonly #namespace: Namespace;

  constructor(owner: Owner, namespace: Namespace, link: Link, folder: string) {
    this.#owner = owner;
    this.#namespace = namespace;
    this.address = link.there;
    this.clientAddress = link.here;
    this.folder = folder;
  }

  /** For what is started by other means than `start`: the command that runs another inside. */
  get prefix(): readonly string[] {
    return this.#namespace.prefix;
  }

  url(port = 80): string {
    return `http://${this.address}:${port}`;
  }

  /** Runs a program on the machine. */
  start(options: ChildOptions): Child {
    return startChild(this.#owner, {
      deadlineMs: programDeadlineMs,
      ...options,
      prefix: this.#namespace.prefix,
    });
  }

  /** Runs one of Debian's programs on the machine. */
  startSystem(
    name: string,
    args: readonly string[],
    environment: Record<string, string> = {},
    deadlineMs = programDeadlineMs,
  ): Child {
    return this.start({ program: requireProgram(name), native: true, name, args, environment, deadlineMs });
  }

  /** Gives the machine another address, as if it were several machines. */
  async addAddress(address: string): Promise<void> {
    await this.run("/bin/sh", "-c", `ip addr add ${address}/32 dev lo`);
  }

  /** Runs a command to its end, and returns what it wrote. Fails unless it ends with 0. */
  async run(program: string, ...args: string[]): Promise<string> {
    const child = this.start({ program, native: true, args, deadlineMs: 30_000 });
    const { code } = await child.exited(30_000);
    if (code !== 0) throw new Error(`${program} ${args.join(" ")}: ${child.report()}`);
    return child.stdout;
  }

  /** Starts a node of the chat under its name, as on a machine with several; resolves when it is ready. */
  async startNode(name: NodeName, options: NodeOptions = {}): Promise<Child> {
    const child = this.start({
      program: join(options.release ?? this.repository, "src/main.ts"),
      name,
      environment: { ...this.nodeEnvironment(name), ...options.environment },
    });
    await child.line(/Holdfast is at/, 30_000);
    return child;
  }

  async startNodes(names: readonly NodeName[], options: NodeOptions = {}): Promise<Child[]> {
    return await Promise.all(names.map((name) => this.startNode(name, options)));
  }

  /** What the documents say that a node's environment is, with files of this machine's. */
  nodeEnvironment(name: NodeName): Record<string, string> {
    const place = (name.startsWith("a") ? 0 : 10) + Number(name.slice(1));
    return {
      PORT: String(8000 + place),
      HOST: "127.0.0.1",
      HOLDFAST_NODE: name,
      HOLDFAST_INTERNAL_PORT: String(9000 + place),
      HOLDFAST_STORE: `sqlite:${join(this.folder, "holdfast.db")}`,
      HOLDFAST_CHAT_DATABASE: join(this.folder, "chat.db"),
      // Checks come every second; two of them, and a little.
      HOLDFAST_DRAIN_LEAD_MS: "2500",
      HOLDFAST_LOG_LEVEL: "warn",
    };
  }

  /** Starts HAProxy with parts of `haproxy/`, by their names; resolves when it takes connections. */
  async startHaproxy(parts: readonly string[], options: HaproxyOptions = {}): Promise<Child> {
    const files = parts.flatMap((part) => ["-f", join(this.repository, "haproxy", `${part}.cfg`)]);
    const environment = { RUNTIME_SOCKET: this.haproxySocket, ...options.environment };
    const args = ["-W", "-db", ...files];
    const child = this.startSystem("haproxy", args, environment, options.deadlineMs);
    await this.reachable(options.readyPort ?? 80);
    return child;
  }

  get haproxySocket(): string {
    return join(this.folder, "haproxy.sock");
  }

  /** Waits until something answers HTTP there, whatever it says. */
  async reachable(port: number): Promise<void> {
    const answers = () =>
      fetch(this.url(port), { redirect: "manual", signal: AbortSignal.timeout(2_000) }).then(
        () => true,
        // Refused until somebody listens; anything else is an answer, such as TLS where HTTP was asked for.
        (error: unknown) => !/ECONNREFUSED/.test(String((error as { cause?: unknown }).cause)),
      );
    await until(answers, { what: `something at port ${port}`, deadlineMs: 20_000 });
  }

  /** Ends all that runs on the machine, also what a killed parent left behind. */
  async end(): Promise<void> {
    for (const pid of await this.#namespace.processes()) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It has ended meanwhile.
      }
    }
  }
}

/** The path of one of Debian's programs, or of the one that `HOLDFAST_TEST_HAPROXY` and its like name. */
export function requireProgram(name: string): string {
  const program = process.env[`HOLDFAST_TEST_${name.toUpperCase()}`] || systemProgram(name);
  if (program === undefined) throw new Error(`${name} is not on this machine; npm test installs it as root`);
  return program;
}

/**
 * When this process is killed, a shell that outlives it ends everything in the namespace: proxies have
 * workers that go on without their parent.
 */
function guardNamespace(owner: Owner, namespace: Namespace): void {
  const command =
    'read -r line; for pid in $(ip netns pids "$0"); do kill -KILL $pid; done; ip netns del "$0"';
  const watch = spawn("/bin/sh", ["-c", command, namespace.name], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
  watch.unref();
  owner.onTestFinished(() => void watch.kill("SIGKILL"));
}

/** Every program ends after so long by itself: a little less than a test may take. */
const programDeadlineMs = 170_000;

// --- types ---

/** Slot a or slot b, and the place in it; the port follows from it. */
export type NodeName = `${"a" | "b"}${number}`;

export type HaproxyOptions = {
  readonly environment?: Record<string, string>;
  readonly readyPort?: number;
  readonly deadlineMs?: number | undefined;
};

export type NodeOptions = {
  /** The folder of the sources; this repository by default. */
  readonly release?: string;
  readonly environment?: Record<string, string>;
};
