/**
 * The other processes on this store, as this one deals with them: clients' answers go to the process that
 * waits for them, and events that another process is running are waited for. What to do is decided by
 * `RunsElsewhere` and `LentRuns`; here it is carried out.
 */

import { type Claim, unclaimed } from "../protocol/holder.ts";
import type { Run } from "../protocol/inbox.ts";
import { LentRuns, type RunEnd, type WordFor } from "../protocol/lent-runs.ts";
import type { AnswerWord, NodeWord, TakeWord } from "../protocol/node-words.ts";
import { decodePayload } from "../protocol/payload.ts";
import type { CommittedEntry, ResumedSession, ResumeRequest, ResumeResult } from "../store/port.ts";
import type { DeliveryNode } from "./delivery-node.ts";
import type { RunResult } from "./dispatch.ts";
import { toBuffer } from "./event-runs.ts";
import { NodeLog } from "./node-log.ts";
import { outcomeOf } from "./outcome-records.ts";
import { persistently } from "./persistently.ts";
import { Request } from "./request.ts";
import { runReply, unanswered } from "./reply-run.ts";
import type { Session } from "./session.ts";

export class OtherNodes {
  readonly #node: DeliveryNode;
  readonly #log: NodeLog;
  readonly #lent = new LentRuns({ limit: lentSessionsLimit });
  /** Sessions that this process is about to resume, and what others said of them meanwhile. */
  readonly #resuming = new Map<string, { readonly takes: Take[]; count: number }>();
  /** Sessions that wait for other processes. */
  readonly #waiting = new Set<Session>();
  #timer: ReturnType<typeof setInterval> | undefined;
  #closed = false;

