/**
 * Finds k6, or builds it once from its Go module, whose versions and checksums stand in go.mod and go.sum
 * here. `npm run loadtest:k6` runs this file.
 */

import { execFile, spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/**
 * The path and version of a k6 that is there already: on the PATH, or built before. Undefined without one.
 */
export async function findK6(): Promise<K6 | undefined> {
  const onPath = (process.env["PATH"] ?? "").split(delimiter).map((place) => join(place, "k6"));
  for (const path of [...onPath, cachedPath()]) {
    const version = existsSync(path) ? await versionOf(path) : undefined;
    if (version !== undefined && Number(version.split(".")[0]) >= majorVersionMin) return { path, version };
  }
  return undefined;
}

/** The one that is there, or a new one; throws an error that says how to get it. */
export async function provideK6(tell: (text: string) => void): Promise<K6> {
  const found = await findK6();
  if (found !== undefined) return found;
  const go = findGo();
  if (go === undefined) throw new Error(missing);
  await build(go, tell);
  const built = await findK6();
  if (built === undefined) throw new Error(`k6 was built and does not run: ${cachedPath()}`);
  return built;
}

/** Compiles for one to several minutes; says so every ten seconds. */
async function build(go: string, tell: (text: string) => void): Promise<void> {
  const path = cachedPath();
  const partial = `${path}.${process.pid}.partial`;
  mkdirSync(join(path, ".."), { recursive: true });
  const startedAt = performance.now();
  const seconds = () => Math.round((performance.now() - startedAt) / 1_000);
  tell(`building k6 ${pinnedVersion()} from its Go module, once; takes a minute or two`);
  const timer = setInterval(() => tell(`building k6: ${seconds()} s`), 10_000);
  try {
    await run(go, ["build", "-trimpath", "-ldflags=-s -w", "-o", partial, modulePath]);
    // In one step, so that nobody finds half a program.
    renameSync(partial, path);
  } finally {
    clearInterval(timer);
    rmSync(partial, { force: true });
  }
  tell(`built ${path} in ${seconds()} s`);
}

function run(command: string, args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: folder, stdio: ["ignore", "ignore", "pipe"] });
    let complaints = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => (complaints += text));
    child.once("error", reject);
    child.once("close", (code) => {
      if (code === 0) resolve();
      else reject(new Error(`k6 could not be built (${command} ended with ${code}):\n${complaints}`));
    });
  });
}

function findGo(): string | undefined {
  const places = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/local/go/bin"];
  return places.map((place) => join(place, "go")).find((path) => existsSync(path));
}

async function versionOf(path: string): Promise<string | undefined> {
  const output = await promisify(execFile)(path, ["version"], { timeout: 10_000 }).catch(() => undefined);
  return /v(\d+\.\d+\.\d+)/.exec(output?.stdout ?? "")?.[1];
}

function cachedPath(): string {
  const cache = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  return join(cache, "holdfast", `k6-${pinnedVersion()}`);
}

function pinnedVersion(): string {
  const version = /go\.k6\.io\/k6\/v2 v(\S+)/.exec(readFileSync(join(folder, "go.mod"), "utf8"))?.[1];
  if (version === undefined) throw new Error("loadtest/k6/go.mod does not say which k6");
  return version;
}

const folder = fileURLToPath(new URL(".", import.meta.url));
const modulePath = "go.k6.io/k6/v2";
/** Before it a server's ping can stop a virtual user for good. */
const majorVersionMin = 2;
const missing = `k6 2.0 or newer is missing, and so is Go, from which it could be built. Either will do:
  k6: put one from https://github.com/grafana/k6/releases on the PATH;
  Go: install it (https://go.dev/dl, or the package golang-go), then npm run loadtest:k6.`;

if (import.meta.main) {
  try {
    const { path, version } = await provideK6((text) => console.error(text));
    console.log(`k6 ${version} is at ${path}`);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}

// --- types ---

export type K6 = { readonly path: string; readonly version: string };
