/**
 * Everything that a deployment may set, read from the environment once and refused by name when it is wrong.
 */

import type { BlockList } from "node:net";
import { availableParallelism } from "node:os";
import type { CertificateFiles } from "./http/certificate.ts";
import { addressList } from "./http/forwarded.ts";
import { isRedisAddress, shownAddress } from "./store/redis/address.ts";

export const settings = {
  PORT: {
    fallback: "3000",
    allowed: "a whole number from 0 to 65535 (0 takes any free port)",
    meaning: "TCP port of the page, of Socket.IO and of the health checks.",
  },
  HOST: {
    fallback: "127.0.0.1",
    allowed: "an IP address or a host name of this machine",
    meaning:
      "Address to listen on. The default answers this machine only; a container or a server " +
      "needs `0.0.0.0` or `::`.",
  },
  HOLDFAST_WORKERS: {
    fallback: "",
    allowed: "`max` (one for each core), a whole number from 1 to the number of cores, or nothing",
    meaning:
      "Worker processes behind one primary, which hands them the connections, replaces those that die, " +
      "and exchanges all of them on `holdfast roll`. Empty: one process that does everything.",
  },
  HOLDFAST_INTERNAL_PORT: {
    fallback: "",
    allowed: "a whole number from 0 to 65535 (0 takes any free port), or nothing",
    meaning:
      "TCP port of health checks, metrics and commands (`holdfast roll`), of the primary where there are " +
      "workers. Empty: none, and nothing is measured.",
  },
  HOLDFAST_INTERNAL_HOST: {
    fallback: "127.0.0.1",
    allowed: "an IP address or a host name of this machine",
    meaning:
      "Address of the internal port. Whoever reaches it reads the metrics; commands are taken from this " +
      "machine only.",
  },
  HOLDFAST_TLS_CERTIFICATE: {
    fallback: "",
    allowed: "a file, or nothing",
    meaning:
      "Certificate of the site in PEM form, with its chain behind it. With it this process ends TLS " +
      "itself, and speaks https only; `SIGHUP` has it read again. Not with workers.",
  },
  HOLDFAST_TLS_KEY: {
    fallback: "",
    allowed: "a file, or nothing",
    meaning: "The certificate's private key in PEM form, without a passphrase.",
  },
  HOLDFAST_SECOND_STACK: {
    fallback: "",
    allowed: "`http://HOST:PORT`, or nothing",
    meaning:
      "The HTTP application beside this one, such as one in PHP, Ruby or Python. What is neither " +
      "`/socket.io/` nor a health check is passed on to it, WebSockets too, in place of the page.",
  },
  HOLDFAST_SECOND_STACK_TIMEOUT_MS: {
    fallback: "60000",
    allowed: "a whole number from 100 to 3600000",
    meaning: "Milliseconds of silence after which a request to the second stack is answered with 504.",
  },
  HOLDFAST_SECOND_STACK_CONNECTIONS: {
    fallback: "1000",
    allowed: "a whole number from 1 to 100000",
    meaning:
      "Requests and WebSockets that each process passes on at a time. One more is answered with 503 and " +
      "the time to come back.",
  },
  HOLDFAST_TRUSTED_PROXIES: {
    fallback: "",
    allowed: "IP addresses and ranges (`10.0.0.0/8`) with commas between them, or nothing",
    meaning:
      "Load balancers in front of this process, whose `X-Forwarded-For`, `-Proto` and `-Host` are passed " +
      "on to the second stack. What anybody else says there is replaced.",
  },
  HOLDFAST_STORE: {
    fallback: "sqlite:data/holdfast.db",
    allowed:
      "`sqlite:FILE`, `redis://HOST`, `redis+sentinel://HOST,HOST/NAME`, `redis+cluster://HOST,HOST` " +
      "or `memory:`",
    meaning:
      "Where sessions and streams live. SQLite serves the processes of one machine, Redis those of any " +
      "number of machines ([REDIS.md](REDIS.md)). With `memory:` they live as long as the process.",
  },
  HOLDFAST_CHAT_DATABASE: {
    fallback: "",
    allowed: "a file, `:memory:`, an address of a Redis as above, or nothing",
    meaning:
      "Where the chat application keeps who holds which name: a SQLite file of this machine, or a Redis " +
      "for all machines. Empty: the Redis of `HOLDFAST_STORE` where that is one, else `data/chat.db`.",
  },
  HOLDFAST_NODE: {
    fallback: "",
    allowed: "three characters out of A-Z, a-z, 0-9 and _, or nothing",
    meaning:
      "Name of this process, or of this primary and its workers; the prefix of connection ids, by which " +
      "load balancers route. Of two on one store each needs its own, else the second does not start. " +
      "Empty: drawn at start among those that are free; drawn names begin with _.",
  },
  HOLDFAST_RETENTION_HOURS: {
    fallback: "720",
    allowed: "a whole number from 1 to 87600",
    meaning:
      "Hours for which messages are kept, in rooms and in mailboxes. Who comes back later is " +
      "told of the gap. Beside it, a room keeps its latest 100,000 messages and a mailbox its " +
      "latest 10,000.",
  },
  HOLDFAST_SESSION_HOURS: {
    fallback: "24",
    allowed: "a whole number from 1 to 8760",
    meaning:
      "Hours after which a client that does not come back is forgotten, with its rooms and its " +
      "unsent replies.",
  },
  HOLDFAST_LOG_LEVEL: {
    fallback: "info",
    allowed: "trace, debug, info, warn, error, fatal or silent",
    meaning: "The least important line that is logged. Logs are JSON lines on standard error.",
  },
  HOLDFAST_DRAIN_LEAD_MS: {
    fallback: "0",
    allowed: "a whole number from 0 to 600000",
    meaning:
      "Milliseconds between `/readyz` turning 404 and the first closed connection. Behind a " +
      "load balancer: a little more than the time it takes to notice.",
  },
  HOLDFAST_DRAIN_BATCH_SIZE: {
    fallback: "25",
    allowed: "a whole number from 1 to 100000",
    meaning:
      "Connections that a process lets go together; more, where there are too many for half of the " +
      "shutdown timeout.",
  },
  HOLDFAST_DRAIN_BATCH_INTERVAL_MS: {
    fallback: "250",
    allowed: "a whole number from 0 to 60000",
    meaning: "Milliseconds between two such batches.",
  },
  HOLDFAST_SHUTDOWN_TIMEOUT_MS: {
    fallback: "20000",
    allowed: "a whole number from 100 to 600000",
    meaning:
      "Milliseconds after which a shutdown that has not finished is cut short, counted from the " +
      "end of the lead time. What it cut is delivered after the next start.",
  },
} as const satisfies Record<string, Setting>;

