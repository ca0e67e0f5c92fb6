/** G1, G4 and G5: what became of every event of a client. */

import type { Report } from "./checkers.ts";
import type { Fact, History } from "./history.ts";

type Emitted = Extract<Fact, { kind: "emit" }> & {
  current: number;
  settled: Extract<Fact, { kind: "settled" }>[];
};

export function checkEvents(
  evidence: { readonly history: History; readonly settled: boolean; readonly handlerTimeoutMs: number },
  report: Report,
): void {
  const { history, settled, handlerTimeoutMs } = evidence;
  const emitted = outcomes(history, report, settled);
  checkRuns(history, report, emitted);
  checkEffects({ history, emitted, overdue: overdueRuns(history, handlerTimeoutMs) }, report);
  checkAnswers(history, report);
}

/** Every emit of a page ends once, in a way that its plan allows. */
function outcomes(history: History, report: Report, complete: boolean): Emitted[] {
  const all: Emitted[] = [];
  const mayBeLost = history.of("copied").length > 0;
  const pages = new Map<string, Map<number, Emitted>>();
  const gone = new Set<string>();
  for (const { fact } of history.lines) {
    if (fact.kind === "page" && fact.what === "gone") gone.add(fact.page);
    if (fact.kind === "emit") {
      const page = pages.get(fact.page) ?? new Map<number, Emitted>();
      pages.set(fact.page, page);
      const emit = { ...fact, current: fact.sequence, settled: [] };
      all.push(emit);
      page.set(fact.sequence, emit);
    }
    if (fact.kind === "renumbered") renumber(pages.get(fact.page), fact.from, fact.to);
    if (fact.kind === "settled") {
      const emit = pages.get(fact.page)?.get(fact.sequence);
      if (emit !== undefined) settle(emit, fact, { mayBeLost, report });
    }
  }
  for (const emit of complete ? all : []) {
    if (emit.settled.length === 0 && !gone.has(emit.page))
      report("G1", `${emit.id} (${emit.plan}) has no end`);
  }
  return all;
}

function renumber(page: Map<number, Emitted> | undefined, from: number, to: number): void {
  const emit = page?.get(from);
  if (page === undefined || emit === undefined) return;
  page.delete(from);
  page.set(to, emit);
  emit.current = to;
}

function settle(
  emit: Emitted,
  fact: Extract<Fact, { kind: "settled" }>,
  options: { readonly mayBeLost: boolean; readonly report: Report },
): void {
  const { mayBeLost, report } = options;
  emit.settled.push(fact);
  const { id, plan } = emit;
  if (emit.settled.length > 1) report("G1", `${id} (${plan}) has ended ${emit.settled.length} times`);
  const allowed = allowedErrors(plan);
  if (mayBeLost) allowed.add("session_lost");
  if (!allowed.has(fact.error)) report("G1", `${id} (${plan}) has ended with ${fact.error || "success"}`);
  if (fact.error !== "" || !plan.includes(" reply") || plan.startsWith("throw")) return;
  if (fact.value !== `reply:${id}`) report("G4", `${id} (${plan}) was answered with ${fact.value}`);
}

function allowedErrors(plan: string): Set<string> {
  const allowed = new Set<string>();
  const [kind = ""] = plan.split(/[: ]/);
  if (plan.includes(" deadline")) allowed.add("expired").add("operation has timed out");
  if (kind === "throw") allowed.add("application_error");
  else if (kind === "nobody") allowed.add("unhandled_event");
  else if (kind === "hang" && plan.includes(" reply")) allowed.add("handler_timeout");
  else allowed.add("");
  // Waiting for a store that is slow counts as the handler's time.
  if (plan.includes(" reply") && takesTime.has(kind)) allowed.add("handler_timeout");
  return allowed;
}

