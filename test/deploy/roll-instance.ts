/**
 * The smallest instance: its `src/main.ts` answers who it is, and takes as long to get ready as it is told.
 */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Writes the sources of a release of which each instance behaves in this way. */
export function writeInstance(folder: string, behaviour: Behaviour = "good"): void {
  mkdirSync(join(folder, "src"), { recursive: true });
  writeFileSync(join(folder, "src/main.ts"), `${programs[behaviour]}`);
}

const server = (status: string) => `
  import { createServer } from "node:http";
  import { readFileSync } from "node:fs";
  const { version } = JSON.parse(readFileSync("package.json", "utf8"));
  const server = createServer((request, response) => {
    const status = ${status};
    response.writeHead(request.url === "/readyz" ? status : 200);
    response.end(request.url === "/readyz" ? "of " + version : process.env.NAME + " " + version);
  });
  server.listen(Number(process.env.PORT), "127.0.0.1");
  process.on("SIGTERM", () => process.exit(0));
`;

const programs = {
  good: server("200"),
  "never ready": server("404"),
  "dead at once": "process.exit(3);",
  /** As if it fell over with its first clients. */
  "ready once": `let answers = 0;\n${server("(answers += 1) === 1 ? 200 : 500")}`,
  "second one never ready": server('process.env.NAME === "a01" ? 404 : 200'),
} as const;

// --- types ---

export type Behaviour = keyof typeof programs;
