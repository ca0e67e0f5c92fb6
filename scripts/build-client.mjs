/**
 * Bundles the client for browsers: `dist/client/holdfast.js` (readable) and `holdfast.min.js`, both ES
 * modules with a source map. Does nothing when no input changed since the last run; `--force` builds anyway.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const entry = `${root}src/client/index.ts`;
const folder = `${root}dist/client/`;
const stampPath = `${folder}.inputs.json`;
const outputs = [
  { file: "holdfast.js", minify: false },
  { file: "holdfast.min.js", minify: true },
];

if (process.argv.includes("--force") || !upToDate()) {
  await build();
}

/** True when every file that went into the last build still has the contents that it had then. */
function upToDate() {
  if (!existsSync(stampPath) || !outputs.every(({ file }) => existsSync(folder + file))) {
    return false;
  }
  const stamp = JSON.parse(readFileSync(stampPath, "utf8"));
  return Object.entries(stamp).every(([path, hash]) => hashOf(root + path) === hash);
}

async function build() {
  const bundle = await loadBundler();
  mkdirSync(folder, { recursive: true });
  // Without the stamp a run that was cut short counts as not done.
  rmSync(stampPath, { force: true });
  const inputs = new Set(["package-lock.json", "scripts/build-client.mjs"]);
  for (const { file, minify } of outputs) {
    const result = await bundle({
      entryPoints: [entry],
      outfile: folder + file,
      bundle: true,
      format: "esm",
      platform: "browser",
      target: "es2022",
      sourcemap: true,
      minify,
      metafile: true,
      absWorkingDir: root,
      logLevel: "warning",
    });
    for (const path of Object.keys(result.metafile.inputs)) {
      inputs.add(path);
    }
    const bytes =
      Object.entries(result.metafile.outputs).find(([path]) => path.endsWith(".js"))?.[1].bytes ?? 0;
    console.log(`Built dist/client/${file} (${Math.ceil(bytes / 1024)} KiB).`);
  }
  const stamp = Object.fromEntries([...inputs].sort().map((path) => [path, hashOf(root + path)]));
  writeFileSync(stampPath, `${JSON.stringify(stamp, undefined, 2)}\n`);
}

async function loadBundler() {
  try {
    return (await import("esbuild")).build;
  } catch (cause) {
    throw new Error("esbuild is not installed: run `npm ci` with development packages.", { cause });
  }
}

function hashOf(path) {
  return existsSync(path) ? createHash("sha256").update(readFileSync(path)).digest("hex") : "absent";
}
