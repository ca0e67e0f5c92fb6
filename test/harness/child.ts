/**
 * A real process under a test's control, mostly one of Node: started with a deadline, spoken to over IPC,
 * killed with any signal, started again with the same arguments. It never outlives the test that owns it.
 */

import { spawn, type ChildProcess } from "node:child_process";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { guard } from "./guard.ts";
import type { Owner } from "./owner.ts";
import type { Answer, ChildEvent } from "./parent.ts";
import { until, within } from "./until.ts";

/**
 * Starts `program`, and returns at once; wait for its `ready` with `event` or `line`.
 *
 * It ends with its owner: killed when the test finishes, when the test process exits, and by its own
 * lifeline, or the guard of a program that is not Node's, when the test process is killed. When the test
 * fails, the tail of what it wrote is printed.
 */
export function startChild(owner: Owner, options: ChildOptions): Child {
  const child = new Child(options);
  owner.onTestFailed(() => console.error(child.report()));
  owner.onTestFinished(() => child.end());
  return child;
}

/** One program; at any moment at most one process of it. */
export class Child {
  readonly #options: ChildOptions;
  #run: Run;
  #questions = 0;

  constructor(options: ChildOptions) {
    this.#options = options;
    this.#run = this.#launch(options.args ?? []);
  }

  get pid(): number {
    return this.#run.pid;
  }

  get running(): boolean {
    return this.#run.exit === undefined;
  }

  /** What the current process, or the last one if none runs, has written so far. */
  get stdout(): string {
    return this.#run.stdout.text;
  }

  get stderr(): string {
    return this.#run.stderr.text;
  }

  /** All events of this name that the current process has told, oldest first. */
  events<T>(name: string): T[] {
    return this.#run.events.filter((entry) => entry.event === name).map((entry) => entry.value as T);
  }

  /**
   * Waits for the first event of this name, also when it came before the call. Fails when the process ends.
   */
  async event<T>(name: string, deadlineMs = 10_000): Promise<T> {
    const run = this.#run;
    const found = await this.#await(run, `event "${name}"`, deadlineMs, () =>
      run.events.find((entry) => entry.event === name),
    );
    return found.value as T;
  }

  /** Waits until standard output holds a match of `pattern`. Fails when the process ends without it. */
  async line(pattern: RegExp, deadlineMs = 10_000): Promise<RegExpExecArray> {
    const run = this.#run;
    return await this.#await(
      run,
      `output ${pattern}`,
      deadlineMs,
      () => pattern.exec(run.stdout.text) ?? undefined,
    );
  }

  /**
   * Has the program carry out a command of its table, and resolves with the result.
   *
   * @throws when the command throws, when the process ends first, and after `deadlineMs`.
   */
  async ask<T>(command: string, input: unknown = {}, deadlineMs = 10_000): Promise<T> {
    const run = this.#run;
    const question = (this.#questions += 1);
    const sent = run.process.send?.({ question, command, input }, () => undefined) ?? false;
    if (!sent && !run.process.connected)
      throw new Error(`${this.#name} is gone; it cannot be asked to ${command}`);
    const answer = await this.#await(run, `answer to "${command}"`, deadlineMs, () =>
      run.answers.get(question),
    );
    run.answers.delete(question);
    if ("error" in answer) throw new Error(`${this.#name} failed to ${command}: ${answer.error}`);
    return answer.value as T;
  }

  /** Sends a signal, and does not wait for anything. SIGSTOP and SIGCONT freeze and thaw it. */
  signal(signal: NodeJS.Signals): void {
    this.#run.process.kill(signal);
  }

  /** Sends a signal that is meant to end the process, and waits until it has. */
  async kill(signal: NodeJS.Signals = "SIGKILL", deadlineMs = 10_000): Promise<Exit> {
    this.signal(signal);
    return await this.exited(deadlineMs);
  }

  /** Waits until the process has ended and everything that it wrote has been read. */
  async exited(deadlineMs = 10_000): Promise<Exit> {
    return await within(this.#run.closed, { deadlineMs, what: `end of ${this.#name} (pid ${this.pid})` });
  }

  /** Starts the program again, with other arguments if given. The process before it must have ended. */
  restart(args: readonly string[] = this.#options.args ?? []): void {
    if (this.running) throw new Error(`${this.#name} still runs; kill it before it is started again`);
    this.#run = this.#launch(args);
  }

  /** Ends the process if it still runs, without asking it. */
  async end(): Promise<void> {
    if (this.running) this.#run.process.kill("SIGKILL");
    await this.#run.closed;
  }

  /** What somebody who looks at a failed test wants to see of this process. */
  report(): string {
    const { exit, pid, stdout, stderr } = this.#run;
    const state = exit === undefined ? "runs" : `ended with ${exit.signal ?? `code ${exit.code}`}`;
    const sections = [`--- ${this.#name} (pid ${pid}) ${state} ---`];
    if (stdout.text !== "") sections.push("--- standard output", stdout.text.trimEnd());
    if (stderr.text !== "") sections.push("--- standard error", stderr.text.trimEnd());
    return sections.join("\n");
  }

  get #name(): string {
    return this.#options.name ?? this.#options.program.split("/").at(-1) ?? this.#options.program;
  }

  /**
   * Waits for something of one process, and fails at once, with what it wrote, when that process ends first.
   */
  async #await<T>(run: Run, what: string, deadlineMs: number, find: () => T | undefined): Promise<T> {
    const state = (): string =>
      `of ${this.#name}, pid ${run.pid}, standard error: ${run.stderr.text.slice(-2_000)}`;
    const found = await until(() => find() ?? run.exit, { deadlineMs, what, state });
    if (found !== run.exit) return found as T;
    // Messages that the process sent before it ended may be read after its end was noticed.
    await run.closed;
    const late = find();
    if (late === undefined) throw new Error(`Ended before ${what}: ${this.report()}`);
    return late;
  }

  #launch(args: readonly string[]): Run {
    const { program, prefix = [], environment = {}, deadlineMs = 60_000, nodeOptions = [] } = this.#options;
    const native = this.#options.native === true;
    const node = native ? [] : [process.execPath, "--import", lifeline, ...nodeOptions];
    const [command, ...rest] = [...prefix, ...node, program, ...args] as [string, ...string[]];
    const child = spawn(command, rest, {
      stdio: native ? ["ignore", "pipe", "pipe"] : ["ignore", "pipe", "pipe", "ipc"],
      env: { ...process.env, ...environment },
    });
    living.add(child);
    if (native) guard(child);
    const run = new Run(child);
    const timer = setTimeout(() => {
      run.stderr.append(`\n[harness] killed: its deadline of ${deadlineMs} ms has passed\n`);
      child.kill("SIGKILL");
    }, deadlineMs);
    void run.closed.then(() => {
      clearTimeout(timer);
      living.delete(child);
    });
    return run;
  }
}

