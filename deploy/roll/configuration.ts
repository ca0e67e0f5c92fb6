/** The file that says what is rolled and how: read once, and refused by name before anything is changed. */

import { readFileSync } from "node:fs";

/** Thrown with one line for each wrong or missing setting, so that a file is repaired in one go. */
export class ConfigurationError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.name = "ConfigurationError";
    this.problems = problems;
  }
}

/** Reads the file. Throws a `ConfigurationError` that names all that is wrong in it. */
export function readConfigurationFile(path: string): RollConfiguration {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ConfigurationError([
      `${path} cannot be read: ${why}. README.md in deploy/roll has an example; --config FILE takes another one.`,
    ]);
  }
  return readConfiguration(value);
}

/** What the parsed file says, or a `ConfigurationError`. */
export function readConfiguration(value: unknown): RollConfiguration {
  const reader = new Reader();
  const all = reader.object(value, "the file", [
    "folder",
    "keep",
    "slots",
    "commands",
    "readyTimeoutMs",
    "stopTimeoutMs",
    "haproxy",
  ]);
  const slots = reader.object(all["slots"], "slots", ["a", "b"]);
  const commands = reader.object(all["commands"], "commands", ["start", "stop", "prepare", "log"]);
  const a = reader.instances(slots["a"], "a");
  const b = slots["b"] === undefined ? [] : reader.instances(slots["b"], "b");
  reader.distinct([...a, ...b]);
  const isOne = a.length + b.length === 1;
  const configuration: RollConfiguration = {
    folder: reader.absolutePath(all["folder"] ?? "/opt/holdfast", "folder"),
    keep: reader.wholeNumber(all["keep"] ?? 5, "keep", [2, 1000]),
    slots: { a, b },
    commands: {
      start: reader.instanceCommand(commands["start"], "commands.start", isOne),
      stop: reader.instanceCommand(commands["stop"], "commands.stop", isOne),
      prepare:
        commands["prepare"] === undefined
          ? undefined
          : reader.command(commands["prepare"], "commands.prepare"),
      log: commands["log"] === undefined ? undefined : reader.command(commands["log"], "commands.log"),
    },
    readyTimeoutMs: reader.wholeNumber(all["readyTimeoutMs"] ?? 60_000, "readyTimeoutMs", [100, 3_600_000]),
    stopTimeoutMs: reader.wholeNumber(all["stopTimeoutMs"] ?? 60_000, "stopTimeoutMs", [100, 3_600_000]),
    haproxy: all["haproxy"] === undefined ? undefined : reader.haproxy(all["haproxy"]),
  };
  if (reader.problems.length > 0) throw new ConfigurationError(reader.problems);
  return configuration;
}

/** Takes values one by one, and notes what is wrong instead of stopping at the first. */
class Reader {
  readonly problems: string[] = [];

  object(value: unknown, name: string, known: readonly string[]): Record<string, unknown> {
    if (value === null || typeof value !== "object" || Array.isArray(value)) {
      this.#wrong(name, value, `an object with ${known.join(", ")}`);
      return {};
    }
    for (const key of Object.keys(value)) {
      // A mistyped name would otherwise be a default that nobody chose.
      if (!known.includes(key)) {
        const place = name === "the file" ? key : `${name}.${key}`;
        this.problems.push(`${place} is not a setting; known here are ${known.join(", ")}.`);
      }
    }
    return value as Record<string, unknown>;
  }