  constructor(node: DeliveryNode) {
    this.#node = node;
    this.#log = new NodeLog({
      id: node.id,
      store: node.store,
      hear: (from, word) => this.#hear(from, word),
      lost: () => node.replies.giveUpAll("reply_lost"),
      reportStoreError: (error) => this.#reportStoreError(error),
    });
    this.#log.begin();
  }

  /** Runs for sessions that are held elsewhere. */
  get running(): number {
    return this.#lent.running;
  }

  handleCommitted(entries: readonly CommittedEntry[]): void {
    this.#log.handleCommitted(entries);
  }

  /** A question is about to be asked: whoever gets the answer has to know this process. */
  announce(): void {
    this.#log.announce();
  }

  /** To be called now and then: finds what was said and not heard. */
  async look(): Promise<void> {
    const { replies, options } = this.#node;
    await this.#log.look({ needed: replies.size > 0, entryAgeMs: options.retention.entryAgeMs });
  }

  /**
   * Gives a client's answer to the process that waits for it, and resolves when that is stored. Returns how
   * the answer ends; undefined when that process will say it.
   */
  async answer(session: Session, run: Run, to: string): Promise<RunResult | undefined> {
    const { sequence, wantsReply, payload, request = "" } = run;
    if (to !== this.#node.id && !(await this.#log.isKnown(to))) return unanswered(wantsReply);
    const { generation, heard = 0 } = session.fence;
    const { since } = session.elsewhere;
    const at = { namespace: session.namespace, session: session.id, generation, heard, since, sequence };
    if (wantsReply) {
      session.elsewhere.forward(performance.now(), to, sequence);
      this.#waitFor(session);
    }
    await this.#send({ to, word: { kind: "answer", ...at, request, wantsReply, payload } });
    if (!wantsReply) return unanswered(false);
    session.elsewhere.handleAlive(performance.now(), to);
    return undefined;
  }

  /**
   * Resumes a session in the store. Whoever has taken it over since does not wait for this process to find
   * out: the resume has come too late then, and the client is at the other one.
   */
  async resume(request: ResumeRequest): Promise<ResumeResult> {
    const { session } = request;
    const resuming = this.#resuming.get(session) ?? { takes: [], count: 0 };
    this.#resuming.set(session, resuming);
    resuming.count += 1;
    try {
      const result = await this.#node.store.resumeSession(request);
      const newer = result.ok && resuming.takes.find(({ word }) => word.generation > result.generation);
      if (!result.ok || newer === undefined || newer === false) return result;
      const ask = result.previousNode === this.#node.id ? [] : [result.previousNode];
      const leaving = { generation: result.generation, claimed: unclaimed, running: [], ask };
      this.#lent.handleLeft(performance.now(), newer.word, leaving);
      return { ok: false, reason: "late" };
    } finally {
      resuming.count -= 1;
      if (resuming.count === 0) this.#resuming.delete(session);
      for (const { from, word } of resuming.takes.splice(0)) this.#hearTake(from, word);
    }
  }

  /** A session goes on here. Asks who had it before, where what the client may send again may run there. */
  handleResumed(session: Session, claim: Claim, resumed: ResumedSession): void {
    const { previousNode, outcomes, inboxLow } = resumed;
    const low = Math.max(claim.low, inboxLow);
    const settled = outcomes.filter(({ sequence }) => sequence >= low && sequence < claim.next).length;
    const isUnsettled = claim.next - low > settled;
    const { id } = this.#node;
    session.comeFromElsewhere(claim);
    if (this.#lent.knows(session.id)) this.#askFirst(session, id);
    if (isUnsettled && previousNode !== id) this.#askFirst(session, previousNode);
  }

  /** The session has ended here, and may go on elsewhere. */
  handleLeft(session: Session): void {
    this.#lent.handleLeft(
      performance.now(),
      { namespace: session.namespace, session: session.id },
      session.leaving,
    );
    if (this.#lent.size > 0) this.#watchTime();
    if (this.#lent.size >= lentSessionsLimit) this.#node.options.meter?.limitHit("lent_sessions");
  }

  /** Asks a process what it runs of the session. */
  ask(session: Session, to: string): void {
    const { since: generation, claim } = session.elsewhere;
    const { low, next, holder } = claim;
    const at = { namespace: session.namespace, session: session.id, generation, low, next };
    const word = { kind: "take", ...at, ...(holder === undefined ? {} : { holder }) } as const;
    this.#waitFor(session);
    if (to === this.#node.id) this.#say(this.#lent.handleTaken(performance.now(), to, word));
    else this.#say([{ to, word }]);
  }

  /** A run of a session that has gone on elsewhere is over, with or without an outcome. */
  handleEnded(session: string, end: RunEnd): void {
    this.#say(this.#lent.handleEnded(performance.now(), session, end));
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
  }

  #hear(from: string, word: NodeWord): void {
    switch (word.kind) {
      case "here":
        return;
      case "answer":
        this.#hearAnswer(from, word);
        return;
      case "alive":
        for (const { elsewhere } of this.#waiting) elsewhere.handleAlive(performance.now(), from);
        return;
      case "done": {
        const session = this.#node.sessionOf(word);
        session?.handleElsewhere(session.elsewhere.handleDone(from, word));
        return;
      }
      case "take":
        this.#hearTake(from, word);
        return;
      case "held": {
        const session = this.#node.sessionOf(word);
        session?.handleElsewhere(session.elsewhere.handleHeld(performance.now(), from, word));
        return;
      }
    }
  }

  /** The callback may have been called for this answer already: the client sends it until it is settled. */
  #hearAnswer(from: string, word: AnswerWord): void {
    const { request, session, sequence, wantsReply, payload } = word;
    const delivery = this.#node.findNamespace(word.namespace);
    if (delivery === undefined) return;
    const callback = this.#node.replies.take(request, session);
    const lent = this.#lent.lend(performance.now(), from, word, callback !== undefined);
    if (lent !== "new") {
      this.#say(lent);
      return;
    }
    const values = decodePayload(payload, toBuffer);
    const end = (result: RunResult) => {
      const outcome = outcomeOf(sequence, result);
      const words = this.#lent.handleAnswered(performance.now(), word, outcome);
      // Nobody waits for the end of an answer that wants no reply: it was recorded when it was on its way.
      if (wantsReply) this.#say(words);
    };
    if (callback === undefined || values === undefined) {
      end(unanswered(wantsReply));
      return;
    }
    void runReply(callback, values, {
      request: this.#requestOf(word),
      wantsReply,
      timeoutMs: this.#node.options.handlerTimeoutMs,
      encodeReply: (args) => delivery.questions.encodeReply(session, this, args),
    }).then(end);
    this.#watchTime();
  }

  #requestOf({ session, sequence, generation, heard, wantsReply }: AnswerWord): Request {
    const fence = { session, generation, node: this.#node.id, heard };
    const request = new Request({ id: session, fence }, sequence);
    // Its outcome is recorded before the callback runs, and what the callback publishes is on its own
    // account.
    if (!wantsReply) request.close();
    return request;
  }

  #askFirst(session: Session, to: string): void {
    if (session.elsewhere.ask(performance.now(), to)) this.ask(session, to);
  }

  #hearTake(from: string, word: TakeWord): void {
    const resuming = this.#resuming.get(word.session);
    if (resuming !== undefined && resuming.takes.length < takesLimit) {
      resuming.takes.push({ from, word });
      return;
    }
    const session = this.#node.sessionOf(word);
    if (session !== undefined) {
      if (session.generation >= word.generation) return;
      this.#node.namespace(word.namespace).endSession(session, "moved");
    }
    this.#say(this.#lent.handleTaken(performance.now(), from, word));
  }

  #waitFor(session: Session): void {
    this.#waiting.add(session);
    this.#watchTime();
  }

  /** Time is looked at only while something is waited for, here or there. */
  #watchTime(): void {
    if (this.#timer !== undefined || this.#closed) return;
    this.#timer = setInterval(() => this.#lookAtTime(), lookIntervalMs);
    this.#timer.unref();
  }

  #lookAtTime(): void {
    const now = performance.now();
    for (const session of this.#waiting) {
      session.handleElsewhere(session.elsewhere.handleTimeout(now));
      if (session.ended || session.elsewhere.size === 0) this.#waiting.delete(session);
    }
    this.#say(this.#lent.handleTimeout(now));
    if (this.#waiting.size > 0 || this.#lent.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #say(words: readonly WordFor[]): void {
    for (const word of words) this.#send(word).catch((error: unknown) => this.#reportStoreError(error));
    if (this.#lent.size > 0) this.#watchTime();
  }

  async #send({ to, word }: WordFor): Promise<void> {
    if (to === this.#node.id) {
      queueMicrotask(() => this.#hear(to, word));
      return;
    }
    // Nobody says it again; and one that says that it lives is late when it is tried again.
    if (word.kind !== "done") return await this.#log.send(to, word);
    const report = (error: unknown) => this.#reportStoreError(error);
    await persistently(() => this.#log.send(to, word), { report, isOver: () => this.#closed });
  }

  #reportStoreError(error: unknown): void {
    this.#node.report("store_error", { error });
  }
}

type Take = { readonly from: string; readonly word: TakeWord };

/** Far below the deadlines that are looked at. */
const lookIntervalMs = 100;
/** Sessions that went on elsewhere while something of them ran here; the events of more run again. */
const lentSessionsLimit = 10_000;
/** Takeovers of one session while the store answers once; the last ones are answered without it. */
const takesLimit = 16;
