/** `roll`: brings releases to the instances of this machine without losing a client. README.md says how. */

import { parseArgs } from "node:util";
import { ConfigurationError, readConfigurationFile } from "./configuration.ts";
import { messageOf } from "./fleet.ts";
import { Interruption } from "./interruption.ts";
import { LockedError } from "./lock.ts";
import { Roll } from "./roll.ts";
import { StepFailed, Steps } from "./steps.ts";

const usage = `Usage:
  roll deploy RELEASE.tgz|FOLDER [--as NAME]   unpack a release and bring it to all instances
  roll back                                    bring back the release before the current one
  roll restart                                 the current release again, such as for new settings
  roll status                                  what is there and what runs
Options:
  --config FILE    what is rolled and how (default /etc/holdfast/roll.json)
  --dry-run        print each step with its command, and change nothing`;

// A terminal that is gone, with the ssh that brought it, must not cut a roll in two.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);
process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  const asked = parse(args);
  if (typeof asked === "string") {
    process.stderr.write(`${asked}\n${usage}\n`);
    return 2;
  }
  if (asked.command === "help") {
    process.stdout.write(`${usage}\n`);
    return 0;
  }
  const steps = new Steps({ isDry: asked.isDry, print });
  try {
    const interruption = new Interruption((line) => steps.say(line));
    const roll = new Roll(readConfigurationFile(asked.configurationFile), steps, interruption);
    if (asked.command === "status") return await roll.status(print);
    await roll.check();
    if (asked.isDry) print("Dry run: nothing is changed.");
    else interruption.listen();
    if (asked.command === "deploy") return await roll.deploy(asked.source, asked.name);
    return asked.command === "back" ? await roll.back() : await roll.restart();
  } catch (error) {
    return complain(error, asked.configurationFile);
  }
}

function complain(error: unknown, configurationFile: string): number {
  if (error instanceof ConfigurationError) {
    const head = `Nothing was changed. ${configurationFile} has to be put right:`;
    process.stderr.write(`${[head, ...error.problems].join("\n  ")}\n`);
    return 2;
  }
  if (!(error instanceof StepFailed || error instanceof LockedError)) throw error;
  process.stderr.write(`Not rolled, nothing was changed: ${messageOf(error)}\n`);
  return 1;
}

function parse(args: readonly string[]): Asked | string {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        config: { type: "string" },
        as: { type: "string" },
        "dry-run": { type: "boolean" },
        help: { type: "boolean" },
      },
    });
    const [command = "", source, ...rest] = positionals;
    const asked = {
      configurationFile: values.config ?? "/etc/holdfast/roll.json",
      isDry: values["dry-run"] ?? false,
      name: values.as,
      source: source ?? "",
    };
    if (values.help === true || command === "help") return { ...asked, command: "help" };
    if (rest.length > 0) return `Too much: ${rest.join(" ")}`;
    if (command === "deploy") return source === undefined ? "Which release?" : { ...asked, command };
    if (source !== undefined) return `Too much: ${source}`;
    if (values.as !== undefined) return "--as is for deploy";
    if (command === "back" || command === "restart" || command === "status") return { ...asked, command };
    return command === "" ? "Which command?" : `${command} is not a command`;
  } catch (error) {
    return messageOf(error);
  }
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

// --- types ---

type Asked = {
  readonly command: "deploy" | "back" | "restart" | "status" | "help";
  readonly source: string;
  readonly name: string | undefined;
  readonly configurationFile: string;
  readonly isDry: boolean;
};
