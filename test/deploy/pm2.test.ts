/** `deploy/pm2`: pm2 as a program beside Holdfast, with a daemon of each test's own. */

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import type { Owner } from "../harness/owner.ts";
import { until } from "../harness/until.ts";
import { RollMachine, repository } from "./roll-machine.ts";
import { beginLoad } from "./roll-under-load.ts";
import { openSite, type Site, whyNoSite } from "./site.ts";

const slotA = ["a00", "a01", "a02"] as const;
const slotB = ["b00", "b01", "b02"] as const;
const tool = join(repository, "deploy/pm2");
const program = join(tool, "node_modules/.bin/pm2");

// Not among the packages of the project: it is under another licence, and nothing of it is imported.
beforeAll(() => {
  if (existsSync(program)) return;
  execFileSync("npm", ["ci", "--ignore-scripts", "--loglevel=error"], { cwd: tool, stdio: "inherit" });
});

describe.skipIf(whyNoSite !== undefined)("pm2", () => {
  test("G1 G2 instances are rolled from slot to slot and back while 150 clients talk", async (context) => {
    const site = await openSite(context);
    const pm2 = new Pm2(context, site);
    const config = join(pm2.machine.place, "current/deploy/pm2/instances.config.cjs");
    pm2.machine.configureOn(
      site,
      { a: slotA, b: slotB },
      { start: [program, "start", config, "--only", "{name}"], stop: [program, "stop", "{name}"] },
    );
    await site.startHaproxy(["base", "edge-http", "nodes", "website-from-nodes"]);
    const rolled = async (...args: string[]) =>
      expect(await pm2.machine.roll(...args)).toMatchObject({ code: 0, stderr: "" });
    await rolled("deploy", pm2.machine.packHoldfast("1.0.0"));
    const load = await beginLoad(context, site.url());
    expect(await load.over(() => rolled("deploy", pm2.machine.packHoldfast("2.0.0")), 1)).toBe(150);
    expect(await load.over(() => rolled("back"), 1)).toBe(150);
    await load.end();
    // Each was let finish, and none was killed by pm2's own patience.
    expect(pm2.daemonLog.match(/exited with code \[(\d+)\] via signal \[\w+\]/g)).toEqual(
      Array.from({ length: 6 }, () => "exited with code [0] via signal [SIGINT]"),
    );
  });

  test("G1 G2 the cluster is one app, and a signal exchanges its workers", async (context) => {
    const site = await openSite(context);
    const pm2 = new Pm2(context, site);
    await pm2.release("1.0.0", "The first one");
    await pm2.run("start", join(pm2.machine.place, "current/deploy/pm2/cluster.config.cjs"));
    await pm2.titled("The first one");
    const load = await beginLoad(context, site.url(8000));
    const moved = await load.over(async () => {
      await pm2.release("2.0.0", "The second one");
      const workers = await pm2.workers();
      await pm2.run("sendSignal", "SIGHUP", "holdfast");
      await pm2.exchanged(workers);
      await pm2.titled("The second one");
    }, 1);
    expect(moved).toBe(150);
    await load.end();
    await pm2.run("stop", "holdfast");
    expect(pm2.daemonLog).toContain("exited with code [0] via signal [SIGINT]");
  });

  test("a missing setting is named, and nothing is started", async (context) => {
    const site = await openSite(context);
    const pm2 = new Pm2(context, site);
    await pm2.release("1.0.0", "Holdfast");
    writeFileSync(pm2.settingsFile, "HOLDFAST_STORE=memory:\n");
    const config = join(pm2.machine.place, "current/deploy/pm2/instances.config.cjs");
    await expect(pm2.run("start", config)).rejects.toThrow("HOLDFAST_CHAT_DATABASE must be set in");
    expect(JSON.parse(await pm2.run("jlist"))).toEqual([]);
  });
});

/** pm2 with a home of its own on a site, whose end is the end of its daemon. */
class Pm2 {
  readonly machine: RollMachine;
  readonly settingsFile: string;
  readonly #site: Site;
  readonly #home: string;

  constructor(owner: Owner, site: Site) {
    this.#site = site;
    this.machine = new RollMachine(owner, site.prefix);
    this.#home = join(this.machine.folder, "pm2");
    this.settingsFile = join(this.machine.folder, "common.env");
    const {
      HOLDFAST_NODE: _,
      PORT: _port,
      HOLDFAST_INTERNAL_PORT: _internal,
      ...shared
    } = site.nodeEnvironment("a00");
    const settings = { ...shared, HOST: "0.0.0.0", HOLDFAST_LOG_LEVEL: "info" };
    writeFileSync(
      this.settingsFile,
      Object.entries(settings)
        .map(([name, value]) => `${name}=${value}\n`)
        .join(""),
    );
    this.machine.environment = {
      PM2_HOME: this.#home,
      PM2_DISABLE_VERSION_CHECK: "true",
      SETTINGS_FILE: this.settingsFile,
    };
    // What this does not end, the end of the site does.
    owner.onTestFinished(() => {
      const env = { ...process.env, ...this.machine.environment };
      execFileSync("env", [...site.prefix, program, "kill"], { env, stdio: "ignore", timeout: 20_000 });
    });
    owner.onTestFailed(() => console.error(this.daemonLog));
  }

  get daemonLog(): string {
    const path = join(this.#home, "pm2.log");
    return existsSync(path) ? readFileSync(path, "utf8") : "";
  }

  /** Runs pm2 to its end; fails unless it ends with 0. Returns what it wrote. */
  async run(...args: readonly string[]): Promise<string> {
    const child = this.#site.start({
      program,
      native: true,
      name: `pm2 ${args.join(" ")}`,
      args,
      environment: this.machine.environment,
    });
    const { code } = await child.exited(60_000);
    if (code !== 0) throw new Error(child.report());
    return child.stdout;
  }

  /** Unpacks a release whose page has this title, and has `current` lead there. */
  async release(version: string, title: string): Promise<void> {
    const archive = this.machine.packHoldfast(version, (folder) => {
      const page = join(folder, "src/app/page/index.html");
      writeFileSync(
        page,
        readFileSync(page, "utf8").replace(/<title>.*<\/title>/, `<title>${title}</title>`),
      );
    });
    const folder = join(this.machine.place, "releases", version);
    mkdirSync(folder, { recursive: true });
    execFileSync("tar", ["-xf", archive, "-C", folder, "--strip-components=1"]);
    symlinkSync(join("releases", version), join(this.machine.place, "next"));
    renameSync(join(this.machine.place, "next"), join(this.machine.place, "current"));
  }

  async titled(title: string): Promise<void> {
    let seen = "nothing";
    const look = async () => {
      const page = await fetch(this.#site.url(8000), { headers: { connection: "close" } }).catch(
        () => undefined,
      );
      seen = /<title>(.*)<\/title>/.exec((await page?.text()) ?? "")?.[1] ?? "nothing";
      return seen === title;
    };
    await until(look, { what: `a page called ${title}`, deadlineMs: 30_000, state: () => seen });
  }

  /** Pids of the workers of the app "holdfast". */
  async workers(): Promise<readonly string[]> {
    const pid = (await this.run("pid", "holdfast")).trim();
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ");
  }

  /** Waits until none of these is left. */
  async exchanged(workers: readonly string[]): Promise<void> {
    await until(() => workers.every((pid) => !existsSync(`/proc/${pid}`)), {
      what: "all workers to be exchanged",
      deadlineMs: 60_000,
    });
  }
}
