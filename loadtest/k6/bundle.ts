/** Makes one file of the k6 script and the shipped client, which k6 can load: it has no packages. */

import { fileURLToPath } from "node:url";
import { build } from "esbuild";

export async function bundleScript(outputFile: string): Promise<void> {
  await build({
    entryPoints: [fileURLToPath(new URL("./client.ts", import.meta.url))],
    outfile: outputFile,
    bundle: true,
    format: "esm",
    platform: "browser",
    target: "es2020",
    external: ["k6", "k6/*"],
    logLevel: "warning",
  });
}
