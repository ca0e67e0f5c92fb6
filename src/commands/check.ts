/**
 * `holdfast check URL`: tries a deployment as its clients use it, and says what is wrong and what to change.
 */

import { setMaxListeners } from "node:events";
import { SessionChecks } from "./check/check-session.ts";
import { checkClock, checkHttp, type HttpFinding, resolveHost } from "./check/check-http.ts";
import { checkIdle, checkLarge, idleMsMax } from "./check/check-limits.ts";
import { checkOrigin } from "./check/check-origin.ts";
import { checkTls } from "./check/check-tls.ts";
import { checkHandshake, checkPolling, checkUpgrade, checkWebSocket } from "./check/check-transports.ts";
import * as cures from "./check/cures.ts";
import { faultOf } from "./check/fault.ts";
import { type Finding, problem, type Report, type Row, skipped } from "./check/finding.ts";
import { Inquiry } from "./check/inquiry.ts";
import { exitCodeOf, json, table } from "./check/report.ts";
import { checkUsage, readTarget, type Target, WrongUse } from "./check/target.ts";

type Write = (line: string) => void;

/** Returns the exit code; see `checkUsage`. */
export async function check(args: readonly string[], print: Write, complain: Write): Promise<number> {
  let target: Target | "help";
  try {
    target = readTarget(args);
  } catch (error) {
    if (!(error instanceof WrongUse)) throw error;
    complain(`${error.message}\nnpx holdfast check --help tells the rest.`);
    return 2;
  }
  if (target === "help") {
    print(checkUsage);
    return 0;
  }
  const interrupted = new AbortController();
  const onSignal = () => interrupted.abort();
  process.once("SIGINT", onSignal).once("SIGTERM", onSignal);
  try {
    return await run(target, interrupted.signal, print, complain);
  } finally {
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
}

async function run(target: Target, interrupt: AbortSignal, print: Write, complain: Write): Promise<number> {
  const idleMs = target.idleMs === "ping" ? idleMsMax : (target.idleMs ?? 0);
  const deadline = AbortSignal.timeout(deadlineMs + idleMs);
  const signal = AbortSignal.any([interrupt, deadline]);
  setMaxListeners(0, signal, interrupt, deadline);
  const progress = new Progress(process.stderr.isTTY && !target.json);
  const inquiry = new Inquiry(target, signal, (text) => progress.tell(text));
  const addresses = await resolveHost(inquiry);
  if (addresses.length === 0) {
    complain(`Nobody knows the name ${target.url.hostname}: look for a typing error, then at the DNS.`);
    return 2;
  }
  const rows = await new Checks(inquiry, addresses, interrupt).run((name) => progress.tell(name));
  progress.end();
  const { url, path, namespace } = target;
  const { proxy } = inquiry;
  const report: Report = { url: url.href, path, namespace, rows, proxy, interrupted: interrupt.aborted };
  const { isTTY } = process.stdout;
  const look = { columns: isTTY ? process.stdout.columns : 96, colour: isTTY && !process.env["NO_COLOR"] };
  print(target.json ? json(report) : table(report, look));
  return exitCodeOf(report);
}

/** The checks in their order, each with what those before it have learnt. */
class Checks {
  readonly #inquiry: Inquiry;
  readonly #addresses: readonly string[];
  readonly #interrupt: AbortSignal;
  readonly #session: SessionChecks;
  readonly #rows: Row[] = [];
  #http: HttpFinding | undefined;

  constructor(inquiry: Inquiry, addresses: readonly string[], interrupt: AbortSignal) {
    this.#inquiry = inquiry;
    this.#addresses = addresses;
    this.#interrupt = interrupt;
    this.#session = new SessionChecks(inquiry);
  }

  async run(begins: (name: string) => void): Promise<readonly Row[]> {
    for (const [name, needs, find] of this.#plan()) {
      begins(name);
      const startedAt = performance.now();
      const finding = await this.#find(needs, find);
      this.#rows.push({ check: name, ...finding, tookMs: performance.now() - startedAt });
    }
    await this.#session.end();
    return this.#rows;
  }

  #plan(): readonly (readonly [name: string, needs: Need, find: () => Finding | Promise<Finding>])[] {
    const inquiry = this.#inquiry;
    const session = this.#session;
    return [
      ["http", "nothing", async () => (this.#http = await checkHttp(inquiry, this.#addresses)).finding],
      ["tls", "nothing", () => checkTls(inquiry)],
      ["clock", "answer", () => (this.#http?.answer ? checkClock(this.#http.answer) : skipped("no answer"))],
      ["handshake", "answer", () => checkHandshake(inquiry)],
      ["polling", "handshake", () => checkPolling(inquiry)],
      ["websocket", "handshake", () => checkWebSocket(inquiry)],
      ["upgrade", "handshake", () => checkUpgrade(inquiry)],
      ["cors", "handshake", () => checkOrigin(inquiry)],
      ["session", "transport", () => session.checkSession()],
      ["messages", "transport", () => session.checkMessages()],
      ["resume", "transport", () => session.checkResume()],
      ["nodes", "transport", () => session.checkNodes()],
      ["large", "transport", () => checkLarge(inquiry)],
      ["idle", "transport", () => checkIdle(inquiry)],
    ];
  }

  async #find(needs: Need, find: () => Finding | Promise<Finding>): Promise<Finding> {
    if (this.#inquiry.signal.aborted) return this.#cutShort();
    const missing = this.#missing(needs);
    if (missing !== undefined) return skipped(missing);
    try {
      const finding = await find();
      // What an end from here has torn says nothing about the deployment.
      return this.#inquiry.signal.aborted && finding.result !== "ok" ? this.#cutShort() : finding;
    } catch (error) {
      if (this.#inquiry.signal.aborted) return this.#cutShort();
      return problem(faultOf(error, this.#inquiry.target.timeoutMs).message, []);
    }
  }

  #missing(needs: Need): string | undefined {
    const { handshake, pollingWorks, webSocketWorks } = this.#inquiry;
    if (needs === "nothing") return undefined;
    if (this.#http?.answer === undefined) return "nobody answers";
    if (needs === "answer") return undefined;
    if (handshake === undefined) return "there was no handshake";
    if (needs === "transport" && !pollingWorks && !webSocketWorks) return "no transport works";
    return undefined;
  }

  #cutShort(): Finding {
    if (this.#interrupt.aborted) return skipped("interrupted");
    if (this.#rows.some(({ result }) => result === "problem")) return skipped("there was no time left");
    return problem(`not finished within ${deadlineMs / 1_000} s`, [cures.tooSlow]);
  }
}

/** One line that is written over, for somebody who watches. */
class Progress {
  readonly #shown: boolean;

  constructor(shown: boolean) {
    this.#shown = shown;
  }

  tell(text: string): void {
    if (this.#shown) process.stderr.write(`\r\x1b[K${text} …`);
  }

  end(): void {
    if (this.#shown) process.stderr.write("\r\x1b[K");
  }
}

/** What a check needs to be worth a try. */
type Need = "nothing" | "answer" | "handshake" | "transport";

/** Beside the seconds of --idle: far more than a check takes whose answers come at once. */
const deadlineMs = 180_000;
