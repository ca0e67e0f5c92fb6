/** What a run against a target is to be, and what that makes the clients do. */

import type { Plan } from "../contract.ts";
import type { Scenario } from "../scenarios/scenario.ts";
import { type Dialect, readDialect } from "./dialect.ts";
import { watch } from "./scenarios.ts";

export function wholeOptions(options: TargetOptions): WholeOptions {
  const { scenario = watch } = options;
  const { clients, rate, talkMs } = scenario;
  return { scenario, client: "holdfast", clients, rate, seconds: talkMs / 1_000, seed: 1, ...options };
}

/** `link` is where connections to the target are broken, if they are. */
export function planOf(options: WholeOptions, { ledger, run, link }: Made): Plan {
  const { scenario, url, client, clients, rate, seconds, seed, publish, insecure = false } = options;
  const { roomSize = usualRoomSize, connectMs = clients * connectMsEach, reloadEveryMs } = scenario;
  const talkFromMs = connectMs + restMs;
  return {
    kind: client,
    urls: [url],
    ledger,
    clients,
    clientsPerUser: 1,
    seed,
    roomSize,
    connectMs,
    talkFromMs,
    talkUntilMs: talkFromMs + seconds * 1_000,
    // Either the clients publish all of it, or they only chat beside it.
    emitEveryMs: publish === undefined ? (clients / rate) * 1_000 : Math.max(4_000, clients * 15),
    settleMs,
    reloadEveryMs,
    dialect: dialectOf(options),
    run,
    insecure,
    ...(link === undefined ? {} : { hosts: hostsOf(new URL(url), new URL(link).host) }),
  };
}

/** k6 connects elsewhere, and goes on to say the name that was typed: in TLS, and in the Host header. */
function hostsOf(url: URL, link: string): Readonly<Record<string, string>> {
  return { [`${url.hostname}:${addressOf(url).port}`]: link };
}

export function addressOf({ protocol, hostname, port }: URL): {
  readonly host: string;
  readonly port: number;
} {
  const usualPort = protocol === "https:" ? 443 : 80;
  return { host: hostname.replace(/^\[(.*)\]$/, "$1"), port: Number(port) || usualPort };
}

function dialectOf({ dialect = "chat" }: WholeOptions): Dialect | undefined {
  if (typeof dialect !== "string") return dialect;
  return dialect === "loadtest" ? undefined : readDialect(dialect);
}

const usualRoomSize = 10;
/** 40 a second. */
export const connectMsEach = 25;
const restMs = 5_000;
export const settleMs = 30_000;

// --- types ---

type Made = { readonly ledger: string; readonly run: string; readonly link: string | undefined };

export type WholeOptions = TargetOptions &
  Required<Pick<TargetOptions, "scenario" | "client" | "clients" | "rate" | "seconds" | "seed">>;

export type TargetOptions = {
  /** Where the clients connect; a path is a namespace. */
  readonly url: string;
  /** `watch` where nothing is said. */
  readonly scenario?: Scenario;
  /** Which client; the shipped one where nothing is said. */
  readonly client?: "holdfast" | "stock";
  readonly clients?: number;
  /** Entries a second, of all clients together, or by `publish`. */
  readonly rate?: number;
  /** How long there is load, unless `finish` ends it. */
  readonly seconds?: number;
  readonly seed?: number;
  /** `chat`, `loadtest`, the name of a file, or the dialect itself. */
  readonly dialect?: string | Dialect;
  /** The application's own way to publish. */
  readonly publish?: { readonly url: string; readonly token: string | undefined } | undefined;
  /** Where servers reach the ledger, `ADDRESS:PORT`. */
  readonly listen?: string | undefined;
  /** A file with certificates to trust, in PEM. */
  readonly ca?: string | undefined;
  readonly insecure?: boolean;
  readonly k6Path?: string;
  /** For what the ledger was told, if a guarantee is broken. */
  readonly evidenceFile?: string;
  readonly tell?: (text: string) => void;
};
