/**
 * The programs that the suite uses and npm does not bring: finds them, and on Debian and Ubuntu as root
 * installs what is missing. Run before `npm test`; tests import `systemProgram` to use one or to be counted
 * as skipped. Plain JavaScript without dependencies, so that it runs under any Node from 20 on.
 */
import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { pathToFileURL } from "node:url";

/**
 * One row for each package: its name at Debian, the programs it brings (the first found is taken), what needs
 * it.
 */
export const systemPackages = [
  { name: "haproxy", programs: ["haproxy"], usedFor: "tests behind HAProxy" },
  { name: "nginx", programs: ["nginx"], usedFor: "tests behind nginx" },
  { name: "stunnel4", programs: ["stunnel4", "stunnel"], usedFor: "tests of TLS by stunnel" },
  { name: "systemd", programs: ["systemd-analyze"], usedFor: "tests that verify units" },
  { name: "redis-server", programs: ["redis-server", "valkey-server"], usedFor: "tests of the redis store" },
  { name: "openssl", programs: ["openssl"], usedFor: "tests that make a certificate" },
  {
    name: "chromium",
    programs: ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"],
    usedFor: "tests in a real browser",
  },
  { name: "iptables", programs: ["iptables"], usedFor: "tests that drop packets in the kernel" },
  { name: "iproute2", programs: ["ip"], usedFor: "tests that drop packets in the kernel" },
];

/**
 * The absolute path of a package's program, or undefined when it is not on this machine.
 *
 * @throws when no row of `systemPackages` has this name.
 */
export function systemProgram(packageName) {
  const row = systemPackages.find(({ name }) => name === packageName);
  if (row === undefined) {
    throw new Error(`${packageName} is not in the table of system packages.`);
  }
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/local/sbin", "/usr/sbin", "/sbin"];
  for (const program of row.programs) {
    const found = folders.map((folder) => join(folder, program)).find(isProgram);
    if (found !== undefined) {
      return found;
    }
  }
  return undefined;
}

/** The command that installs what is named; for people, and for the message of a skipped test. */
export function installCommand(names) {
  return `apt-get update && apt-get install -y --no-install-recommends ${names.join(" ")}`;
}

function isProgram(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function missingPackages() {
  return systemPackages.filter(({ name }) => systemProgram(name) === undefined);
}

function main() {
  const before = missingPackages().map(({ name }) => name);
  if (before.length > 0 && mayInstall()) {
    install(before);
  }
  const missing = missingPackages();
  if (missing.length === 0) {
    console.log(`System packages: all ${systemPackages.length} there.`);
    return;
  }
  for (const { name, usedFor } of missing) {
    console.log(`System packages: ${name} is missing; ${usedFor} cannot run and count as skipped.`);
  }
  console.log(`To set them up, as root: ${installCommand(missing.map(({ name }) => name))}`);
  if (process.env.CI === "true") {
    console.error("CI=true: what is missing is a failure.");
    process.exitCode = 1;
  }
}

function mayInstall() {
  return process.getuid?.() === 0 && isDebian();
}

function isDebian() {
  const release = "/etc/os-release";
  return existsSync(release) && /^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(readFileSync(release, "utf8"));
}

function install(names) {
  console.log(`System packages: installing ${names.join(", ")}.`);
  withoutStartingServices(() => {
    if (!apt(["update"])) {
      console.log("System packages: apt-get update failed; trying with the lists that are there.");
    }
    if (apt(["install", ...names])) {
      return;
    }
    // One name that this distribution does not have must not keep the others out.
    for (const name of names) {
      apt(["install", name]);
    }
  });
}

function apt([verb, ...names]) {
  const options = ["-qq", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120"];
  const result = spawnSync("apt-get", [...options, verb, ...names], {
    stdio: ["ignore", "ignore", "inherit"],
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    timeout: aptTimeoutMs,
  });
  return result.status === 0;
}

/**
 * Debian starts a service when its package is installed, and the suite wants no haproxy, nginx or redis that
 * it did not start itself on the machine's ports. 101 is policy-rc.d's answer for "not allowed"; a policy
 * that is there stays.
 */
function withoutStartingServices(action) {
  const own = !existsSync(policyPath);
  if (own) {
    writeFileSync(policyPath, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  }
  try {
    action();
  } finally {
    if (own) {
      rmSync(policyPath, { force: true });
    }
  }
}

const policyPath = "/usr/sbin/policy-rc.d";
const aptTimeoutMs = 300_000;

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  main();
}
