#!/usr/bin/env node
/**
 * The command line: `holdfast roll`, which reads the same environment as the process that it speaks to, and
 * `holdfast check`, which goes by its arguments alone.
 */

import { parseArgs } from "node:util";
import { check } from "./commands/check.ts";
import { roll } from "./commands/roll.ts";
import { ConfigurationError, readConfiguration } from "./configuration.ts";

const usage = `Usage: holdfast COMMAND

  check URL
      Tries a deployment as its clients use it, and says what is wrong and what to change.
      npx holdfast check --help tells its options.

  roll [--port PORT] [--host HOST]
      Exchanges the workers of a running primary for new ones, which run what is on the disk now.
      PORT and HOST are those of its internal port; by default what HOLDFAST_INTERNAL_PORT and
      HOLDFAST_INTERNAL_HOST say.
      Ends with 0 when all workers are new ones, 1 when the old ones go on, 2 when nobody answers.`;

async function main(): Promise<number> {
  const [first, ...rest] = process.argv.slice(2);
  if (first === "check") return await check(rest, print, complain);
  const { command, port, host, help } = parametersOrExit();
  if (help) {
    print(usage);
    return 0;
  }
  if (command !== "roll") {
    complain(command === undefined ? usage : `There is no command ${JSON.stringify(command)}.\n\n${usage}`);
    return 2;
  }
  const environment = {
    ...process.env,
    ...(port === undefined ? {} : { HOLDFAST_INTERNAL_PORT: port }),
    ...(host === undefined ? {} : { HOLDFAST_INTERNAL_HOST: host }),
  };
  const { internalPort, internalHost } = readConfiguration(environment);
  if (internalPort === undefined || internalPort === 0) {
    complain("Which port? Set HOLDFAST_INTERNAL_PORT to that of the running primary, or give --port.");
    return 2;
  }
  return await roll({ host: reachable(internalHost), port: internalPort }, print, complain);
}

function parametersOrExit() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { port: { type: "string" }, host: { type: "string" }, help: { type: "boolean", short: "h" } },
    });
    return { command: positionals[0], ...values };
  } catch (error) {
    complain(`${(error as Error).message}\n\n${usage}`);
    process.exit(2);
  }
}

/** Commands are taken from loopback only, also where the port listens on all addresses. */
function reachable(host: string): string {
  return host === "0.0.0.0" || host === "::" ? "localhost" : host;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function complain(line: string): void {
  process.stderr.write(`${line}\n`);
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof ConfigurationError)) throw error;
  for (const problem of error.problems) complain(problem);
  process.exitCode = 2;
}
