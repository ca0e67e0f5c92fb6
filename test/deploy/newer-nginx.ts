/**
 * An nginx that has `sticky route`, which most distributions do not ship yet: the one that is named or
 * installed if it is new enough, else the package of Debian's unstable suite, unpacked beside the system with
 * the C library that it was built with. Nothing of it is installed.
 */

import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readdir, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { installedNginx, type Nginx, nginxAt } from "./nginx-site.ts";

/**
 * One that knows `sticky`, or in words why there is none here. That is no failure with `CI=true` either: an
 * unstable suite moves on by itself, and the map form, which every version has, is tried in any case.
 */
export async function newerNginx(): Promise<Nginx | string> {
  const installed = await installedNginx();
  if (installed.knowsSticky) return installed;
  const program = join(cache, "nginx");
  try {
    if (!existsSync(program)) await fetchInto(cache);
    const fetched = await nginxAt(program);
    if (fetched.knowsSticky) return fetched;
    throw new Error(`the one in ${cache} is ${fetched.version}`);
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    return (
      `nginx ${installed.version} has no \`sticky\`, and a newer one was not to be had ` +
      `(${cause.trim().split("\n").slice(0, 3).join(": ")}); name one in HOLDFAST_TEST_NGINX`
    );
  }
}

/** Whole, or not at all: another test may fetch at the same time. */
async function fetchInto(folder: string): Promise<void> {
  await mkdir(join(folder, ".."), { recursive: true });
  const draft = await mkdtemp(`${folder}-`);
  try {
    await fetchPackages(draft);
    await rename(draft, folder).catch((error: unknown) => {
      if (!existsSync(folder)) throw error;
    });
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

async function fetchPackages(folder: string): Promise<void> {
  const mirror = await debianMirror();
  for (const path of ["lists/partial", "archives/partial", "packages", "root"])
    await mkdir(join(folder, path), { recursive: true });
  await writeFile(join(folder, "status"), "");
  await writeFile(join(folder, "sources.list"), `deb [signed-by=${keyring}] ${mirror} sid main\n`);
  // A state of its own: what apt knows and installs on this machine is as it was.
  const settings = {
    "Dir::State": folder,
    "Dir::State::lists": join(folder, "lists"),
    "Dir::State::status": join(folder, "status"),
    "Dir::Cache": folder,
    "Dir::Etc::sourcelist": join(folder, "sources.list"),
    "Dir::Etc::sourceparts": "-",
    "Acquire::Languages": "none",
    "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
    "APT::Sandbox::User": "root",
  };
  const options = Object.entries(settings).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
  await run("apt-get", ["-qq", ...options, "update"]);
  const packages = join(folder, "packages");
  await run("apt-get", ["-qq", ...options, "download", ...wanted], packages);
  for (const file of await readdir(packages))
    await run("dpkg", ["-x", join(packages, file), join(folder, "root")]);
  await writeFile(join(folder, "nginx"), starter);
  await chmod(join(folder, "nginx"), 0o755);
  for (const path of ["lists", "archives", "packages"]) await rm(join(folder, path), { recursive: true });
}

/** The server from which this machine has its own packages. */
async function debianMirror(): Promise<string> {
  if (!existsSync(keyring)) throw new Error(`${keyring} is not here; this is not Debian`);
  const format = ["--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages", "Component: main"];
  const lines = await run("apt-get", ["indextargets", "--no-release-info", ...format]);
  const found = lines.split("\n").find((line) => line !== "" && !/security/.test(line));
  if (found === undefined) throw new Error("apt has no source of Debian's packages");
  return found.split(" ")[0] as string;
}

async function run(program: string, args: readonly string[], cwd?: string): Promise<string> {
  const { stdout } = await promisify(execFile)(program, args, { cwd, timeout: 120_000 });
  return stdout;
}

const cache = join(homedir(), ".cache", "holdfast-test", "nginx");
const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
/** nginx and every library that it is linked with. */
const wanted = ["nginx", "libc6", "libcrypt1", "libpcre2-8-0", "libssl3t64", "libzstd1", "zlib1g"];
const starter = `#!/bin/sh
root=$(dirname "$0")/root
libraries=$(echo "$root"/usr/lib/*-linux-gnu*)
exec "$libraries"/ld-linux*.so.* --library-path "$libraries" "$root/usr/sbin/nginx" "$@"
`;