/** Thrown with one line for each wrong setting, so that a deployment is repaired in one go. */
export class ConfigurationError extends Error {
  readonly code = "configuration_wrong";
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.name = "ConfigurationError";
    this.problems = problems;
  }
}

/**
 * Reads `environment` into a frozen object. An empty variable counts as unset, because compose files and unit
 * files cannot express "unset" otherwise. Throws a `ConfigurationError` that names every wrong value.
 */
export function readConfiguration(
  environment: Environment,
  cores: number = availableParallelism(),
): Configuration {
  const problems: string[] = [];

  /**
   * Takes a value that `accept` turns into something, and notes the problem when it turns it into nothing.
   */
  function read<T>(name: SettingName, accept: (text: string) => T | undefined): T {
    const text = environment[name] || settings[name].fallback;
    const value = accept(text);
    if (value !== undefined) return value;
    problems.push(`${name} is ${JSON.stringify(shownAddress(text))}; allowed is ${settings[name].allowed}.`);
    // The fallback stands in until the error below is thrown, so that the remaining values are looked at too.
    return accept(settings[name].fallback) as T;
  }

  for (const name of Object.keys(environment)) {
    // A mistyped name would otherwise be a default that nobody chose.
    if (!name.startsWith("HOLDFAST_") || name in settings || foreignNames.test(name)) continue;
    problems.push(`${name} is not a setting; known are ${Object.keys(settings).join(", ")}.`);
  }

  const store = read("HOLDFAST_STORE", (text) => (storeAddress.test(text) ? text : undefined));
  const configuration = {
    port: read("PORT", wholeNumber(0, 65_535)),
    host: read("HOST", hostName),
    workers: read("HOLDFAST_WORKERS", (text) => {
      if (text === "") return 0;
      return text === "max" ? cores : wholeNumber(1, cores)(text);
    }),
    internalPort:
      read("HOLDFAST_INTERNAL_PORT", (text) => (text === "" ? null : wholeNumber(0, 65_535)(text))) ??
      undefined,
    internalHost: read("HOLDFAST_INTERNAL_HOST", hostName),
    tls: certificateFiles(read("HOLDFAST_TLS_CERTIFICATE", fileName), read("HOLDFAST_TLS_KEY", fileName)),
    secondStack: {
      target: read("HOLDFAST_SECOND_STACK", originOrNothing) || undefined,
      timeoutMs: read("HOLDFAST_SECOND_STACK_TIMEOUT_MS", wholeNumber(100, 3_600_000)),
      connectionsMax: read("HOLDFAST_SECOND_STACK_CONNECTIONS", wholeNumber(1, 100_000)),
      trustedProxies: read("HOLDFAST_TRUSTED_PROXIES", addressList),
    },
    store,
    chatDatabase:
      read("HOLDFAST_CHAT_DATABASE", fileName) || (isRedisAddress(store) ? store : "data/chat.db"),
    node:
      read("HOLDFAST_NODE", (text) => (/^([A-Za-z0-9_]{3})?$/.test(text) ? text : undefined)) || undefined,
    retentionMs: read("HOLDFAST_RETENTION_HOURS", wholeNumber(1, 87_600)) * hourMs,
    sessionLifeMs: read("HOLDFAST_SESSION_HOURS", wholeNumber(1, 8760)) * hourMs,
    logLevel: read("HOLDFAST_LOG_LEVEL", (text) => logLevels.find((level) => level === text)),
    drainLeadMs: read("HOLDFAST_DRAIN_LEAD_MS", wholeNumber(0, 600_000)),
    drainBatchSize: read("HOLDFAST_DRAIN_BATCH_SIZE", wholeNumber(1, 100_000)),
    drainBatchIntervalMs: read("HOLDFAST_DRAIN_BATCH_INTERVAL_MS", wholeNumber(0, 60_000)),
    shutdownTimeoutMs: read("HOLDFAST_SHUTDOWN_TIMEOUT_MS", wholeNumber(100, 600_000)),
  };
  if (configuration.workers > 0 && configuration.store.startsWith("memory:")) {
    problems.push('HOLDFAST_WORKERS needs a store that processes share; HOLDFAST_STORE is "memory:".');
  }
  if (configuration.port > 0 && configuration.internalPort === configuration.port) {
    problems.push(`HOLDFAST_INTERNAL_PORT and PORT are both ${configuration.port}.`);
  }
  problems.push(...problemsOfTls(environment), ...problemsOfSecondStack(configuration));
  if (problems.length > 0) throw new ConfigurationError(problems);
  return Object.freeze(configuration);
}