/** Runs: first ones in order, none after the outcome is recorded, none beside another of the same event. */
function checkRuns(history: History, report: Report, emitted: readonly Emitted[]): void {
  const aside = new Set(emitted.filter(({ plan }) => plan.includes(" aside")).map(({ id }) => id));
  const recorded = new Set<string>();
  const started = new Map<string, string>();
  const last = new Map<string, number>();
  const ran = new Set<string>();
  const holders = new Map<string, string>();
  for (const { fact } of history.lines) {
    if (fact.kind === "resumed") holders.set(fact.session, fact.node.slice(0, 3));
    if (fact.kind === "recorded") recorded.add(`${fact.session} ${fact.sequence}`);
    if (fact.kind !== "run") continue;
    const { session, sequence, id } = fact;
    ran.add(id);
    const name = `${session} ${sequence}`;
    // A node that does not know yet that another one holds the session: there is no word between nodes so
    // far.
    if ((holders.get(session) ?? fact.node) !== fact.node) continue;
    if (recorded.has(name)) report("G1", `${id} ran again after its outcome was recorded`);
    const known = started.get(name);
    if (known !== undefined && known !== id)
      report("G1", `sequence ${sequence} ran as ${known} and as ${id}`);
    if (known !== undefined) continue;
    started.set(name, id);
    if (aside.has(id)) continue;
    const before = last.get(session) ?? 0;
    if (sequence < before) report("G1", `${id} (sequence ${sequence}) ran after sequence ${before}`);
    last.set(session, Math.max(before, sequence));
  }
  for (const { id, plan, settled } of emitted) {
    const [end] = settled;
    if (end !== undefined && end.error === "" && !ran.has(id))
      report("G1", `${id} (${plan}) succeeded and never ran`);
  }
}

/** What a handler publishes is in each of its streams once, however often the handler ran. */
function checkEffects(
  evidence: {
    readonly history: History;
    readonly emitted: readonly Emitted[];
    readonly overdue: ReadonlySet<string>;
  },
  report: Report,
): void {
  const { history, emitted, overdue } = evidence;
  // What a page had not sent yet is sent by each of its copies, in a session of its own.
  const copied = history.of("copied").length > 0;
  const places = new Map<string, number>();
  const ids = new Map<string, number>();
  for (const { stream, id } of history.of("appended")) {
    const name = `${stream} ${id}`;
    places.set(name, (places.get(name) ?? 0) + 1);
    ids.set(id, (ids.get(id) ?? 0) + 1);
  }
  for (const [name, count] of places) {
    const [, id = ""] = name.split(" ");
    if (count > 1 && !copied && !overdue.has(id.replace(/#.*/, "")))
      report("G5", `${name} was stored ${count} times`);
  }
  for (const { id, plan, settled } of emitted) {
    if (settled[0]?.error !== "") continue;
    for (const part of expectedParts(plan)) {
      if (!ids.has(`${id}#${part}`)) report("G5", `${id} (${plan}) succeeded without ${id}#${part}`);
    }
  }
}

/** What a handler publishes after its time is up is on its own account, without the event's key. */
function overdueRuns(history: History, handlerTimeoutMs: number): Set<string> {
  const started = new Map<string, number>();
  const overdue = new Set<string>();
  for (const { at, fact } of history.lines) {
    if (fact.kind === "run") started.set(`${fact.node} ${fact.id}`, at);
    if (fact.kind !== "ran") continue;
    if (at - (started.get(`${fact.node} ${fact.id}`) ?? at) >= handlerTimeoutMs) overdue.add(fact.id);
  }
  return overdue;
}

function expectedParts(plan: string): number[] {
  const [kind = ""] = plan.split(/[: ]/);
  if (kind === "emit" || kind === "slow") return [0, 1];
  return ["publish", "self", "both", "others"].includes(kind) ? [0] : [];
}

function checkAnswers(history: History, report: Report): void {
  const answered = new Map<string, number>();
  for (const { id, error, value } of history.of("answered")) {
    answered.set(id, (answered.get(id) ?? 0) + 1);
    if (error === "" && value !== `answer:${id}`) report("G4", `${id} was answered with ${value}`);
  }
  for (const [id, count] of answered) if (count > 1) report("G4", `${id} was answered ${count} times`);
}

/** A frozen process does not notice that its handler would have been done in time. */
const takesTime = new Set(["publish", "slow", "both", "others", "join", "leave", "later", "throw"]);
