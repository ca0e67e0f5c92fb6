/**
 * The single steps of a roll, each of which is told with its time and its exact command. In a dry run they
 * are only told, and all that is waited for counts as seen.
 */

import { spawn } from "node:child_process";
import { setTimeout as pause } from "node:timers/promises";
import type { Instance } from "./configuration.ts";

/** Thrown when a step did not do what it was meant to; the message says what, and what it said. */
export class StepFailed extends Error {
  override readonly name = "StepFailed";
}

export class Steps {
  readonly isDry: boolean;
  readonly #print: (line: string) => void;
  readonly #startedAt = performance.now();

  constructor(options: { readonly isDry: boolean; readonly print: (line: string) => void }) {
    this.isDry = options.isDry;
    this.#print = options.print;
  }

  /** A line with the time of day and the seconds since the start. */
  say(text: string): void {
    const seconds = ((performance.now() - this.#startedAt) / 1000).toFixed(1);
    this.#print(`${new Date().toTimeString().slice(0, 8)} ${seconds.padStart(6)}s  ${text}`);
  }

  /** Something that is not a command of its own, told by the command that would do the same. */
  async act(shown: string, action: () => void | Promise<void>): Promise<void> {
    this.say(`${this.isDry ? "would run: " : ""}${shown}`);
    if (!this.isDry) await action();
  }

  /** Runs a command to its end; throws `StepFailed` unless it ends with 0 in time. */
  async command(command: readonly string[], options: CommandOptions): Promise<void> {
    await this.act(shownCommand(command, options.folder), () => runCommand(command, options));
  }

  /**
   * Asks until `look` returns undefined, which is what is waited for. Returns what it said last when the time
   * is over or `stopped` says that nobody waits any more.
   */
  async wait(what: string, look: () => Promise<string | undefined>, wait: WaitOptions): Promise<Waited> {
    const { timeoutMs, stopped = () => false } = wait;
    if (this.isDry) {
      this.say(`would wait until ${what}, for ${timeoutMs} ms at most`);
      return undefined;
    }
    this.say(`waiting until ${what}`);
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const still = await look();
      if (still === undefined) return undefined;
      if (stopped()) return `interrupted; the last answer was: ${still}`;
      if (performance.now() >= deadline) return `not within ${timeoutMs} ms; the last answer was: ${still}`;
      await pause(lookIntervalMs);
    }
  }
}

/** A command of the configuration, for one instance. */
export function commandFor(command: readonly string[], { name, slot }: Instance): readonly string[] {
  return command.map((part) => part.replaceAll("{name}", name).replaceAll("{slot}", slot));
}

/** As a shell would have to be given it. */
export function shownCommand(command: readonly string[], folder?: string): string {
  const words = command.map((part) =>
    /^[\w@%+=:,./-]+$/.test(part) ? part : `'${part.replaceAll("'", `'\\''`)}'`,
  );
  return folder === undefined ? words.join(" ") : `(cd ${folder} && ${words.join(" ")})`;
}

async function runCommand(command: readonly string[], { folder, timeoutMs }: CommandOptions): Promise<void> {
  const [program = "", ...args] = command;
  await new Promise<void>((resolve, reject) => {
    let output = "";
    const fail = (why: string) =>
      reject(new StepFailed(`"${shownCommand(command)}" ${why}${output === "" ? "" : `: ${output.trim()}`}`));
    // A process group of its own: Ctrl-C is for the roll to answer, and must not cut a command in two.
    const child = spawn(program, args, {
      cwd: folder,
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const timer = setTimeout(() => {
      output += `\nended after ${timeoutMs} ms`;
      process.kill(-(child.pid ?? 0), "SIGKILL");
    }, timeoutMs);
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8");
      stream.on("data", (part: string) => {
        output = (output + part).slice(-outputCharacters);
      });
    }
    child.on("error", (error) => {
      clearTimeout(timer);
      fail(`could not be run: ${error.message}`);
    });
    // Not "close": what the command has started may hold its output open for as long as it lives.
    child.on("exit", (code, signal) => {
      clearTimeout(timer);
      for (const stream of [child.stdout, child.stderr]) stream.destroy();
      if (code === 0) resolve();
      else fail(`ended with ${signal ?? code}`);
    });
  });
}

const lookIntervalMs = 100;
const outputCharacters = 4_000;

// --- types ---

export type CommandOptions = { readonly folder?: string; readonly timeoutMs: number };

export type WaitOptions = { readonly timeoutMs: number; readonly stopped?: () => boolean };

/** Undefined when what was waited for has come; else what was seen last. */
export type Waited = string | undefined;