function problemsOfTls(environment: Environment): readonly string[] {
  const certificate = environment["HOLDFAST_TLS_CERTIFICATE"] || undefined;
  const key = environment["HOLDFAST_TLS_KEY"] || undefined;
  if (certificate === undefined && key === undefined) return [];
  if (certificate === undefined)
    return ["HOLDFAST_TLS_KEY is set and HOLDFAST_TLS_CERTIFICATE is not; set both."];
  if (key === undefined) return ["HOLDFAST_TLS_CERTIFICATE is set and HOLDFAST_TLS_KEY is not; set both."];
  if ((environment["HOLDFAST_WORKERS"] || undefined) === undefined) return [];
  // The primary goes by the connection id in a request, and with TLS there is nothing that it could read.
  return [
    "HOLDFAST_WORKERS and HOLDFAST_TLS_CERTIFICATE exclude each other: what a primary hands to its workers " +
      "it has to be able to read. Leave one of them out, and with workers end TLS in front of them: by " +
      "HAProxy (haproxy/), nginx (nginx/) or stunnel (deploy/stunnel/).",
  ];
}

/** A process that passes requests on to itself would pass them on until it has no connection left. */
function problemsOfSecondStack({ host, port, secondStack: { target } }: Configuration): readonly string[] {
  if (target === undefined) return [];
  const { hostname, port: targetPort } = new URL(target);
  const isHere = [host, "localhost", "127.0.0.1", "[::1]", "0.0.0.0", "[::]"].includes(hostname);
  if (!isHere || Number(targetPort || 80) !== port) return [];
  return [
    `HOLDFAST_SECOND_STACK=${target} is this process itself, whose PORT is ${port}: set another PORT, ` +
      "such as 80 or 8000.",
  ];
}

