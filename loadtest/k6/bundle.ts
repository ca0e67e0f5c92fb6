/** Makes one file of the k6 script and the shipped client, which k6 can load: it has no packages. */

import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build, type Plugin } from "esbuild";

export async function bundleScript(outputFile: string, script: "client" | "raw"): Promise<void> {
  await build({
    entryPoints: [fileURLToPath(new URL(`./${script}.ts`, import.meta.url))],
    outfile: outputFile,
    bundle: true,
    format: "esm",
    platform: "browser",
    target: "es2021",
    tsconfigRaw: { compilerOptions: { useDefineForClassFields: false } },
    plugins: [plainMembers],
    external: ["k6", "k6/*"],
    logLevel: "warning",
  });
}

/**
 * Writes private members as ordinary ones with a name that nobody else has. k6's engine fails on a derived
 * class that has private members and a closure over `this` in its constructor (`Value is not an object`,
 * 2.2.0). The WeakMaps that esbuild makes of them for older engines work, and cost virtual users a tenth
 * of their processor time. So a class here must not have a private member that its base has too.
 */
const plainMembers: Plugin = {
  name: "plain members",
  setup: ({ onLoad }) => {
    onLoad({ filter: /\/(src|loadtest)\/.*\.ts$/ }, async ({ path }) => {
      const source = await readFile(path, "utf8");
      return { contents: source.replace(/(?<![\w"'`\\])#([A-Za-z]\w*)/g, "$$$$private_$1"), loader: "ts" };
    });
  },
};
