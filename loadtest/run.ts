/** One run: a scenario, with servers of one kind, from an empty machine to the ledger's judgement. */

import { existsSync, readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { openSite } from "../test/deploy/site.ts";
import type { Child } from "../test/harness/child.ts";
import type { Owner } from "../test/harness/owner.ts";
import { until } from "../test/harness/until.ts";
import { Seeded } from "../test/sim/seeded.ts";
import type { Kind, Plan } from "./contract.ts";
import { Fleet, type StoreKind, wholeRunMs } from "./fleet.ts";
import type { Judgement, Progress } from "./ledger/ledger-program.ts";
import { holds } from "./ledger/verdict.ts";
import { Links } from "./links.ts";
import { startK6, startLedger } from "./processes.ts";
import type { Scenario, Stage } from "./scenarios/scenario.ts";

/** Runs it; whatever it started ends with its owner. Where `signal` is aborted, what is known is judged. */
export async function runOnce(owner: Owner, options: RunOptions): Promise<RunResult> {
  const run = new Run(owner, options);
  let interrupted = false;
  let failure: string | undefined;
  try {
    await Promise.race([run.perform(), aborted(options.signal)]);
  } catch (error) {
    interrupted = options.signal.aborted;
    if (!interrupted) failure = error instanceof Error ? error.message : String(error);
  }
  return await run.judge({ interrupted, failure });
}

class Run {
  readonly #owner: Owner;
  readonly #options: RunOptions;
  #ledger: Child | undefined;
  #fleet: Fleet | undefined;
  #k6: Child | undefined;
  #plan: Plan | undefined;
  #serverSeconds = 0;
  #clientSeconds = 0;
  #clientMebibytes = 0;

  constructor(owner: Owner, options: RunOptions) {
    this.#owner = owner;
    this.#options = options;
  }

  async perform(): Promise<void> {
    const { scenario, kind, clients, rate, store, seed, raw, tell } = this.#options;
    tell("starting servers");
    const site = await openSite(this.#owner);
    const port = await this.#startLedger(["127.0.0.1", site.clientAddress]);
    const ledger = `http://${site.clientAddress}:${port}`;
    const {
      roomSize = usualRoomSize,
      connectMs = clients * connectMsEach(raw),
      delivery = {},
      topology,
      redis,
      storeSettings,
    } = scenario;
    const load = { clients, roomSize, rate };
    const stores = { store, redis, storeSettings };
    const fleet = new Fleet(this.#owner, site, { kind, ...stores, ledger, ...load, delivery, topology });
    this.#fleet = fleet;
    const first = fleet.slot("a");
    await fleet.prepare();
    await fleet.start(first);
    const { slowBytesPerSecond } = scenario;
    const links =
      scenario.links === true
        ? await Links.open(this.#owner, site.address, { port: 80, slowBytesPerSecond })
        : Links.none();
    const plan: Plan = {
      kind,
      urls: scenario.links === true ? links.urls : [site.url()],
      ledger: `http://127.0.0.1:${port}`,
      clients,
      clientsPerUser: raw ? rawClientsPerUser : 1,
      seed,
      roomSize,
      connectMs,
      talkFromMs: connectMs + restMs,
      talkUntilMs: connectMs + restMs + scenario.talkMs,
      emitEveryMs: Math.max(emitEveryMsMin, clients * emitEveryMsEach),
      settleMs,
      reloadEveryMs: scenario.reloadEveryMs,
    };
    this.#plan = plan;
    tell("starting clients");
    await this.#startK6(plan);
    const { startedAt = 0 } = await this.#progress((progress) => progress.startedAt !== undefined, 120_000);
    const talkFrom = startedAt + plan.talkFromMs;
    const talkUntil = startedAt + plan.talkUntilMs;
    const watch = this.#watch(startedAt, plan);
    try {
      await fleet.talk(first, talkFrom, talkUntil);
      await scenario.act(this.#stage(fleet, links, { talkFrom, talkUntil, seed }));
      if (Date.now() > talkUntil) throw new Error("what was to be done took longer than there was load");
      await pause(Math.max(0, talkUntil + lastEntryAfterMs - Date.now()));
      await fleet.end();
      this.#serverSeconds = await fleet.processorSeconds();
      const exit = await this.#k6?.exited(talkUntil - Date.now() + settleMs + endMs);
      if (exit?.code !== 0) throw new Error(`k6 ended with ${exit?.code}: ${this.#k6?.stderr.slice(-500)}`);
    } finally {
      clearInterval(watch);
    }
  }

  /** Asks the ledger, also when something went wrong: what it has seen is evidence. */
  async judge(how: {
    readonly interrupted: boolean;
    readonly failure: string | undefined;
  }): Promise<RunResult> {
    const { scenario, kind, clients } = this.#options;
    const talks = this.#fleet?.talks ?? [];
    const { lateAfterMs, testedShareMin, gapsExpected = false } = scenario;
    const expectations = {
      clients,
      talks,
      testedShareMin,
      gapsExpected: gapsExpected && kind === "holdfast",
    };
    const judgement = await this.#ledger
      ?.ask<Judgement>("judge", { ...expectations, lateAfterMs }, 60_000)
      .catch((error: unknown) => {
        console.error(error);
        return undefined;
      });
    const k6Output = this.#k6 === undefined ? "" : `${this.#k6.stdout}${this.#k6.stderr}`.slice(-4_000);
    const complaints = this.#fleet?.complaints() ?? [];
    const processorSeconds = { servers: this.#serverSeconds, clients: this.#clientSeconds };
    const evidence = await this.#keepEvidence(judgement);
    const cost = { processorSeconds, clientMebibytes: this.#clientMebibytes };
    return { ...how, kind, plan: this.#plan, judgement, ...cost, evidence, k6Output, complaints };
  }

  /** Of Holdfast, all that the ledger was told, if it is at fault: the next run may not show it again. */
  async #keepEvidence(judgement: Judgement | undefined): Promise<string | undefined> {
    const { kind, evidenceFile } = this.#options;
    if (kind !== "holdfast" || judgement === undefined || holds(judgement.verdict)) return undefined;
    await this.#ledger?.ask("dump", { file: evidenceFile }, 60_000);
    return evidenceFile;
  }

  async #startLedger(addresses: readonly string[]): Promise<number> {
    const { process, port } = await startLedger(this.#owner, { addresses, deadlineMs: wholeRunMs });
    this.#ledger = process;
    return port;
  }

  async #startK6(plan: Plan): Promise<void> {
    const { k6Path: path, raw } = this.#options;
    this.#k6 = await startK6(this.#owner, { path, plan, raw, deadlineMs: wholeRunMs });
  }

  #stage(
    fleet: Fleet,
    links: Links,
    { talkFrom, talkUntil, seed }: { talkFrom: number; talkUntil: number; seed: number },
  ): Stage {
    const random = new Seeded(seed);
    return {
      fleet,
      links,
      first: fleet.slot("a"),
      talkMs: talkUntil - talkFrom,
      at: (momentMs) => pause(Math.max(0, talkFrom + momentMs - Date.now())),
      talk: async (names, fromMs) => await fleet.talk(names, talkFrom + fromMs, talkUntil),
      note: async (text, killed = []) => {
        this.#options.tell(text);
        await this.#ledger?.ask("note", { at: Date.now(), text, killed });
      },
      memory: async () => fleet.memory(),
      chance: () => random.next(),
    };
  }

  #watch(startedAt: number, plan: Plan): NodeJS.Timeout {
    const wholeSeconds = Math.round(plan.talkUntilMs / 1_000);
    return setInterval(() => {
      this.#clientSeconds = secondsOf(this.#k6?.pid) ?? this.#clientSeconds;
      this.#clientMebibytes = mebibytesOf(this.#k6?.pid) ?? this.#clientMebibytes;
      void this.#ledger?.ask<Progress>("progress").then(
        ({ connected, deliveries, handled }) => {
          const seconds = Math.round((Date.now() - startedAt) / 1_000);
          const what = `${connected} connected, ${deliveries} delivered, ${handled} handled`;
          this.#options.tell(`${seconds} s of ${wholeSeconds}: ${what}`);
        },
        // It has ended with the run.
        () => undefined,
      );
    }, 1_000);
  }

  async #progress(isMeant: (progress: Progress) => boolean, deadlineMs: number): Promise<Progress> {
    return await until(
      async () => {
        if (this.#k6?.running === false) throw new Error(`k6 has ended: ${this.#k6.report()}`);
        const progress = await this.#ledger?.ask<Progress>("progress");
        return progress !== undefined && isMeant(progress) ? progress : undefined;
      },
      { what: "the clients to start", deadlineMs },
    );
  }
}

/** Processor seconds of a process, user and system; Linux counts them in hundredths for whoever asks. */
function secondsOf(pid: number | undefined): number | undefined {
  const file = `/proc/${pid}/stat`;
  if (!existsSync(file)) return undefined;
  const fields = readFileSync(file, "utf8").split(") ").at(-1)?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** The most memory that a process has had. */
function mebibytesOf(pid: number | undefined): number | undefined {
  const file = `/proc/${pid}/status`;
  if (!existsSync(file)) return undefined;
  const [, kibibytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(file, "utf8")) ?? [];
  return kibibytes === undefined ? undefined : Math.round(Number(kibibytes) / 1_024);
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const stop = () => reject(new Error("interrupted"));
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
}

const usualRoomSize = 10;
/** 40 a second of the shipped client, 100 of the raw one. */
const connectMsEach = (raw: boolean) => (raw ? 10 : 25);
/** A virtual user's engine costs more than its clients, and runs them one after the other. */
const rawClientsPerUser = 25;
const restMs = 5_000;
/**
 * Of each client; larger crowds talk less, so that the load does not grow with the square of their number.
 */
const emitEveryMsMin = 4_000;
const emitEveryMsEach = 15;
const settleMs = 30_000;
/** What k6 takes to end, the last polls of clients that have left included. */
const endMs = 60_000;
/** Until then the servers have fallen silent. */
const lastEntryAfterMs = 1_000;

// --- types ---

export type RunOptions = {
  readonly scenario: Scenario;
  readonly kind: Kind;
  readonly store: StoreKind;
  readonly clients: number;
  readonly rate: number;
  readonly seed: number;
  /** Clients by hand, many to a virtual user. */
  readonly raw: boolean;
  readonly k6Path: string;
  readonly signal: AbortSignal;
  /** For what the ledger was told, if Holdfast is at fault. */
  readonly evidenceFile: string;
  /** One line for whoever waits. */
  readonly tell: (text: string) => void;
};

export type RunResult = {
  readonly kind: Kind;
  readonly interrupted: boolean;
  readonly failure: string | undefined;
  readonly plan: Plan | undefined;
  readonly judgement: Judgement | undefined;
  /** What the load cost; servers that ended before it did are not counted. */
  readonly processorSeconds: { readonly servers: number; readonly clients: number };
  /** The most memory that the clients have had, all together. */
  readonly clientMebibytes: number;
  /** The file with all that the ledger was told, where Holdfast was at fault. */
  readonly evidence: string | undefined;
  readonly k6Output: string;
  readonly complaints: readonly string[];
};