/** A half of the pair is refused by itself. */
function certificateFiles(certificateFile: string, keyFile: string): CertificateFiles | undefined {
  return certificateFile === "" ? undefined : { certificateFile, keyFile };
}

function fileName(text: string): string | undefined {
  return text.includes("\0") ? undefined : text;
}

function originOrNothing(text: string): string | undefined {
  if (text === "") return "";
  const url = /^http:\/\/[^/?#@\s]+\/?$/.test(text) ? URL.parse(text) : null;
  return url?.origin;
}

function hostName(text: string): string | undefined {
  return /^[\w.:%-]+$/.test(text) ? text : undefined;
}

function wholeNumber(least: number, most: number): (text: string) => number | undefined {
  return (text) => {
    if (!/^\d{1,9}$/.test(text)) return undefined;
    const value = Number(text);
    return value >= least && value <= most ? value : undefined;
  };
}

const hourMs = 3_600_000;

/** What stands behind the scheme is refused by the store itself, by name, when it is opened. */
const storeAddress = /^(sqlite:.+|memory:|rediss?(\+sentinel|\+cluster)?:\/\/.+)$/;

const logLevels = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;

/**
 * Variables that begin like settings and are none: those of the test suite, and those that Kubernetes puts
 * into every pod for each service whose name begins with "holdfast" (`HOLDFAST_SERVICE_HOST`,
 * `HOLDFAST_PORT_3000_TCP_ADDR`).
 */
const foreignNames = /^HOLDFAST_(TEST_|(.+_)?SERVICE_(HOST|PORT)(_|$)|(.+_)?PORT(_\d+_|$))/;

// --- types ---

type Environment = Readonly<Record<string, string | undefined>>;

export type SettingName = keyof typeof settings;

export type Setting = {
  /** The value of an unset or empty variable, as text. */
  readonly fallback: string;
  /** What is allowed, as the end of the sentence "allowed is ...". */
  readonly allowed: string;
  readonly meaning: string;
};

export type Configuration = {
  readonly port: number;
  readonly host: string;
  /** 0: one process without a primary. */
  readonly workers: number;
  /** Undefined: there is no internal port. */
  readonly internalPort: number | undefined;
  readonly internalHost: string;
  /** Undefined: this process speaks plain HTTP. */
  readonly tls: CertificateFiles | undefined;
  readonly secondStack: {
    /** Undefined: there is none, and the page is served. */
    readonly target: string | undefined;
    readonly timeoutMs: number;
    readonly connectionsMax: number;
    readonly trustedProxies: BlockList;
  };
  readonly store: string;
  readonly chatDatabase: string;
  /** Undefined: the server draws one. */
  readonly node: string | undefined;
  readonly retentionMs: number;
  readonly sessionLifeMs: number;
  readonly logLevel: (typeof logLevels)[number];
  readonly drainLeadMs: number;
  readonly drainBatchSize: number;
  readonly drainBatchIntervalMs: number;
  readonly shutdownTimeoutMs: number;
};
