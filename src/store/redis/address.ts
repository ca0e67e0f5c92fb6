/**
 * Addresses of a Redis:
 *
 *     redis://[user:password@]host[:6379][/database]
 *     redis+sentinel://[user:password@]host[:26379],host.../name
 *     redis+cluster://[user:password@]host[:6379],host...
 *
 * `rediss` in front, instead of `redis`, is TLS. Settings follow as in a query: `durability`, `replicas`,
 * `prefix`, `outageMs`.
 */

import { DeliveryError } from "../../protocol/errors.ts";
import type { Durability } from "../port.ts";

export type RedisAddress = {
  readonly kind: "alone" | "sentinel" | "cluster";
  readonly tls: boolean;
  readonly nodes: readonly { readonly host: string; readonly port: number }[];
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly database: number;
  /** What the sentinels call the primary. */
  readonly primaryName: string;
  /** What a receipt promises; refused at the start where the server cannot keep it. Default `memory`. */
  readonly durability: Durability;
  /** How many replicas have to have a write, with `replicated`. Default 1. */
  readonly replicas: number;
  /** What all keys begin with. Default `holdfast`. */
  readonly prefix: string;
  /** How long a write waits for a Redis that does not answer. Default 15 s. */
  readonly outageMs: number;
};

/** Without a password, for logs and errors. */
export function shownAddress(address: string): string {
  return address.replace(/\/\/[^/]*@/, "//...@");
}

export function isRedisAddress(address: string): boolean {
  return /^rediss?(\+[a-z]*)?:/.test(address);
}

/** @throws {DeliveryError} `store_invalid`, which says what is wrong with it. */
export function parseRedisAddress(address: string): RedisAddress {
  const wrong = (what: string) =>
    new DeliveryError("store_invalid", { detail: `${JSON.stringify(shownAddress(address))}: ${what}` });
  const [, scheme = "", login = "", hosts = "", path = "", query = ""] =
    /^(rediss?(?:\+(?:sentinel|cluster))?):\/\/(?:([^@/]*)@)?([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/.exec(
      address,
    ) ?? [];
  const [transport = "", variant = "alone"] = scheme.split("+");
  if (scheme === "") throw wrong("it has to begin with redis://, redis+sentinel:// or redis+cluster://");
  const kind = variant as RedisAddress["kind"];
  const nodes = hosts.split(",").map((text) => nodeOf(text, kind === "sentinel" ? 26_379 : 6_379));
  if (nodes.some((node) => node === undefined)) throw wrong("hosts look like name:port, between commas");
  if (kind === "alone" && nodes.length !== 1) throw wrong("a Redis alone has one host");
  if (kind === "sentinel" && path === "") throw wrong("after the sentinels comes /NAME of the primary");
  if (kind === "cluster" && path !== "") throw wrong("a Cluster has no databases");
  if (kind === "alone" && !/^\d{0,5}$/.test(path)) throw wrong("the database is a number");
  const [username = "", password] = login.includes(":") ? splitOnce(login) : ["", login || undefined];
  return {
    kind,
    tls: transport === "rediss",
    nodes: nodes.flatMap((node) => node ?? []),
    username: username === "" ? undefined : decodeURIComponent(username),
    password: password === undefined ? undefined : decodeURIComponent(password),
    database: kind === "alone" ? Number(path) : 0,
    primaryName: kind === "sentinel" ? decodeURIComponent(path) : "",
    ...parseSettings(new URLSearchParams(query), wrong),
  };
}

function parseSettings(
  settings: URLSearchParams,
  wrong: (what: string) => DeliveryError,
): Pick<RedisAddress, "durability" | "prefix" | "replicas" | "outageMs"> {
  for (const name of settings.keys()) {
    if (!settingNames.includes(name)) throw wrong(`the settings are ${settingNames.join(", ")}`);
  }
  const durability = settings.get("durability") ?? "memory";
  if (durability !== "memory" && durability !== "fsynced" && durability !== "replicated") {
    throw wrong("durability is memory, fsynced or replicated");
  }
  const prefix = settings.get("prefix") ?? "holdfast";
  if (!/^[\w.-]{1,64}$/.test(prefix)) throw wrong("prefix is up to 64 letters, digits, dots or dashes");
  const whole = (name: string, fallback: number, least: number, most: number) => {
    const value = Number(settings.get(name) ?? fallback);
    if (Number.isInteger(value) && value >= least && value <= most) return value;
    throw wrong(`${name} is a whole number from ${least} to ${most}`);
  };
  return {
    durability,
    prefix,
    replicas: whole("replicas", 1, 1, 16),
    outageMs: whole("outageMs", 15_000, 100, 600_000),
  };
}

function nodeOf(hostAndPort: string, portDefault: number) {
  const [, ipv6, name = "", digits] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(hostAndPort) ?? [];
  const host = ipv6 ?? name;
  const port = digits === undefined ? portDefault : Number(digits);
  return host === "" || port < 1 || port > 65_535 ? undefined : { host, port };
}

function splitOnce(login: string): [string, string] {
  const at = login.indexOf(":");
  return [login.slice(0, at), login.slice(at + 1)];
}

const settingNames = ["durability", "replicas", "prefix", "outageMs"];