/** What is known of one process. */
class Run {
  readonly process: ChildProcess;
  readonly stdout: Tail;
  readonly stderr: Tail;
  readonly events: ChildEvent[] = [];
  readonly answers = new Map<number, Answer>();
  /** Set as soon as the process has ended; its output may still be on the way until `closed`. */
  exit: Exit | undefined;
  readonly closed: Promise<Exit>;

  constructor(child: ChildProcess) {
    this.process = child;
    this.stdout = new Tail(child.stdout);
    this.stderr = new Tail(child.stderr);
    child.on("message", (message: Answer | ChildEvent) => {
      if ("event" in message) this.events.push(message);
      else this.answers.set(message.question, message);
    });
    this.closed = new Promise((resolve) => {
      const ended = (code: number | null, signal: NodeJS.Signals | null): Exit =>
        (this.exit ??= { code, signal });
      child.once("exit", ended);
      child.once("close", (code, signal) => resolve(ended(code, signal)));
      child.once("error", (error) => {
        this.stderr.append(`\n[harness] ${error.message}\n`);
        // Without a process there is neither "exit" nor "close"; a failed kill or send leaves both to come.
        if (child.pid === undefined) resolve(ended(null, null));
      });
    });
  }

  get pid(): number {
    return this.process.pid ?? -1;
  }
}

/**
 * The last part of an output stream. Bounded, because a child in a loop of complaints must not fill the test.
 */
class Tail {
  text = "";

  constructor(stream: Readable | null) {
    stream?.setEncoding("utf8").on("data", (chunk: string) => this.append(chunk));
  }

  append(chunk: string): void {
    this.text = (this.text + chunk).slice(-tailCharacters);
  }
}

const living = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of living) child.kill("SIGKILL");
});

const lifeline = new URL("./lifeline.ts", import.meta.url).href;
const tailCharacters = 64 * 1024;

/** The path of a program that stands beside the calling module: `programPath("./x.ts", import.meta.url)`. */
export function programPath(relative: string, base: string): string {
  return fileURLToPath(new URL(relative, base));
}

// --- types ---

export type ChildOptions = {
  /** Absolute path of a TypeScript or JavaScript file, or of an executable if it is `native`. */
  readonly program: string;
  /** The program runs without Node, and so without a channel: it has output and signals, and no commands. */
  readonly native?: boolean;
  readonly args?: readonly string[];
  readonly nodeOptions?: readonly string[];
  /** A command that runs node in its place, such as one that enters a network namespace. It must `exec`. */
  readonly prefix?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** How the process is called in messages; the file name by default. */
  readonly name?: string;
  /** Each process of this child is killed after this time, 60 s by default. */
  readonly deadlineMs?: number;
};

export type Exit = { readonly code: number | null; readonly signal: NodeJS.Signals | null };
