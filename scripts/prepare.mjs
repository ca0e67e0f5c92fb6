/**
 * Brings a checkout into the state that the npm scripts need: packages installed as the lockfile says, and
 * the browser bundle built. Runs before `npm start`, `npm test` and the others, also on a fresh clone under a
 * system Node that is older than the project's: so it is plain JavaScript, without dependencies, and keeps to
 * what Node 20 has.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const oldestNodeMajor = 24;

main();

function main() {
  const reason = reasonToInstall();
  if (reason !== undefined) {
    install(reason);
  }
  requireProjectNode();
  if (existsSync(`${root}src/client/index.ts`)) {
    run("node", ["scripts/build-client.mjs"], "The browser bundle could not be built.");
  }
}

/**
 * Why `npm ci` has to run, or undefined when what is installed is what the lockfile asks for. Contents are
 * compared, not file times: git sets the times of what it checks out, so they say nothing.
 */
function reasonToInstall() {
  const wanted = readPackages(`${root}package-lock.json`);
  const installed = readPackages(`${root}node_modules/.package-lock.json`);
  if (wanted === undefined) {
    throw new Error("package-lock.json is missing: this is not a complete checkout.");
  }
  if (installed === undefined) {
    return "node_modules is missing";
  }
  for (const [path, row] of Object.entries(wanted)) {
    const found = installed[path];
    if (found === undefined && needed(path, row)) {
      return `${path} is missing`;
    }
    if (found !== undefined && found.version !== row.version) {
      return `${path} is ${found.version}, the lockfile says ${row.version}`;
    }
  }
  return undefined;
}

/**
 * Optional packages are there or not according to the platform; development packages may be left out on
 * purpose.
 */
function needed(path, row) {
  const omitted = (process.env.npm_config_omit ?? "").split(/[\s,]+/).includes("dev");
  return path !== "" && !row.optional && !row.devOptional && !(row.dev && omitted);
}

function install(reason) {
  console.log(`Installing packages with npm ci, because ${reason}. This takes a few seconds.`);
  const startedAt = Date.now();
  // Only errors: under an older system Node each package would otherwise warn about `engines`, which is
  // expected here.
  run(
    "npm",
    ["ci", "--no-audit", "--no-fund", "--loglevel=error"],
    "npm ci failed; its own output above says why.",
  );
  console.log(`Packages installed in ${((Date.now() - startedAt) / 1000).toFixed(1)} s.`);
}

/**
 * npm puts node_modules/.bin first on the PATH of scripts, so `node` is the project's own as soon as it is
 * installed.
 */
function requireProjectNode() {
  const result = spawnSync("node", ["--version"], { cwd: root, encoding: "utf8" });
  const major = Number(/^v(\d+)\./.exec(result.stdout ?? "")?.[1] ?? 0);
  if (major < oldestNodeMajor) {
    const found = result.stdout?.trim() || "none";
    console.error(
      `Holdfast needs Node ${oldestNodeMajor} or newer; \`node\` here is ${found}. The package "node"` +
        " brings one along: run `npm ci` with install scripts allowed, and start through npm.",
    );
    process.exit(1);
  }
}

function run(command, parameters, failure) {
  const result = spawnSync(command, parameters, { cwd: root, stdio: "inherit" });
  if (result.status !== 0) {
    console.error(failure);
    process.exit(result.status ?? 1);
  }
}

function readPackages(path) {
  return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")).packages : undefined;
}
