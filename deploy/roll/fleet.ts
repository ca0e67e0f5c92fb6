/** The instances of this machine: asked, started, stopped, and taken out of HAProxy and put back. */

import type { Instance, RollConfiguration, SlotName } from "./configuration.ts";
import { HaproxyRuntime, type ServerState } from "./haproxy.ts";
import { askReadiness, type Readiness } from "./readiness.ts";
import type { Releases } from "./releases.ts";
import { commandFor, shownCommand, type Steps } from "./steps.ts";

export class Fleet {
  readonly configuration: RollConfiguration;
  readonly #steps: Steps;
  readonly #releases: Releases;
  readonly #haproxy: HaproxyRuntime | undefined;

  constructor(configuration: RollConfiguration, steps: Steps, releases: Releases) {
    this.configuration = configuration;
    this.#steps = steps;
    this.#releases = releases;
    this.#haproxy = configuration.haproxy && new HaproxyRuntime(configuration.haproxy);
  }

  get instances(): readonly Instance[] {
    const { a, b } = this.configuration.slots;
    return [...a, ...b];
  }

  slot(name: SlotName): readonly Instance[] {
    return this.configuration.slots[name];
  }

  /** What all of them answer now. */
  async ask(instances: readonly Instance[]): Promise<readonly Asked[]> {
    return await Promise.all(
      instances.map(async (instance) => ({ instance, ...(await askReadiness(instance.readyUrl)) })),
    );
  }

  /** One after the other: what starts a process, such as pm2, is not always made to be run side by side. */
  async start(instances: readonly Instance[], release: string): Promise<string | undefined> {
    const { commands, readyTimeoutMs } = this.configuration;
    for (const instance of instances) {
      this.#releases.note(instance.name, release);
      try {
        await this.#steps.command(commandFor(commands.start, instance), this.#run(readyTimeoutMs));
      } catch (error) {
        return `${instance.name} was not started: ${messageOf(error)}${this.#hint(instance)}`;
      }
    }
    return undefined;
  }

  /**
   * Waits until all answer 200 and HAProxy sends them clients. Returns why it is not so. After that one more
   * look: a process that answered and fell over since is not ready.
   */
  async ready(instances: readonly Instance[], stopped?: () => boolean): Promise<string | undefined> {
    const timeoutMs = this.configuration.readyTimeoutMs;
    const options = stopped === undefined ? { timeoutMs } : { timeoutMs, stopped };
    let last: Asked | undefined;
    const look = async () => {
      last = (await this.ask(instances)).find(({ state }) => state !== "ready");
      return last && `${last.instance.name} at ${last.instance.readyUrl}: ${last.said}`;
    };
    const addresses = instances.map(({ readyUrl }) => readyUrl).join(", ");
    const late = await this.#steps.wait(`${areOf(instances)} ready (200 from ${addresses})`, look, options);
    if (late !== undefined) return `${late}${last === undefined ? "" : this.#hint(last.instance)}`;
    const unseen = await this.#seen(instances, options);
    if (unseen !== undefined) return unseen;
    const fallen = this.#steps.isDry ? undefined : await look();
    return fallen && `ready, and then not any more: ${fallen}${last ? this.#hint(last.instance) : ""}`;
  }

  /** HAProxy sends them nobody new; who is there stays. Throws when it will not. */
  async drain(instances: readonly Instance[]): Promise<void> {
    for (const { name } of instances) await this.#tell(name, "drain");
  }

