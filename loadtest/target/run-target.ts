/**
 * One run against a deployment that is already there: clients and ledger are ours, and the servers are not.
 * Tests call it as well, and do things to the servers meanwhile.
 */

import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import type { Child } from "../../test/harness/child.ts";
import type { Owner } from "../../test/harness/owner.ts";
import { until } from "../../test/harness/until.ts";
import { Seeded } from "../../test/sim/seeded.ts";
import type { ClientAnswer, Plan, Talk } from "../contract.ts";
import { provideK6 } from "../k6/binary.ts";
import type { Judgement, Progress } from "../ledger/ledger-program.ts";
import { Links } from "../links.ts";
import { awaitProgress, startK6, startLedger } from "../processes.ts";
import type { RunResult } from "../run.ts";
import type { Stage } from "../scenarios/scenario.ts";
import { limitCure, whyNotReachable } from "./probe.ts";
import { HttpPublisher } from "./publisher.ts";
import {
  addressOf,
  connectMsEach,
  planOf,
  settleMs,
  type TargetOptions,
  type WholeOptions,
  wholeOptions,
} from "./target-plan.ts";
import { type TargetOutcome, targetOutcome } from "./target-outcome.ts";

/**
 * Starts clients, and resolves when there is load: all of them are members of their rooms and talk. What it
 * started ends with its owner.
 *
 * @throws Error with a sentence for whoever has to mend it: the target cannot be reached, clients are not let
 * in.
 */
export async function startTarget(owner: Owner, options: TargetOptions): Promise<TargetRun> {
  const run = new TargetRun(owner, options);
  await run.begin();
  return run;
}

/** Starts clients, has `meanwhile` done, and resolves with the judgement. */
export async function runTarget(
  owner: Owner,
  options: TargetOptions,
  meanwhile?: (run: TargetRun) => Promise<void>,
): Promise<TargetResult> {
  const run = await startTarget(owner, options);
  if (meanwhile === undefined) return await run.result();
  await meanwhile(run);
  return await run.finish();
}

export class TargetRun {
  readonly #owner: Owner;
  readonly #options: WholeOptions;
  /** In rooms, names and entries, so that two runs do not meet. */
  readonly #run = randomName();
  readonly #talks: Mutable<Talk>[] = [];
  #ledger: Child | undefined;
  #k6: Child | undefined;
  #plan: Plan | undefined;
  #links: Links = Links.none();
  #publisher: HttpPublisher | undefined;
  #startedAt = 0;
  #talkUntil = 0;
  #failure: string | undefined;
  #acting: Promise<void> | undefined;
  #result: Promise<TargetResult> | undefined;

  constructor(owner: Owner, options: TargetOptions) {
    this.#owner = owner;
    this.#options = wholeOptions(options);
  }

  get plan(): Plan | undefined {
    return this.#plan;
  }

