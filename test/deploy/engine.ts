/** The container engine that DOCKER_HOST names, and what a test starts on it. */

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { programPath, startChild } from "../harness/child.ts";
import { type Owner, Scope } from "../harness/owner.ts";

const repository = programPath("../..", import.meta.url);
export const dockerfile = join(repository, "deploy/container/Dockerfile");
export const composeFile = join(repository, "deploy/container/compose.yaml");

/**
 * Why nothing is run in containers, for `describe.skipIf`; undefined if it is. An engine is not everywhere,
 * also with `CI=true`; one that was named and does not answer is a failure.
 */
export const whyNoEngine =
  (process.env["DOCKER_HOST"] ?? "") === "" ? "there is no container engine: set DOCKER_HOST" : undefined;
if (whyNoEngine !== undefined) console.warn(`skipped: containers are not tested, ${whyNoEngine}`);

/** Runs `docker` to its end, and returns what it wrote. Fails unless it ends with 0. */
export async function docker(args: readonly string[], options: DockerOptions = {}): Promise<string> {
  const { code, stdout, report } = await dockerTried(args, options);
  if (code !== 0) throw new Error(`docker ${args.join(" ")}: ${report}`);
  return stdout;
}

/** Runs `docker` to its end, however it ends. */
export async function dockerTried(args: readonly string[], options: DockerOptions = {}): Promise<Ended> {
  const { environment, deadlineMs = 60_000 } = options;
  const scope = new Scope();
  try {
    const child = startChild(scope, {
      program: "docker",
      native: true,
      args,
      // Docker before version 23 takes another builder by default, which knows no cache mounts.
      environment: { DOCKER_BUILDKIT: "1", ...environment },
      deadlineMs,
    });
    const { code } = await child.exited(deadlineMs + 5_000);
    return { code, stdout: child.stdout.trim(), stderr: child.stderr, report: child.report() };
  } finally {
    await scope.end();
  }
}

/**
 * The image, built from this clone. Both it and what `environment` has compose use instead of exact versions
 * that this engine has not got: the same base image by its major version.
 */
export async function buildImage(owner: Owner): Promise<Image> {
  const [, exact = ""] = /^ARG NODE_IMAGE=(.+)$/m.exec(readFileSync(dockerfile, "utf8")) ?? [];
  const major = exact.replace(/:(\d+)\.[\d.]+-/, ":$1-");
  const isThere = async (image: string) => (await dockerTried(["image", "inspect", image])).code === 0;
  const base = !(await isThere(exact)) && (await isThere(major)) ? major : exact;
  const name = `${unique()}:test`;
  // Without force, which would leave the image behind without its name as long as a container of it is there.
  const remove = `while docker image inspect ${name} && ! docker image rm ${name}; do sleep 1; done`;
  removeAfter(owner, `timeout 60 sh -c '${remove}'`);
  // The machine's own network, because npm's registry may be one that only the machine can reach.
  const options = ["--network", "host", "--build-arg", `NODE_IMAGE=${base}`, "--file", dockerfile];
  await docker(["build", ...options, "--tag", name, repository], { deadlineMs: 170_000 });
  return { name, environment: { HOLDFAST_IMAGE: name, NODE_IMAGE: base } };
}

/** Makes a volume, which is removed when its owner ends. Returns its name. */
export async function makeVolume(owner: Owner): Promise<string> {
  const name = unique();
  removeAfter(owner, `docker volume rm --force ${name}`);
  return await docker(["volume", "create", name]);
}

/** Starts a container, which is removed when its owner ends. Returns its name. */
export async function startContainer(owner: Owner, args: readonly string[]): Promise<string> {
  const name = unique();
  removeAfter(owner, `docker rm --force ${name}`);
  await docker(["run", "--detach", "--name", name, ...args]);
  return name;
}

/** The services of the compose file, under a name of their own. */
export class Composition {
  readonly name = unique();
  readonly #environment: Readonly<Record<string, string>>;

  constructor(owner: Owner, environment: Readonly<Record<string, string>>) {
    this.#environment = environment;
    removeAfter(owner, `docker compose --project-name ${this.name} down --volumes --timeout 1`);
    let logs = "";
    // Before they are removed; whether the test has failed is told afterwards.
    owner.onTestFinished(async () => {
      logs = await this.run("logs", "--timestamps", "--tail", "60").catch(String);
    });
    owner.onTestFailed(() => console.error(logs));
  }

  /** `docker compose` with these arguments. */
  async run(...args: readonly string[]): Promise<string> {
    const options = { environment: this.#environment, deadlineMs: 120_000 };
    return await docker(["compose", "--file", composeFile, "--project-name", this.name, ...args], options);
  }

  /** The id of a service's container, also of one that has ended. */
  async container(service: string): Promise<string> {
    return await this.run("ps", "--all", "--quiet", service);
  }
}

/** What `docker inspect` says of a container or an image. */
export async function inspect(id: string): Promise<Inspected> {
  const [found] = JSON.parse(await docker(["inspect", id])) as Inspected[];
  if (found === undefined) throw new Error(`docker inspect ${id} says nothing`);
  return found;
}

function unique(): string {
  counted += 1;
  return `holdfast-test-${process.pid}-${counted}`;
}
let counted = 0;

/**
 * Containers belong to the engine, and outlive who started them. When the test is over, or this process is
 * killed, a shell runs `command`; it is in a session of its own, so that a Ctrl-C does not take it before.
 */
export function removeAfter(owner: Owner, command: string): void {
  const watch = spawn("/bin/sh", ["-c", `read -r line; ${command} >/dev/null 2>&1`], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
  watch.unref();
  owner.onTestFinished(async () => {
    const ended = new Promise((resolve) => watch.once("exit", resolve));
    watch.stdin.end();
    await ended;
  });
}

// --- types ---

type DockerOptions = {
  readonly environment?: Readonly<Record<string, string>>;
  readonly deadlineMs?: number;
};

type Ended = {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly report: string;
};

export type Image = { readonly name: string; readonly environment: Readonly<Record<string, string>> };

/** The parts of it that tests look at. */
export type Inspected = {
  readonly Id: string;
  readonly Size: number;
  readonly Config: { readonly User: string; readonly StopSignal?: string };
  readonly State: { readonly ExitCode: number; readonly Running: boolean };
  readonly HostConfig: {
    readonly ReadonlyRootfs: boolean;
    readonly CapDrop: readonly string[] | null;
    readonly SecurityOpt: readonly string[] | null;
    readonly Memory: number;
    readonly PidsLimit: number | null;
  };
  readonly NetworkSettings: {
    readonly Networks: Readonly<Record<string, { readonly IPAddress: string }>>;
  };
};
