/** What an application calls things: how clients of a load test enter, publish and listen there. */

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/**
 * Reads a dialect: `chat` is that of the shipped application, anything else the name of a file.
 *
 * @throws Error with a sentence that names what is wrong with it.
 */
export function readDialect(name: string): Dialect {
  const file = name === "chat" ? fileURLToPath(new URL("./chat.json", import.meta.url)) : name;
  const fail = (why: string) => new Error(`--dialect ${name}: ${why}`);
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw fail(error instanceof Error ? error.message : String(error));
  }
  const wrong = faultOf(value);
  if (wrong !== undefined) throw fail(`${wrong}; loadtest/README.md describes it`);
  return value as Dialect;
}

/** The first thing that is wrong with it, as half a sentence. */
function faultOf(value: unknown): string | undefined {
  if (!isRecord(value)) return "it is no JSON object";
  const { auth = {}, enter, say, hear, ...others } = value;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) return `there is no "${unknown}" in a dialect`;
  if (!isRecord(auth)) return `"auth" is an object`;
  if (typeof hear !== "string" || hear === "") return `"hear" names the event in which entries arrive`;
  if (!Array.isArray(enter) || !enter.every((step) => isEmission(step)))
    return `"enter" is a list of { "emit": EVENT, "with": [ARGUMENT...] }`;
  if (say === undefined) return undefined;
  if (!isEmission(say)) return `"say" is { "emit": EVENT, "with": [ARGUMENT...] }`;
  if (!JSON.stringify(say).includes("{entry}")) return `"say" has to carry "{entry}" somewhere`;
  return undefined;
}

function isEmission(value: unknown): boolean {
  return isRecord(value) && typeof value["emit"] === "string" && Array.isArray(value["with"]);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

// --- types ---

/**
 * In every text within, `{client}`, `{room}`, `{run}`, `{id}`, `{secret}` and `{entry}` stand for what they
 * name.
 */
export type Dialect = {
  /** Sent with the handshake. */
  readonly auth?: Readonly<Record<string, unknown>>;
  /** What makes a client a member of its rooms; a step that names `{room}` is taken for each of them. */
  readonly enter: readonly Emission[];
  /** What publishes an entry; without it clients only listen. */
  readonly say?: Emission & {
    /** A field that the reply has to have, or it is a refusal. */
    readonly acknowledgedBy?: string;
  };
  /** The event in which entries arrive, wherever in its arguments. */
  readonly hear: string;
};

/** An event that the application answers. */
export type Emission = { readonly emit: string; readonly with: readonly unknown[] };