  instances(value: unknown, slot: SlotName): readonly Instance[] {
    if (!Array.isArray(value) || value.length === 0) {
      this.#wrong(`slots.${slot}`, value, "a list of at least one instance");
      return [];
    }
    return value.map((entry: unknown, index) => {
      const place = `slots.${slot}[${index}]`;
      const { name, readyUrl } = this.object(entry, place, ["name", "readyUrl"]);
      return { slot, name: this.#name(name, `${place}.name`), readyUrl: this.#url(readyUrl, place) };
    });
  }

  distinct(instances: readonly Instance[]): void {
    for (const key of ["name", "readyUrl"] as const) {
      const seen = new Set<string>();
      for (const instance of instances) {
        const value = instance[key];
        if (value !== "" && seen.has(value)) this.problems.push(`${value} is the ${key} of two instances.`);
        seen.add(value);
      }
    }
  }

  command(value: unknown, name: string): readonly string[] {
    const isCommand =
      Array.isArray(value) && value.length > 0 && value.every((part) => typeof part === "string");
    if (!isCommand || value[0] === "") {
      this.#wrong(name, value, 'a list of the program and its arguments, such as ["systemctl", "start"]');
      return [];
    }
    return value;
  }

  /** Without the name in it, all instances would be started by the same words. */
  instanceCommand(value: unknown, name: string, isOne: boolean): readonly string[] {
    const command = this.command(value, name);
    if (command.length > 0 && !isOne && !command.some((part) => part.includes("{name}"))) {
      this.problems.push(`${name} does not say which instance: one of its parts has to hold {name}.`);
    }
    return command;
  }

  absolutePath(value: unknown, name: string): string {
    if (typeof value === "string" && value.startsWith("/") && value !== "/") return value.replace(/\/+$/, "");
    this.#wrong(name, value, "an absolute path, such as /opt/holdfast");
    return "";
  }

  wholeNumber(value: unknown, name: string, [least, most]: readonly [number, number]): number {
    if (Number.isInteger(value) && (value as number) >= least && (value as number) <= most)
      return value as number;
    this.#wrong(name, value, `a whole number from ${least} to ${most}`);
    return least;
  }

  haproxy(value: unknown): HaproxySettings {
    const { socket, backend } = this.object(value, "haproxy", ["socket", "backend"]);
    const isPlace = typeof socket === "string" && /^(\/.+|[^/\s]+:\d{1,5})$/.test(socket);
    if (!isPlace) this.#wrong("haproxy.socket", socket, "the path of its runtime socket, or host:port");
    const isName = typeof backend === "string" && /^[\w.:-]+$/.test(backend);
    if (!isName) this.#wrong("haproxy.backend", backend, "the name of the backend of the instances");
    return { socket: isPlace ? socket : "", backend: isName ? backend : "" };
  }

  /** It becomes part of commands, also of those that HAProxy takes as one line. */
  #name(value: unknown, name: string): string {
    if (typeof value === "string" && /^[A-Za-z0-9][\w.-]*$/.test(value)) return value;
    this.#wrong(name, value, "letters, digits, dots, dashes and _");
    return "";
  }

  #url(value: unknown, place: string): string {
    if (typeof value === "string" && URL.canParse(value) && new URL(value).protocol === "http:") return value;
    this.#wrong(`${place}.readyUrl`, value, "an address such as http://127.0.0.1:9000/readyz");
    return "";
  }

  #wrong(name: string, value: unknown, allowed: string): void {
    const found = value === undefined ? "missing" : JSON.stringify(value);
    this.problems.push(`${name} is ${found}; it has to be ${allowed}.`);
  }
}

// --- types ---

export type SlotName = "a" | "b";

export type Instance = {
  readonly slot: SlotName;
  /** Also the name of its server in HAProxy. */
  readonly name: string;
  readonly readyUrl: string;
};

export type HaproxySettings = { readonly socket: string; readonly backend: string };

export type RollConfiguration = {
  readonly folder: string;
  /** Releases that stay on the disk, the current one among them. */
  readonly keep: number;
  /** Without instances in b, those of a are replaced one after the other. */
  readonly slots: Readonly<Record<SlotName, readonly Instance[]>>;
  readonly commands: {
    readonly start: readonly string[];
    readonly stop: readonly string[];
    /** Run in the folder of a new release, before it gets its place. */
    readonly prepare: readonly string[] | undefined;
    /** Shown, not run, when an instance does not get ready. */
    readonly log: readonly string[] | undefined;
  };
  readonly readyTimeoutMs: number;
  readonly stopTimeoutMs: number;
  readonly haproxy: HaproxySettings | undefined;
};
