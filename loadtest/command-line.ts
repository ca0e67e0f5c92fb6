/** What the command was told to do. */

import { parseArgs } from "node:util";
import type { Kind } from "./contract.ts";
import type { StoreKind } from "./fleet.ts";
import { scenarios } from "./scenarios/index.ts";
import type { Scenario } from "./scenarios/scenario.ts";

/** @throws UsageError with a sentence for the one who typed it. */
export function readCommand(args: readonly string[]): Command {
  const { values, positionals } = parse(args);
  const [name = ""] = positionals;
  const scenario = scenarios.find((one) => one.name === name);
  if (scenario === undefined || positionals.length > 1) throw new UsageError(usage());
  const controls = (values.control ?? ["stock"]).filter((control) => control !== "none");
  const unknown = controls.find((control) => !(controlKinds as readonly string[]).includes(control));
  if (unknown !== undefined)
    throw new UsageError(`--control is ${controlKinds.join(", ")} or none, not ${unknown}`);
  const store = values.store ?? scenario.store ?? "sqlite";
  if (store !== "sqlite" && store !== "redis")
    throw new UsageError(`--store is sqlite or redis, not ${store}`);
  return {
    scenario,
    controls: controls as readonly Kind[],
    store,
    clients: wholeNumber("clients", values.clients, scenario.clients),
    rate: wholeNumber("rate", values.rate, scenario.rate),
    seed: wholeNumber("seed", values.seed, 1 + Math.floor(Math.random() * 1_000_000)),
    text: `npm run loadtest -- ${args.join(" ")}`,
  };
}

export class UsageError extends Error {}

function parse(args: readonly string[]) {
  const text = { type: "string" } as const;
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { control: { ...text, multiple: true }, clients: text, rate: text, seed: text, store: text },
    });
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : String(error)}\n${usage()}`);
  }
}

function wholeNumber(name: string, text: string | undefined, usual: number): number {
  if (text === undefined) return usual;
  const number = Number(text);
  if (Number.isInteger(number) && number >= 1) return number;
  throw new UsageError(`--${name} takes a whole number from 1, not ${text}`);
}

function usage(): string {
  const rows = scenarios.map(({ name, title }) => `  ${name.padEnd(16)} ${title}`);
  return [
    "npm run loadtest -- SCENARIO [--control KIND]... [--clients N] [--rate R] [--seed S] [--store sqlite|redis]",
    ...rows,
    `Controls: ${controlKinds.join(", ")}, none; stock where nothing is said.`,
  ].join("\n");
}

const controlKinds = ["stock", "retries", "csr", "csr-redis"] as const;

// --- types ---

export type Command = {
  readonly scenario: Scenario;
  readonly controls: readonly Kind[];
  readonly store: StoreKind;
  readonly clients: number;
  readonly rate: number;
  readonly seed: number;
  /** As it was typed. */
  readonly text: string;
};