  async begin(): Promise<void> {
    const { scenario, url, clients, tell = () => undefined, listen } = this.#options;
    const why = await whyNotReachable(this.#probe());
    if (why !== undefined) throw new Error(why);
    const k6Path = this.#options.k6Path ?? (await provideK6(tell)).path;
    const { hostname: address, port: ledgerPort } =
      listen === undefined ? { hostname: undefined, port: undefined } : new URL(`http://${listen}`);
    const { process: ledger, port } = await startLedger(this.#owner, {
      addresses: [...new Set(["127.0.0.1", ...(address === undefined ? [] : [address])])],
      port: Number(ledgerPort ?? 0),
      deadlineMs: this.#deadlineMs,
    });
    this.#ledger = ledger;
    const { slowBytesPerSecond } = scenario;
    if (scenario.links === true)
      this.#links = await Links.front(this.#owner, addressOf(new URL(url)), { slowBytesPerSecond });
    const made = { ledger: `http://127.0.0.1:${port}`, run: this.#run, link: this.#links.urls[0] };
    const plan = planOf(this.#options, made);
    this.#plan = plan;
    tell(`starting ${clients} clients`);
    this.#k6 = await startK6(this.#owner, {
      path: k6Path,
      plan,
      environment: this.#options.ca === undefined ? {} : { SSL_CERT_FILE: this.#options.ca },
      deadlineMs: this.#deadlineMs,
    });
    const { startedAt = 0 } = await this.#progress(
      "the clients to start",
      60_000,
      (progress) => progress.startedAt !== undefined,
    );
    this.#startedAt = startedAt;
    this.#talkUntil = startedAt + plan.talkUntilMs;
    await this.#gather(plan);
    await this.#talk(plan, port);
    this.#watch();
  }

  /** Puts a line into the report: what is being done to the servers. */
  async note(text: string): Promise<void> {
    this.#options.tell?.(text);
    await this.#ledger?.ask("note", { at: Date.now(), text });
  }

  /** What clients have reported so far. */
  async progress(): Promise<Progress | undefined> {
    return await this.#ledger?.ask<Progress>("progress");
  }

  /** Ends the load within seconds, however long it was to last, and judges. */
  async finish(): Promise<TargetResult> {
    const talkUntil = Date.now() + hushMs;
    if (talkUntil < this.#talkUntil && this.#result === undefined) {
      this.#talkUntil = talkUntil;
      const changed: ClientAnswer = { talkUntilMs: Math.round(talkUntil - this.#startedAt) };
      await this.#ledger?.ask("hush", changed);
      for (const talk of this.#talks) talk.until = Date.now();
      await this.#publisher?.end();
      this.#publisher = undefined;
    }
    return await this.result();
  }

  /** Waits until the clients have ended, and judges. */
  result(): Promise<TargetResult> {
    this.#result ??= this.#end();
    return this.#result;
  }

  /** Judges what is known. */
  async judge(interrupted = false): Promise<TargetResult> {
    const { scenario, client, clients, url, evidenceFile } = this.#options;
    const { testedShareMin, lateAfterMs } = scenario;
    const listensOnly = this.#plan?.dialect !== undefined && this.#plan.dialect.say === undefined;
    const expectations = {
      clients,
      talks: this.#talks,
      testedShareMin,
      isTarget: true,
      listensOnly,
      lagMsMax,
    };
    const judgement = await this.#ledger
      ?.ask<Judgement>("judge", { ...expectations, lateAfterMs }, 120_000)
      .catch(() => undefined);
    const run: RunResult = {
      kind: client,
      interrupted,
      failure: this.#failure,
      plan: this.#plan,
      judgement,
      processorSeconds: { servers: 0, clients: 0 },
      clientMebibytes: 0,
      evidence: undefined,
      k6Output: this.#k6 === undefined ? "" : `${this.#k6.stdout}${this.#k6.stderr}`.slice(-4_000),
      complaints: [],
    };
    const outcome = targetOutcome(run, { scenario, url });
    if (outcome.exitCode === 1 && evidenceFile !== undefined) {
      await this.#ledger?.ask("dump", { file: evidenceFile }, 60_000);
      return { outcome, run: { ...run, evidence: evidenceFile } };
    }
    return { outcome, run };
  }

  async #end(): Promise<TargetResult> {
    try {
      await this.#acting;
      // A little more, in which what was due at the end is published.
      await until(() => Date.now() > this.#talkUntil + 500, {
        what: "the end of the load",
        deadlineMs: this.#deadlineMs,
      });
      await this.#publisher?.end();
      const exit = await this.#k6?.exited(this.#talkUntil - Date.now() + settleMs + endMs);
      if (exit?.code !== 0) throw new Error(`k6 ended with ${exit?.code}: ${this.#k6?.stderr.slice(-500)}`);
    } catch (error) {
      this.#failure = error instanceof Error ? error.message : String(error);
    }
    return await this.judge();
  }

  /** Waits until all clients are connected; where they are not let in, finds out why. */
  async #gather(plan: Plan): Promise<void> {
    const deadlineMs = this.#startedAt + plan.talkFromMs - Date.now() + gatherMs;
    try {
      await this.#progress(
        "the clients to connect",
        Math.max(1_000, deadlineMs),
        ({ connected }) => connected >= plan.clients,
      );
    } catch (error) {
      const { connected = 0 } = (await this.progress().catch(() => undefined)) ?? {};
      const why = await whyNotReachable(this.#probe());
      const known = `${connected} of ${plan.clients} clients could connect within ${Math.round((plan.talkFromMs + gatherMs) / 1_000)} s`;
      if (why !== undefined) throw new Error(`${known}. ${why}`, { cause: error });
      if (this.#k6?.running === false) throw error;
      const told = (await this.#ledger?.ask<string>("complaints").catch(() => "")) ?? "";
      throw new Error(
        `${known}${told === "" ? "" : `: ${told}`}. If the edge limits handshakes: ${limitCure}`,
        {
          cause: error,
        },
      );
    }
  }

  async #talk(plan: Plan, port: number): Promise<void> {
    const { publish, clients, rate, scenario, seed } = this.#options;
    const talkFrom = this.#startedAt + plan.talkFromMs;
    if (publish !== undefined) {
      const { roomSize } = plan;
      const options = { ...publish, token: publish.token, run: this.#run, clients, roomSize, rate };
      this.#publisher = await HttpPublisher.open(`http://127.0.0.1:${port}`, options);
      this.#talks.push(this.#publisher.talk(Math.max(Date.now(), talkFrom), this.#talkUntil));
    }
    await pause(Math.max(0, talkFrom - Date.now()));
    const before = (await this.progress())?.published ?? 0;
    if (plan.dialect?.say !== undefined || publish !== undefined || plan.dialect === undefined)
      await this.#progress("something to be published", 60_000, ({ published }) => published > before);
    this.#acting = scenario.act(this.#stage(talkFrom, seed));
    // It is waited for at the end.
    this.#acting.catch(() => undefined);
  }

  #stage(talkFrom: number, seed: number): Stage {
    const random = new Seeded(seed);
    const none = () => {
      throw new Error("the servers of a target are somebody else's");
    };
    return {
      get fleet(): never {
        return none();
      },
      links: this.#links,
      first: [],
      talkMs: this.#talkUntil - talkFrom,
      at: (momentMs) => pause(Math.max(0, talkFrom + momentMs - Date.now())),
      talk: none,
      note: async (text) => await this.note(text),
      memory: async () => [],
      chance: () => random.next(),
    };
  }

  async #progress(
    what: string,
    deadlineMs: number,
    isMeant: (progress: Progress) => boolean,
  ): Promise<Progress> {
    if (this.#ledger === undefined || this.#k6 === undefined) throw new Error("nothing was started");
    return await awaitProgress(this.#ledger, this.#k6, { what, deadlineMs, isMeant });
  }

  /** A line a second for whoever waits. */
  #watch(): void {
    const { tell, seconds } = this.#options;
    if (tell === undefined) return;
    const talkFrom = this.#talkUntil - seconds * 1_000;
    const timer = setInterval(() => {
      this.progress().then(
        (progress) => {
          if (progress === undefined || Date.now() > this.#talkUntil) return;
          const { connected, published, deliveries } = progress;
          const passed = Math.round((Date.now() - talkFrom) / 1_000);
          const counts = `${connected} connected, ${published} published, ${deliveries} delivered`;
          tell(`${passed} s of ${seconds}: ${counts}`);
        },
        // It has ended with the run.
        () => undefined,
      );
    }, 1_000);
    this.#owner.onTestFinished(() => clearInterval(timer));
  }

  #probe() {
    const { url, ca, insecure } = this.#options;
    return { url, insecure, ca: ca === undefined ? undefined : readFileSync(ca, "utf8") };
  }

  get #deadlineMs(): number {
    const { seconds, clients } = this.#options;
    return seconds * 1_000 + clients * connectMsEach + 300_000;
  }
}

/** Small letters and digits, as rooms of the chat want them. */
function randomName(): string {
  return Math.random().toString(36).slice(2, 8).padEnd(6, "0");
}

const endMs = 60_000;
/** Over what was planned. */
const gatherMs = 20_000;
/**
 * More than for our own servers: generator and servers may share a machine that is busy with a deploy, and
 * what is counted here is not how fast it was.
 */
const lagMsMax = 5_000;
/** Longer than clients take from one report to the next. */
const hushMs = 8_000;

// --- types ---

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

export type TargetResult = { readonly outcome: TargetOutcome; readonly run: RunResult };