  /**
   * HAProxy goes by their health checks again. That it will not is told; who needs it finds out in `ready`.
   */
  async undrain(instances: readonly Instance[]): Promise<void> {
    for (const { name } of instances) {
      await this.#tell(name, "ready").catch((error: unknown) =>
        this.#steps.say(`${name} could not be put back in HAProxy: ${messageOf(error)}`),
      );
    }
  }

  /**
   * Stops all of them at once, so that their clients move only once, and waits until they are gone. Returns
   * what is left. Those that were down already are stopped too: what restarts them by itself has to be told.
   */
  async stop(instances: readonly Instance[]): Promise<string | undefined> {
    const { commands, stopTimeoutMs } = this.configuration;
    if (instances.length === 0) return undefined;
    const outcomes = await Promise.allSettled(
      instances.map((instance) =>
        this.#steps.command(commandFor(commands.stop, instance), this.#run(stopTimeoutMs)),
      ),
    );
    const failed = outcomes.flatMap((outcome) =>
      outcome.status === "rejected" ? [messageOf(outcome.reason)] : [],
    );
    const look = async () => {
      const alive = (await this.ask(instances)).filter(({ state }) => state !== "refused");
      return alive.length === 0
        ? undefined
        : alive.map(({ instance, said }) => `${instance.name}: ${said}`).join(", ");
    };
    const what = `${areOf(instances)} gone (connections refused)`;
    const left = await this.#steps.wait(what, look, { timeoutMs: stopTimeoutMs });
    if (left !== undefined) return [left, ...failed].join("; ");
    // Whoever is gone is gone, whatever the command thinks of it.
    for (const failure of failed) this.#steps.say(`went on, since all are gone: ${failure}`);
    for (const { name } of instances) this.#releases.note(name, undefined);
    return undefined;
  }

  /**
   * Puts stopped ones back into HAProxy for the next roll, once it has noticed that they are gone: else it
   * would send them clients. Complains, and leaves them out, when it does not notice.
   */
  async undrainStopped(instances: readonly Instance[]): Promise<void> {
    if (this.#haproxy === undefined || instances.length === 0) return;
    const look = this.#lookAtHaproxy((servers) => {
      const running = instances.filter(({ name }) => servers.get(name)?.isRunning);
      return running.length === 0 ? undefined : `${areOf(running)} up`;
    });
    const what = `HAProxy has noticed that ${areOf(instances)} gone`;
    const late = await this.#steps.wait(what, look, { timeoutMs: this.configuration.stopTimeoutMs });
    if (late === undefined) await this.undrain(instances);
    else this.#steps.say(`left drained in HAProxy, ${late}. Does the backend check its servers?`);
  }

  /** Names that HAProxy lacks; throws when it cannot be asked. */
  async unknownToHaproxy(): Promise<readonly string[]> {
    const servers = await this.#haproxy?.servers();
    return this.instances.flatMap(({ name }) => (servers === undefined || servers.has(name) ? [] : [name]));
  }

  /** What HAProxy says of each; nothing without one, or when it does not answer. */
  async seenByHaproxy(): Promise<ReadonlyMap<string, string>> {
    const servers = await this.#haproxy?.servers().catch(() => undefined);
    return new Map([...(servers ?? [])].map(([name, { shown }]) => [name, shown]));
  }

  async #seen(
    instances: readonly Instance[],
    options: { readonly timeoutMs: number; readonly stopped?: () => boolean },
  ): Promise<string | undefined> {
    if (this.#haproxy === undefined) return undefined;
    const look = this.#lookAtHaproxy((servers) => {
      const out = instances.find(({ name }) => !servers.get(name)?.takesClients);
      return out && `${out.name} is ${servers.get(out.name)?.shown ?? "not there"}`;
    });
    const late = await this.#steps.wait(`HAProxy sends clients to ${namesOf(instances)}`, look, options);
    return late && `HAProxy does not take them, ${late}`;
  }

  /** An HAProxy that does not answer for a moment, because it is reloaded, is asked again. */
  #lookAtHaproxy(
    judge: (servers: ReadonlyMap<string, ServerState>) => string | undefined,
  ): () => Promise<string | undefined> {
    return async () => {
      try {
        return judge((await this.#haproxy?.servers()) ?? new Map());
      } catch (error) {
        return messageOf(error);
      }
    };
  }

  async #tell(name: string, state: "ready" | "drain"): Promise<void> {
    const haproxy = this.#haproxy;
    const socket = this.configuration.haproxy?.socket;
    if (haproxy === undefined || socket === undefined) return;
    const command = haproxy.stateCommand(name, state);
    const place = socket.startsWith("/") ? `UNIX-CONNECT:${socket}` : `TCP:${socket}`;
    await this.#steps.act(`echo '${command}' | socat - ${place}`, () => haproxy.tell(command));
  }

  #run(timeoutMs: number): { readonly folder: string; readonly timeoutMs: number } {
    return { folder: this.configuration.folder, timeoutMs };
  }

  #hint(instance: Instance): string {
    const { log } = this.configuration.commands;
    if (log === undefined) return `. Look at the log of ${instance.name}`;
    return `. Its log: ${shownCommand(commandFor(log, instance))}`;
  }
}

export function namesOf(instances: readonly Instance[]): string {
  return instances.map(({ name }) => name).join(", ");
}

/** As the beginning of a sentence. */
function areOf(instances: readonly Instance[]): string {
  return `${namesOf(instances)} ${instances.length === 1 ? "is" : "are"}`;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

// --- types ---

export type Asked = Readiness & { readonly instance: Instance };
