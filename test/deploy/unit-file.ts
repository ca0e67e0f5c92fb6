/** A unit file as systemd reads it, as far as starting and stopping its process goes. */

import { readFileSync } from "node:fs";
import { parseEnv } from "node:util";

/** Reads a unit; `%i` becomes `instance`, and paths of the machine become those of `places`. */
export function readUnit(
  path: string,
  instance: string,
  places: Readonly<Record<string, string>> = {},
): Unit {
  const values = new Map<string, string[]>();
  for (const line of readFileSync(path, "utf8").split("\n")) {
    const [, key = "", value = ""] = /^([A-Za-z]+)=(.*)$/.exec(line) ?? [];
    if (key === "") continue;
    const moved = Object.entries(places).reduce(
      (text, [from, to]) => text.replaceAll(from, to),
      value.replaceAll("%i", instance),
    );
    values.set(key, [...(values.get(key) ?? []), moved]);
  }
  return new Unit(values);
}

export class Unit {
  readonly #values: ReadonlyMap<string, readonly string[]>;

  constructor(values: ReadonlyMap<string, readonly string[]>) {
    this.#values = values;
  }

  /** The one value of a setting; fails unless there is exactly one. */
  one(name: string): string {
    const [value, ...others] = this.#values.get(name) ?? [];
    if (value === undefined || others.length > 0) throw new Error(`${name} has to stand there once`);
    return value;
  }

  /** Of `Environment=` and then of the files, of which later ones win. */
  get environment(): Readonly<Record<string, string>> {
    const own = (this.#values.get("Environment") ?? []).map((line) => [
      line.slice(0, line.indexOf("=")),
      line.slice(line.indexOf("=") + 1),
    ]);
    const files = (this.#values.get("EnvironmentFile") ?? []).map((file) =>
      parseEnv(readFileSync(file, "utf8")),
    );
    return Object.assign(Object.fromEntries(own) as Record<string, string>, ...files) as Record<
      string,
      string
    >;
  }

  get stopSeconds(): number {
    return Number(this.one("TimeoutStopSec"));
  }
}
