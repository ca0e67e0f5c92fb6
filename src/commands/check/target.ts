/** What is to be checked, and how: the command line of `holdfast check`. */

import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";

export const checkUsage = `Usage: holdfast check URL [OPTIONS]

  Tries a deployment as its clients use it, and says what was seen, what it means and what to change.
  URL is that of the site, such as https://chat.example, and has no path.

  --path PATH           where Socket.IO answers (/socket.io/)
  --namespace NAME      the namespace to open a session in (/)
  --auth JSON           what the namespace asks of its clients, such as '{"token":"..."}'
  --origin URL          origin of a page on another host that has to be let in (CORS)
  --clients NUMBER      long-polling clients at the same time, 1 to 200 (30)
  --large BYTES         size of the large message (a little below what the server takes, at most 1 MB)
  --idle [SECONDS]      keep two connections silent for so long, at most 3600; without a number as long as
                        a client waits for a ping, and 5 s more
  --ca FILE             certificates to trust beside the system's, in PEM
  --insecure            do not verify the certificate
  --timeout SECONDS     for each answer, 1 to 120 (10)
  --json                one JSON object instead of the table

  Ends with 0 when it works, 1 when something is broken, 2 when the command is wrong or the name of the
  host is unknown, 130 when it was interrupted.`;

/** Reads the arguments behind `holdfast check`. Throws a `WrongUse` that says what is wrong with them. */
export function readTarget(args: readonly string[]): Target | "help" {
  const { values, positionals } = parsed(args);
  if (values.help === true) return "help";
  const [address, surplus] = positionals;
  if (address === undefined) throw new WrongUse("Which deployment? Give its URL.");
  if (surplus !== undefined) throw new WrongUse(`One URL at a time; what is ${JSON.stringify(surplus)}?`);
  return {
    url: urlOf(address),
    path: pathOf(values.path),
    namespace: namespaceOf(values.namespace),
    auth: values.auth === undefined ? undefined : authOf(values.auth),
    origin: values.origin === undefined ? undefined : originOf(values.origin),
    clients: numberOf("--clients", values.clients, 1, 200),
    largeBytes:
      values.large === undefined ? undefined : numberOf("--large", values.large, 1_000, 100_000_000),
    idleMs: idleOf(values.idle),
    authorities: values.ca === undefined ? undefined : authoritiesOf(values.ca),
    insecure: values.insecure === true,
    timeoutMs: numberOf("--timeout", values.timeout, 1, 120) * 1_000,
    json: values.json === true,
  };
}

/** Thrown with a sentence for whoever typed the command. */
export class WrongUse extends Error {
  override readonly name = "WrongUse";
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: withIdleValue(args),
      allowPositionals: true,
      options: {
        path: { type: "string", default: "/socket.io/" },
        namespace: { type: "string", default: "/" },
        auth: { type: "string" },
        origin: { type: "string" },
        clients: { type: "string", default: "30" },
        large: { type: "string" },
        idle: { type: "string" },
        ca: { type: "string" },
        insecure: { type: "boolean" },
        timeout: { type: "string", default: "10" },
        json: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    throw new WrongUse((error as Error).message);
  }
}

/** `parseArgs` knows no option that may stand with or without a value. */
function withIdleValue(args: readonly string[]): string[] {
  const given: string[] = [];
  for (const [index, argument] of args.entries()) {
    const follows = args[index + 1] ?? "";
    if (argument === "--idle") given.push(/^\d/.test(follows) ? `--idle=${follows}` : "--idle=ping");
    else if (args[index - 1] !== "--idle" || !/^\d/.test(argument)) given.push(argument);
  }
  return given;
}

function urlOf(address: string): URL {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  const scheme = url === undefined ? undefined : schemes.get(url.protocol);
  if (url === undefined || scheme === undefined) {
    throw new WrongUse(`${JSON.stringify(address)} is no URL of a site: https://chat.example is one.`);
  }
  if (url.username !== "" || url.password !== "") throw new WrongUse("The URL has no place for a password.");
  if (url.pathname !== "/" || url.search !== "" || url.hash !== "") {
    throw new WrongUse(
      `The URL ends behind the host: give the place of Socket.IO with --path, a namespace with --namespace.`,
    );
  }
  return new URL(`${scheme}//${url.host}/`);
}

function pathOf(text: string): string {
  if (!/^[\w/.~%-]+$/.test(text)) throw new WrongUse(`--path is ${JSON.stringify(text)}, not a path.`);
  return `/${text}/`.replaceAll(/\/+/g, "/");
}

function namespaceOf(text: string): string {
  if (text.includes(",")) throw new WrongUse("--namespace cannot contain a comma.");
  return text.startsWith("/") ? text : `/${text}`;
}

function authOf(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  } catch {
    // Said below. What was typed may be a secret, and is not repeated.
  }
  throw new WrongUse(`--auth takes a JSON object, such as '{"token":"..."}'.`);
}

function originOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && url.origin !== "null" && url.pathname === "/") return url.origin;
  throw new WrongUse(`--origin is ${JSON.stringify(text)}; https://app.example is an origin.`);
}

function idleOf(text: string | undefined): Target["idleMs"] {
  if (text === undefined) return undefined;
  return text === "ping" ? "ping" : numberOf("--idle", text, 1, 3_600) * 1_000;
}

function authoritiesOf(file: string): string {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new WrongUse(`--ca cannot be read: ${(error as Error).message}.`);
  }
  if (text.includes("-----BEGIN CERTIFICATE-----")) return text;
  throw new WrongUse(`--ca ${file} has no certificate in it; it has to be in PEM.`);
}

function numberOf(option: string, text: string, least: number, most: number): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw new WrongUse(
    `${option} is ${JSON.stringify(text)}; allowed is a whole number from ${least} to ${most}.`,
  );
}

const schemes: ReadonlyMap<string, string> = new Map([
  ["http:", "http:"],
  ["https:", "https:"],
  ["ws:", "http:"],
  ["wss:", "https:"],
]);

// --- types ---

export type Target = {
  /** Of the site, with the path "/". */
  readonly url: URL;
  readonly path: string;
  readonly namespace: string;
  readonly auth: Readonly<Record<string, unknown>> | undefined;
  readonly origin: string | undefined;
  readonly clients: number;
  readonly largeBytes: number | undefined;
  /** "ping": as long as the server's ping interval and timeout ask for. */
  readonly idleMs: number | "ping" | undefined;
  readonly authorities: string | undefined;
  readonly insecure: boolean;
  readonly timeoutMs: number;
  readonly json: boolean;
};
