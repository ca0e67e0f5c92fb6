import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { programPath } from "./child.ts";
import { freePort } from "./free-port.ts";

test("a port is given to one process only, also while nothing listens on it", async () => {
  const mine = new Set<number>();
  for (let count = 0; count < 2_000; count += 1) mine.add(await freePort());
  expect(mine.size).toBe(2_000);
  // By chance alone more than a hundred of these would be among mine.
  const program = `import { freePort } from ${JSON.stringify(programPath("./free-port.ts", import.meta.url))};
    const ports = [];
    for (let count = 0; count < 1_000; count += 1) ports.push(await freePort());
    console.log(ports.join());`;
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", program], {
    timeout: 30_000,
  });
  const theirs = stdout.trim().split(",").map(Number);
  expect(theirs).toHaveLength(1_000);
  expect(theirs.filter((port) => mine.has(port))).toEqual([]);
});
