/**
 * Finds a program that runs kustomize, or builds kustomize once from its Go module, whose version and
 * checksums stand in go.mod and go.sum here.
 */

import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/** Undefined where there is none: neither built before, nor on the PATH, in kubectl or by itself. */
export async function findKustomize(): Promise<Kustomize | undefined> {
  const candidates = [
    { command: cachedPath(), parameters: ["build"], version: ["version"] },
    { command: onPath("kubectl"), parameters: ["kustomize"], version: ["version", "--client"] },
    { command: onPath("kustomize"), parameters: ["build"], version: ["version"] },
  ];
  for (const { command, parameters, version } of candidates) {
    if (command === undefined || !existsSync(command)) continue;
    const said = await promisify(execFile)(command, version, { timeout: 10_000 }).catch(() => undefined);
    const major = /^(?:Kustomize Version: )?v(\d+)\./m.exec(said?.stdout ?? "")?.[1];
    if (Number(major ?? 0) >= majorVersionMin) return { command, parameters };
  }
  return undefined;
}

/** The one that is there, or a new one; throws an error that says how to get it. */
export async function provideKustomize(tell: (text: string) => void): Promise<Kustomize> {
  const found = await findKustomize();
  if (found !== undefined) return found;
  const go = onPath("go", "/usr/local/go/bin");
  if (go === undefined) throw new Error(missingKustomize);
  const path = cachedPath();
  const partial = `${path}.${process.pid}.partial`;
  mkdirSync(join(path, ".."), { recursive: true });
  tell("building kustomize from its Go module, once; takes about a minute");
  try {
    const parameters = ["build", "-trimpath", "-ldflags=-s -w", "-o", partial, modulePath];
    await promisify(execFile)(go, parameters, { cwd: folder });
    // In one step, so that nobody finds half a program.
    renameSync(partial, path);
  } finally {
    rmSync(partial, { force: true });
  }
  return { command: path, parameters: ["build"] };
}

/**
 * The manifests of a folder with a kustomization, as one text of several documents. Rejects with what
 * kustomize complained about.
 */
export async function build({ command, parameters }: Kustomize, directory: string): Promise<string> {
  const { stdout } = await promisify(execFile)(command, [...parameters, directory], {
    maxBuffer: 16_000_000,
    timeout: 60_000,
  });
  return stdout;
}

export const missingKustomize = `kustomize 5 or newer is missing. Any of these will do:
  kubectl from 1.27 on (https://kubernetes.io/docs/tasks/tools) on the PATH, or kustomize itself;
  Go (https://go.dev/dl, or the package golang-go), from which npm run k8s:render builds it.`;

function onPath(name: string, ...besides: readonly string[]): string | undefined {
  const places = [...(process.env["PATH"] ?? "").split(delimiter), ...besides];
  return places.map((place) => join(place, name)).find((path) => existsSync(path));
}

function cachedPath(): string {
  const cache = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  const version = /kustomize\/v5 v(\S+)/.exec(readFileSync(join(folder, "go.mod"), "utf8"))?.[1];
  if (version === undefined) throw new Error("scripts/kustomize/go.mod does not say which kustomize");
  return join(cache, "holdfast", `kustomize-${version}`);
}

const folder = fileURLToPath(new URL(".", import.meta.url));
const modulePath = "sigs.k8s.io/kustomize/kustomize/v5";
/** Older ones do not put labels into templates only. */
const majorVersionMin = 5;

// --- types ---

export type Kustomize = { readonly command: string; readonly parameters: readonly string[] };
