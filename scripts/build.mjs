/**
 * `npm run build`: makes `dist/` an installable package. `dist/lib` holds the compiled sources with their
 * types (Node strips types from sources, but not inside node_modules, so what is published has to be
 * JavaScript), `dist/client` the browser bundles, and `dist/package.json` the same exports as in the
 * repository, leading there.
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, cpSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, "dist");

rmSync(join(dist, "lib"), { recursive: true, force: true });
run("tsc", ["--project", "tsconfig.build.json"]);
run("node", ["scripts/build-client.mjs", "--force"]);
copyAssets();
writeFileSync(join(dist, "package.json"), `${JSON.stringify(publishedPackage(), undefined, 2)}\n`);
for (const file of ["LICENSE", "README.md", "CHANGELOG.md"]) {
  if (existsSync(join(root, file))) {
    copyFileSync(join(root, file), join(dist, file));
  }
}
console.log("Built dist/. To install it elsewhere: npm pack ./dist");

/** What the sources read at run time and the compiler does not emit: pages, styles, scripts of workers. */
function copyAssets() {
  cpSync(join(root, "src"), join(dist, "lib"), {
    recursive: true,
    filter: (path) => !path.endsWith(".ts") && basename(path) !== "testing",
  });
}

function publishedPackage() {
  const own = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const exports = Object.fromEntries(
    Object.entries(own.exports).map(([name, target]) => [name, moved(target)]),
  );
  return {
    name: own.name,
    version: own.version,
    description: own.description,
    license: own.license,
    type: own.type,
    engines: own.engines,
    exports,
    ...(own.bin === undefined ? {} : { bin: moved(own.bin) }),
    files: ["lib", "client/holdfast*", "CHANGELOG.md"],
    dependencies: own.dependencies,
  };
}

/**
 * Where a path of the repository's package.json lies in the built package: conditions keep their names and
 * order.
 */
function moved(target, condition) {
  if (typeof target === "object") {
    return Object.fromEntries(Object.entries(target).map(([key, value]) => [key, moved(value, key)]));
  }
  if (target.startsWith("./dist/")) {
    return target.replace("./dist/", "./");
  }
  return target.replace(/^\.\/src\//, "./lib/").replace(/\.ts$/, condition === "types" ? ".d.ts" : ".js");
}

function run(command, parameters) {
  const result = spawnSync(command, parameters, { cwd: root, stdio: "inherit" });
  if (result.status !== 0) {
    console.error(`${command} ${parameters.join(" ")} failed; dist/ is not complete.`);
    process.exit(result.status ?? 1);
  }
}
