/**
 * Calls of the script: commands of one partition in one call, made until the server has answered, for as long
 * as an outage may last. A call that writes has a number, so that the server carries it out once, however
 * often it is made.
 */

import { randomBytes } from "node:crypto";
import { DeliveryError } from "../../protocol/errors.ts";
import { type Answer, type Command, list } from "./command.ts";
import { type Confirmation, isConfirmed } from "./confirmation.ts";
import { messageOf, type RedisLink } from "./link.ts";
import type { Partitions } from "./partition.ts";
import { type Script, script, scriptWithoutRoom } from "./script.ts";

export type CallOptions = {
  readonly link: RedisLink;
  readonly partitions: Partitions;
  readonly confirmation: Confirmation | undefined;
  /** In a Cluster the keys of a call are declared, so that none is carried out while they move. */
  readonly declaresKeys: boolean;
  /** How long a call is made again while there is no answer. */
  readonly outageMs: number;
};

export class Calls {
  readonly #options: CallOptions;
  /** Names this run of this process: two of them must not be given each other's answers. */
  readonly #process = randomBytes(12).toString("base64url");
  /** What epochs that begin here are called by, with the number of the call behind it. */
  readonly #fresh = randomBytes(6).toString("base64url");
  #calls = 0;
  #encoded = 0;
  #closed = false;

  constructor(options: CallOptions) {
    this.#options = options;
  }

  close(): void {
    this.#closed = true;
  }

  /**
   * Carries out commands, one call for each partition, side by side. Returns the answers in their order.
   *
   * @throws {DeliveryError} `store_full`, or `store_unavailable` once the outage has lasted too long: what
   *   has been carried out by then is not known.
   */
  async carryOut(
    commands: readonly Command[],
    how: { readonly makesRoom: boolean },
  ): Promise<readonly Answer[]> {
    const places = Map.groupBy(commands.keys(), (place) => commands[place]?.partition ?? 0);
    const answers: Answer[] = Array.from({ length: commands.length }, () => null);
    const calls = [...places].map(async ([partition, some]) => {
      const called = some.map((place) => commands[place] as Command);
      const returned = await this.#call(partition, called, how.makesRoom);
      for (const [index, place] of some.entries()) answers[place] = returned[index] ?? null;
    });
    await Promise.all(calls);
    return answers;
  }

  async #call(
    partition: number,
    commands: readonly Command[],
    makesRoom: boolean,
  ): Promise<readonly Answer[]> {
    const writes = commands.some((command) => command.writes);
    const kind = makesRoom || !writes ? scriptWithoutRoom : script;
    const rest = this.#encode(partition, commands, writes);
    const startedAt = performance.now();
    for (let attempt = 0; ; attempt += 1) {
      try {
        return list(await this.#try(partition, kind, rest, writes));
      } catch (error) {
        const failure = failureOf(error);
        const waitedMs = performance.now() - startedAt;
        if (failure !== undefined) throw failure;
        if (this.#closed || waitedMs >= this.#options.outageMs) throw unavailable(error, waitedMs);
      }
      const pauseMs = Math.min(10 * 2 ** Math.min(attempt, 5), 250);
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }

  async #try(partition: number, kind: Script, rest: readonly string[], writes: boolean): Promise<Answer> {
    const { confirmation, partitions } = this.#options;
    const key = partitions.root(partition);
    const run = async (command: readonly string[]): Promise<Answer> => {
      if (!writes || confirmation === undefined) return this.#options.link.send(key, command);
      const [answer, confirmed] = await this.#options.link.sendBoth(key, command, confirmation.command);
      if (isConfirmed(confirmation, confirmed)) return answer;
      throw new NotConfirmed(confirmation.missing);
    };
    try {
      return await run(["EVALSHA", kind.digest, ...rest]);
    } catch (error) {
      // A server that has restarted or been promoted does not know the script yet.
      if (!messageOf(error).startsWith("NOSCRIPT")) throw error;
      return await run(["EVAL", kind.body, ...rest]);
    }
  }

  #encode(partition: number, commands: readonly Command[], writes: boolean): string[] {
    const { partitions, declaresKeys } = this.#options;
    const names = declaresKeys ? new Set(commands.flatMap((command) => command.keys)) : [];
    const keys = [
      partitions.root(partition),
      ...(declaresKeys ? partitions.keys(partition, [...names]) : []),
    ];
    if (writes) this.#calls += 1;
    this.#encoded += 1;
    return [
      String(keys.length),
      ...keys,
      String(partition),
      String(partitions.count),
      this.#process,
      writes ? String(this.#calls) : "",
      `${this.#fresh}${this.#encoded}`,
      ...commands.flatMap(({ name, arguments: values }) => [name, String(values.length), ...values]),
    ];
  }
}

/** A write that too few replicas, or no disk, have taken in time; making the call again asks them again. */
class NotConfirmed extends Error {}

/**
 * What making the call again would not change; undefined for everything else: lost connections, servers that
 * load, are being replaced or hand their keys to another, and replicas that were asked by mistake.
 */
function failureOf(error: unknown): DeliveryError | undefined {
  const message = messageOf(error);
  if (message.startsWith("OOM")) {
    return new DeliveryError("store_full", { detail: "Redis has reached its maxmemory", cause: error });
  }
  if (error instanceof DeliveryError) return error;
  const isAnswer = /^(ERR|WRONGTYPE|NOPERM|NOAUTH|WRONGPASS|LATE|NOPROTO)\b/.test(message);
  const isPassing = passing.some((part) => message.includes(part));
  if (!isAnswer || isPassing) return undefined;
  return new DeliveryError("store_unavailable", { detail: `Redis: ${message}`, cause: error });
}

/** Answers that begin with ERR and pass: what a script says whose keys are on their way to another server. */
const passing = ["non local key", "cluster", "CLUSTERDOWN", "max number of clients"];

function unavailable(cause: unknown, waitedMs: number): DeliveryError {
  const detail = `no answer of Redis for ${Math.round(waitedMs / 1000)} s: ${messageOf(cause)}`;
  return new DeliveryError("store_unavailable", { detail, cause });
}
