/** The test's side of `client-program.ts`. */

import { type Child, programPath, startChild } from "./child.ts";
import type { ClientProgramOptions, ClientReport, EmitInput } from "./client-program.ts";
import type { Owner } from "./owner.ts";
import { until } from "./until.ts";

/** Starts a client in a process of its own, and resolves once it is connected. */
export async function startClient(owner: Owner, options: ClientChildOptions): Promise<ClientChild> {
  const { prefix, deadlineMs = 120_000, ...programOptions } = options;
  const child = startChild(owner, {
    program: programPath("./client-program.ts", import.meta.url),
    name: `client ${options.options.name} (${options.kind})`,
    args: [JSON.stringify(programOptions satisfies ClientProgramOptions)],
    ...(prefix === undefined ? {} : { prefix }),
    deadlineMs,
  });
  await child.event("ready", 20_000);
  return new ClientChild(child);
}

export class ClientChild {
  readonly child: Child;

  constructor(child: Child) {
    this.child = child;
  }

  /** Emits numbered `work` events; resolves when the last one is emitted, whatever has become of them. */
  async emit(input: EmitInput, deadlineMs?: number): Promise<void> {
    await this.child.ask("emit", input, deadlineMs);
  }

  async report(): Promise<ClientReport> {
    return await this.child.ask("report");
  }

  /** Waits for a state of the client, and returns its report; a failure shows the last one, shortened. */
  async reaches(
    what: string,
    test: (report: ClientReport) => boolean,
    deadlineMs = 10_000,
  ): Promise<ClientReport> {
    let report: ClientReport | undefined;
    const reached = async (): Promise<ClientReport | undefined> => {
      report = await this.report();
      return test(report) ? report : undefined;
    };
    return await until(reached, { deadlineMs, what, state: () => summary(report) });
  }
}

function summary(report: ClientReport | undefined): string {
  if (report === undefined) return "no report";
  const { received, outcomes, ...rest } = report;
  return JSON.stringify({ received: received.length, settled: outcomes.length, ...rest });
}

// --- types ---

export type ClientChildOptions = ClientProgramOptions & {
  /** See `ChildOptions.prefix`. */
  readonly prefix?: readonly string[];
  readonly deadlineMs?: number;
};
