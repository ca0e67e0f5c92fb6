/** G4: what a server asks its clients is answered once, or given up with a reason that holds. */

import { storeRefusals } from "./error-code.ts";
import type { Report } from "./checkers.ts";
import type { Fact, History } from "./history.ts";

type Asked = Extract<Fact, { kind: "asked" }>;

export type AnswerEvidence = {
  readonly history: History;
  /** Those that are connected at the end, after everything had the time to come to rest. */
  readonly livePages: readonly string[];
  /** Whether nodes keep few callbacks. */
  readonly mayForget: boolean;
};

export function checkAnswers(evidence: AnswerEvidence, report: Report): void {
  const answers = new Answers(evidence, report);
  for (const { fact } of evidence.history.lines) answers.read(fact);
  answers.finish(new Set(evidence.livePages));
}

class Answers {
  readonly #report: Report;
  readonly #mayForget: boolean;
  readonly #asked = new Map<string, Asked>();
  readonly #answered = new Set<string>();
  readonly #thanked = new Set<string>();
  readonly #shown = new Set<string>();
  readonly #shownAt = new Map<string, string>();
  /** Whoever is asked may be gone before there is room for its answer. */
  readonly #gone = new Set<string>();
  readonly #ended = new Set<string>();
  /** Processes that have not heard all that was said to them. */
  readonly #mayBeTrimmed = new Set<string>();
  /**
   * Sessions whose callbacks were given up because they have ended, which the store may hear a little later.
   */
  readonly #closed = new Set<string>();
  readonly #down = new Set<string>();
  /** The store went back in time after they were asked: the question may be lost, or who was asked. */
  readonly #mayBeLost = new Set<string>();
  /** Sessions that the store has lost; the process that holds one finds out when it writes. */
  readonly #lostSessions = new Set<string>();
  #isRewound = false;
  readonly #sessions = new Map<string, string>();

  constructor({ mayForget }: AnswerEvidence, report: Report) {
    this.#mayForget = mayForget;
    this.#report = report;
  }

  read(fact: Fact): void {
    switch (fact.kind) {
      case "asked":
        this.#asked.set(fact.id, fact);
        return;
      case "shown":
        this.#shown.add(`${fact.session} ${fact.id}`);
        this.#shownAt.set(fact.id, fact.page);
        return;
      case "page":
        if (fact.what === "gone") this.#gone.add(fact.page);
        return;
      case "ending":
      case "overdue":
        this.#ended.add(fact.session);
        return;
      case "ended":
        this.#ended.add(fact.session);
        if (fact.why === "rewound") this.#lostSessions.add(fact.session);
        return;
      case "word":
        if (fact.what === "trimmed") this.#mayBeTrimmed.add(fact.node);
        return;
      case "node":
        if (fact.what !== "start") this.#down.add(fact.node);
        return;
      case "rewound":
        for (const id of this.#asked.keys()) this.#mayBeLost.add(id);
        this.#isRewound = true;
        return;
      case "connect":
        this.#sessions.set(fact.page, fact.session);
        return;
      case "answered":
        this.#answer(fact);
        return;
      case "thanked": {
        const { id, page, value } = fact;
        if (!this.#answered.has(id) || value !== `thanks:${id}`)
          this.#report("G4", `${page} was thanked for ${id} with ${value}`);
        if (this.#thanked.has(`${page} ${id}`)) this.#report("G4", `${page} was thanked twice for ${id}`);
        this.#thanked.add(`${page} ${id}`);
        return;
      }
      default:
    }
  }

  /** Whoever has a deadline, or asks a client that is here, knows by now. */
  finish(livePages: ReadonlySet<string>): void {
    for (const session of this.#closed) {
      if (!this.#ended.has(session) && !this.#isRewound)
        this.#report("G4", `${session} was said to have ended, which it has not`);
    }
    const connected = new Set<string>();
    for (const [page, session] of this.#sessions) if (livePages.has(page)) connected.add(session);
    for (const { id, node, session, timeoutMs } of this.#asked.values()) {
      if (this.#answered.has(id) || this.#down.has(node) || this.#mayBeLost.has(id)) continue;
      const isLeft = this.#gone.has(this.#shownAt.get(id) ?? "");
      // Wherever the client is connected, and whoever was told that the session is over.
      const isKnown = connected.has(session) || this.#ended.has(session);
      if (timeoutMs > 0 || (isKnown && !isLeft))
        this.#report("G4", `${node} asked ${id} and never heard of it again`);
    }
  }

  #answer({ id, error, value }: Extract<Fact, { kind: "answered" }>): void {
    const question = this.#asked.get(id);
    if (question === undefined) {
      this.#report("G4", `${id} was answered and never asked`);
      return;
    }
    if (this.#answered.has(id)) this.#report("G4", `${id} was answered twice`);
    this.#answered.add(id);
    if (error === "") {
      const isAsked = this.#shown.has(`${question.session} ${id}`);
      if (!isAsked) this.#report("G4", `${id} was answered by one who was not asked`);
      if (value !== `answer:${id}`) this.#report("G4", `${id} was answered with ${value}`);
    } else if (!this.#allows(question, error)) this.#report("G4", `${id} was given up with ${error}`);
  }

  #allows({ node, session, timeoutMs }: Asked, error: string): boolean {
    switch (error) {
      case "operation has timed out":
        return timeoutMs > 0;
      // Sent by another process, and not kept for long enough.
      case "reply_lost":
        return this.#isRewound || this.#mayBeTrimmed.has(node);
      case "question_lost":
        return this.#isRewound;
      case "session_closed":
        this.#closed.add(session);
        return true;
      case "reply_timeout":
        return this.#mayForget;
      default:
        return storeRefusals.has(error);
    }
  }
}
