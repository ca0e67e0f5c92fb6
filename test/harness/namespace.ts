/**
 * A network namespace of its own with a firewall in it: packets of a port vanish in the kernel, as on a link
 * whose cable was pulled. Server and client both run inside, over the namespace's loopback, or the client
 * comes by a link to it; nothing else of the machine's network is touched. Linux, as root, with `ip` and
 * `nft` or `iptables`.
 */

import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { promisify } from "node:util";
import type { Owner } from "./owner.ts";

/**
 * Why namespaces cannot be used here, in words for the one who reads the skipped test; undefined if they can,
 * and with `CI=true`, where a test that cannot run must fail.
 */
export async function whyNoNamespaces(): Promise<string | undefined> {
  if (process.env["CI"] === "true") return undefined;
  if (process.platform !== "linux") return "network namespaces need Linux";
  const namespace = new Namespace();
  try {
    await namespace.create();
    await namespace.drop(1);
    return undefined;
  } catch (error) {
    // The first line is the command that failed; the second is what it said.
    const reason =
      error instanceof Error ? error.message.trim().split("\n").slice(0, 2).join(": ") : String(error);
    return `network namespaces need root and the packages iproute2 and nftables: ${reason}`;
  } finally {
    await namespace.remove();
  }
}

/** Makes a namespace that is removed with its owner. */
export async function makeNamespace(owner: Owner): Promise<Namespace> {
  await removeStrays();
  const namespace = new Namespace();
  owner.onTestFinished(() => namespace.remove());
  await namespace.create();
  return namespace;
}

export class Namespace {
  readonly name = `${namePrefix}${process.pid}-${(created += 1)}`;
  readonly #firewall = existsSync("/usr/sbin/nft") ? nftables : iptables;

  /**
   * For `ChildOptions.prefix`: runs a program inside. `ip` executes it in its own place, so the pid is the
   * child's.
   */
  get prefix(): string[] {
    return ["ip", "netns", "exec", this.name];
  }

  async create(): Promise<void> {
    await run("ip", ["netns", "add", this.name]);
    await run("ip", ["-n", this.name, "link", "set", "lo", "up"]);
  }

  /**
   * Makes the namespace a host of its own that this machine reaches, and nobody else. The kernel takes the
   * link away with the namespace.
   */
  async connect(): Promise<Link> {
    for (let attempt = 0; attempt < 100; attempt += 1) {
      // A block of four addresses; that its link can be made shows that nobody else has it.
      const block = Math.floor(Math.random() * 16_384);
      const link = `hf-test-${block}`;
      const make = ["link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", this.name];
      const made = await run("ip", make).then(
        () => true,
        () => false,
      );
      if (!made) continue;
      const addressOf = (host: number) => `10.213.${block >> 6}.${(block & 63) * 4 + host}`;
      const [here, there] = [addressOf(1), addressOf(2)];
      await run("ip", ["addr", "add", `${here}/30`, "dev", link]);
      await run("ip", ["link", "set", link, "up"]);
      await run("ip", ["-n", this.name, "addr", "add", `${there}/30`, "dev", "eth0"]);
      await run("ip", ["-n", this.name, "link", "set", "eth0", "up"]);
      return { here, there };
    }
    throw new Error(`No link to the namespace ${this.name} could be made`);
  }

  /** Pids of what runs inside. */
  async processes(): Promise<readonly number[]> {
    const pids = await run("ip", ["netns", "pids", this.name]);
    return pids.split("\n").filter(Boolean).map(Number);
  }

  /**
   * From now on every packet from or to this TCP port vanishes: nobody gets a reset or an error, and what TCP
   * sends again vanishes too.
   */
  async drop(port: number): Promise<void> {
    for (const rule of this.#firewall.drop(port)) await this.#inside(rule);
  }

  /** Lets packets through again; TCP's own retransmission goes on from there. */
  async undrop(port: number): Promise<void> {
    for (const rule of this.#firewall.undrop(port)) await this.#inside(rule);
  }

  /** How many packets the firewall has dropped since `drop`: proof that there was something to drop. */
  async droppedPackets(): Promise<number> {
    const listing = await this.#inside(this.#firewall.list);
    return [...listing.matchAll(this.#firewall.counter)].reduce((sum, match) => sum + Number(match[1]), 0);
  }

  /**
   * Removes the namespace; its interfaces and firewall rules go with it once the last process in it has
   * ended.
   */
  async remove(): Promise<void> {
    await run("ip", ["netns", "del", this.name]).catch(() => undefined);
  }

  async #inside(command: readonly string[]): Promise<string> {
    const [program, ...args] = [...this.prefix, ...command] as [string, ...string[]];
    return await run(program, args);
  }
}

/** A test process that was killed leaves its namespaces behind; the next one clears them away. */
async function removeStrays(): Promise<void> {
  const names = existsSync(namesDirectory) ? await readdir(namesDirectory) : [];
  for (const name of names) {
    const pid = name.startsWith(namePrefix) ? name.slice(namePrefix.length).split("-")[0] : undefined;
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    await run("ip", ["netns", "del", name]).catch(() => undefined);
  }
}

async function run(program: string, args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(program, args, { timeout: 10_000 });
  return stdout;
}

const namePrefix = "holdfast-test-";
const namesDirectory = "/run/netns";
let created = 0;

/** The whole table goes at once when the packets may pass, which is atomic, as adding it is. */
const nftables: Firewall = {
  drop: (port) => [["nft", `add table ip holdfast { chain input { ${nftablesRules(port)} }; }`]],
  undrop: () => [["nft", "delete table ip holdfast"]],
  list: ["nft", "list table ip holdfast"],
  counter: /counter packets (\d+)/g,
};

const iptables: Firewall = {
  drop: (port) => iptablesRules("-A", port),
  undrop: (port) => iptablesRules("-D", port),
  list: ["iptables", "-L", "INPUT", "-v", "-x", "-n"],
  counter: /^\s*(\d+)\s+\d+\s+DROP/gm,
};

function nftablesRules(port: number): string {
  const hook = "type filter hook input priority 0; policy accept;";
  return `${hook} tcp dport ${port} counter drop; tcp sport ${port} counter drop;`;
}

function iptablesRules(action: "-A" | "-D", port: number): string[][] {
  const rule = (side: string): string[] =>
    `iptables ${action} INPUT -p tcp ${side} ${port} -j DROP`.split(" ");
  return ["--dport", "--sport"].map(rule);
}

// --- types ---

/** Addresses of the two ends: of this machine, and of the namespace. */
export type Link = { readonly here: string; readonly there: string };

type Firewall = {
  readonly drop: (port: number) => readonly (readonly string[])[];
  readonly undrop: (port: number) => readonly (readonly string[])[];
  readonly list: readonly string[];
  readonly counter: RegExp;
};
