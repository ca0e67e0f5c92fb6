/** What the command was told to do where it was given a `--target`. */

import { existsSync } from "node:fs";
import { parse, UsageError, wholeNumber } from "../command-line.ts";
import type { Scenario } from "../scenarios/scenario.ts";
import { type Dialect, readDialect } from "./dialect.ts";
import { targetScenario, targetScenarios } from "./scenarios.ts";

export function isForTarget(args: readonly string[]): boolean {
  return args.some((argument) => /^--target(=|$)/.test(argument));
}

/** @throws UsageError with a sentence for the one who typed it. */
export function readTargetCommand(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): TargetCommand {
  const { values, positionals } = parse(args, options, usage);
  const [name = ""] = positionals;
  if (positionals.length !== 1) throw new UsageError(usage());
  const scenario = targetScenario(name);
  if (typeof scenario === "string") throw new UsageError(scenario);
  const { client = "holdfast", dialect = "chat", publish, listen, ca, insecure = false } = values;
  if (client !== "holdfast" && client !== "socket.io")
    throw new UsageError(`--client is holdfast or socket.io, not ${client}`);
  if (listen !== undefined && !/^[\w.-]+:\d{1,5}$/.test(listen))
    throw new UsageError(`--listen is ADDRESS:PORT of this machine, as the servers reach it, not ${listen}`);
  if (ca !== undefined && !existsSync(ca)) throw new UsageError(`--ca ${ca}: there is no such file`);
  return {
    scenario,
    url: addressOf("--target", values.target ?? ""),
    client: client === "holdfast" ? "holdfast" : "stock",
    dialect: dialect === "loadtest" ? dialect : dialectOf(dialect),
    publish:
      publish === undefined
        ? undefined
        : { url: addressOf("--publish", publish), token: environment["LOADTEST_TOKEN"] },
    listen,
    ca,
    insecure,
    clients: wholeNumber("clients", values.clients, scenario.clients),
    rate: wholeNumber("rate", values.rate, scenario.rate),
    seconds: wholeNumber("seconds", values.seconds, scenario.talkMs / 1_000),
    seed: wholeNumber("seed", values.seed, 1 + Math.floor(Math.random() * 1_000_000)),
    text: `npm run loadtest -- ${args.join(" ")}`,
  };
}

function dialectOf(name: string): Dialect {
  try {
    return readDialect(name);
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function addressOf(option: string, text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol))
    throw new UsageError(
      `${option} is an address such as https://staging.example, not ${JSON.stringify(text)}`,
    );
  if (url.username !== "" || url.password !== "")
    throw new UsageError(`${option} has no place for a password: it would stand in the report`);
  return text;
}

function usage(): string {
  const rows = targetScenarios().map(({ name, title }) => `  ${name.padEnd(18)} ${title}`);
  return [
    "npm run loadtest -- SCENARIO --target URL [--clients N] [--rate R] [--seconds S] [--seed S]",
    "                    [--client holdfast|socket.io] [--dialect chat|loadtest|FILE] [--publish URL]",
    "                    [--listen ADDRESS:PORT] [--ca FILE] [--insecure]",
    ...rows,
  ].join("\n");
}

const text = { type: "string" } as const;
const options = {
  target: text,
  client: text,
  dialect: text,
  publish: text,
  listen: text,
  ca: text,
  insecure: { type: "boolean" },
  clients: text,
  rate: text,
  seconds: text,
  seed: text,
} as const;

// --- types ---

export type TargetCommand = {
  readonly scenario: Scenario;
  readonly url: string;
  readonly client: "holdfast" | "stock";
  readonly dialect: "loadtest" | Dialect;
  readonly publish: { readonly url: string; readonly token: string | undefined } | undefined;
  readonly listen: string | undefined;
  readonly ca: string | undefined;
  readonly insecure: boolean;
  readonly clients: number;
  readonly rate: number;
  readonly seconds: number;
  readonly seed: number;
  /** As it was typed. */
  readonly text: string;
};
