/** What the command was told to do. */

import { parseArgs, type ParseArgsOptionsConfig } from "node:util";
import type { Kind } from "./contract.ts";
import type { StoreKind } from "./fleet.ts";
import { scenarios } from "./scenarios/index.ts";
import type { Scenario } from "./scenarios/scenario.ts";

/** @throws UsageError with a sentence for the one who typed it. */
export function readCommands(args: readonly string[]): readonly Command[] {
  const { values, positionals } = parse(args, options, usage);
  const [name = ""] = positionals;
  if (positionals.length !== 1) throw new UsageError(usage());
  const text = `npm run loadtest -- ${args.join(" ")}`;
  const given: Given = { ...values, text };
  if (name === "long")
    return longForm.map(({ scenario, ...usual }) => commandOf(scenario, { ...usual, ...given }));
  if (name !== "short") return [commandOf(name, given)];
  return shortForm.map(({ scenario, control }) =>
    commandOf(scenario, { clients: "60", rate: "40", seconds: "25", control: [control], ...given }),
  );
}

function commandOf(name: string, given: Given): Command {
  const scenario = scenarios.find((one) => one.name === name);
  if (scenario === undefined) throw new UsageError(usage());
  const controls = (given.control ?? ["stock"]).filter((control) => control !== "none");
  const unknown = controls.find((control) => !isControl(control));
  if (unknown !== undefined)
    throw new UsageError(`--control is ${controlKinds.join(", ")} or none, not ${unknown}`);
  const store = given.store ?? scenario.store ?? "sqlite";
  if (store !== "sqlite" && store !== "redis")
    throw new UsageError(`--store is sqlite or redis, not ${store}`);
  const { raw = false } = given;
  if (raw && controls.includes("retries"))
    throw new UsageError("--raw has no retries: they are socket.io-client's own; leave --raw out");
  return {
    scenario,
    raw,
    controls: controls.filter(isControl),
    store,
    clients: wholeNumber("clients", given.clients, scenario.clients),
    rate: wholeNumber("rate", given.rate, scenario.rate),
    talkMs: 1_000 * wholeNumber("seconds", given.seconds, scenario.talkMs / 1_000),
    seed: wholeNumber("seed", given.seed, 1 + Math.floor(Math.random() * 1_000_000)),
    text: given.text,
  };
}

function isControl(control: string): control is (typeof controlKinds)[number] {
  return (controlKinds as readonly string[]).includes(control);
}

export class UsageError extends Error {}

/** @throws UsageError with the complaint, and how the command is used. */
export function parse<T extends ParseArgsOptionsConfig>(
  args: readonly string[],
  options: T,
  usage: () => string,
) {
  try {
    return parseArgs({ args: [...args], allowPositionals: true, options });
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : String(error)}\n${usage()}`);
  }
}

/** @throws UsageError */
export function wholeNumber(name: string, text: string | undefined, usual: number): number {
  if (text === undefined) return usual;
  const number = Number(text);
  if (Number.isInteger(number) && number >= 1) return number;
  throw new UsageError(`--${name} takes a whole number from 1, not ${text}`);
}

function usage(): string {
  const rows = scenarios.map(({ name, title }) => `  ${name.padEnd(26)} ${title}`);
  return [
    "npm run loadtest -- SCENARIO [--control KIND]... [--clients N] [--rate R] [--seconds S] [--seed S]",
    "                             [--store sqlite|redis] [--raw]",
    ...rows,
    `  ${"short".padEnd(26)} ${shortForm.map(({ scenario }) => scenario).join(", ")}, small and one after the other`,
    `  ${"long".padEnd(26)} all of them but soak, most with 500 clients, in about an hour; a table at the end`,
    "npm run loadtest -- SCENARIO --target URL   against servers that are there already",
    `Controls: ${controlKinds.join(", ")}, none; stock where nothing is said.`,
  ].join("\n");
}

const text = { type: "string" } as const;
const options = {
  control: { ...text, multiple: true },
  clients: text,
  rate: text,
  seconds: text,
  seed: text,
  store: text,
  raw: { type: "boolean" },
} as const;

const controlKinds = ["stock", "retries", "csr", "csr-redis"] as const;

/** One control is enough to show that the meter finds what there is to find. */
const shortForm = [
  { scenario: "steady", control: "none" },
  { scenario: "drops", control: "none" },
  { scenario: "worker-kill", control: "none" },
  { scenario: "rolling-deploy", control: "stock" },
] as const;

/**
 * What two cores carry, clients, servers and ledger together. Controls where they show what the scenario is
 * about; in the others nobody loses anything.
 */
const longForm: readonly LongRun[] = [
  { scenario: "steady", clients: "500", rate: "50", control: ["none"] },
  { scenario: "fan-out", clients: "200", rate: "5", control: ["none"] },
  { scenario: "burst-connect", clients: "500", rate: "50", control: ["none"] },
  { scenario: "drops", clients: "500", rate: "50", control: ["stock"] },
  { scenario: "half-open", clients: "500", rate: "50", control: ["stock", "retries"] },
  { scenario: "scale", clients: "500", rate: "50", control: ["stock"] },
  { scenario: "worker-kill", clients: "500", rate: "50", control: ["stock", "csr"] },
  { scenario: "rolling-deploy", clients: "1000", rate: "50", control: ["stock", "csr", "csr-redis"] },
  { scenario: "rolling-deploy-5", clients: "500", rate: "50", control: ["stock"] },
  { scenario: "rolling-deploy-nginx", clients: "500", rate: "50", control: ["stock"] },
  { scenario: "rolling-deploy-cluster", clients: "500", rate: "50", control: ["stock"] },
  { scenario: "proxy-reload", clients: "500", rate: "50", control: ["none"] },
  { scenario: "proxy-restart", clients: "500", rate: "50", control: ["stock"] },
  { scenario: "store-restart", clients: "500", rate: "50", control: ["stock"] },
  { scenario: "store-failover", clients: "500", rate: "50", control: ["csr-redis"] },
  { scenario: "slow-consumers", clients: "500", rate: "50", control: ["stock"] },
  { scenario: "reconnect-storm", clients: "500", rate: "50", control: ["stock"] },
  { scenario: "offline-beyond-retention", clients: "300", rate: "50", control: ["none"] },
  { scenario: "page-reload", clients: "300", rate: "50", control: ["stock"] },
];

// --- types ---

type LongRun = {
  readonly scenario: string;
  readonly clients: string;
  readonly rate: string;
  readonly control: string[];
};

type Given = {
  readonly text: string;
  readonly control?: string[] | undefined;
  readonly raw?: boolean | undefined;
} & Readonly<Partial<Record<"clients" | "rate" | "seconds" | "seed" | "store", string | undefined>>>;

export type Command = {
  readonly scenario: Scenario;
  readonly controls: readonly Kind[];
  readonly store: StoreKind;
  /** Clients by hand instead of the shipped one. */
  readonly raw: boolean;
  readonly clients: number;
  readonly rate: number;
  /** How long there is load. */
  readonly talkMs: number;
  readonly seed: number;
  /** As it was typed. */
  readonly text: string;
};
