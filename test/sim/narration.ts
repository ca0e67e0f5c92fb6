/**
 * A failed run told short enough to read: who did what when, in plain words, and the verdict. Where the whole
 * does not fit, what is nearest to the verdict stays.
 */

import type { Violation } from "./checkers.ts";
import type { Fact, History, Line } from "./history.ts";
import type { Plan } from "./plan.ts";
import { verdictOf } from "./shrink.ts";
import { Words } from "./words.ts";

export type Told = {
  readonly plan: Plan;
  readonly history: History;
  readonly violations: readonly Violation[];
};

export function tellStory({ plan, history, violations }: Told): string {
  const [first] = violations;
  if (first === undefined) return "all guarantees hold";
  const words = new Words(history);
  const concerned = new Concerned(first, words);
  const lines = history.lines.flatMap((line) => {
    const text = words.of(line);
    return text === "" ? [] : [{ text: `${clock(line)}  ${text}`, weight: concerned.weight(line.fact) }];
  });
  const verdicts = violations
    .filter((violation) => violation === first || verdictOf(violation) !== verdictOf(first))
    .slice(0, violationsMax)
    .map(({ guarantee, what }) => `BROKEN ${guarantee}: ${words.named(what)}`);
  const others = violations.length - verdicts.length;
  if (others > 0) verdicts.push(`(and ${others} more like these)`);
  return [describePlan(plan), ...fitting(lines), ...verdicts].join("\n");
}

function clock({ at }: Line): string {
  return `${(at / 1000).toFixed(3).padStart(8)} s`;
}

function describePlan(plan: Plan): string {
  const { nodes, pages, rooms, latencyMs, storeLatencyMs, delivery, usage } = plan;
  const limits = Object.entries(delivery).map(([name, value]) => `${name}=${value}`);
  return (
    `up to ${nodes} nodes, ${pages} pages, rooms ${[...rooms, ...usage.mailboxes].join(" ")}, ` +
    `links ${latencyMs} ms, store ${storeLatencyMs} ms${plan.trims ? ", trims" : ""}\n${limits.join(" ")}`
  );
}

type Weighed = { readonly text: string; readonly weight: number };

/**
 * The weightiest lines in their order, the later ones of the same weight; `...` where some are left out.
 * Where not all fit, what is only near to the verdict is told of its end alone.
 */
function fitting(lines: readonly Weighed[]): string[] {
  const byWeight = lines
    .map(({ weight }, index) => ({ weight, index }))
    .toSorted((left, right) => right.weight - left.weight || right.index - left.index);
  const weighty = byWeight.filter(({ weight }) => weight >= weightMin).slice(0, linesMax - 12);
  const near = byWeight.filter(({ weight }) => weight < weightMin).slice(0, 12);
  const all = lines.length <= linesMax ? byWeight : [...weighty, ...near];
  const chosen = new Set(all.map(({ index }) => index));
  const out: string[] = [];
  let left = 0;
  for (const [index, { text }] of lines.entries()) {
    if (!chosen.has(index)) {
      left += 1;
      continue;
    }
    if (left > 0) out.push(`            ... (${left})`);
    left = 0;
    out.push(text);
  }
  if (left > 0) out.push(`            ... (${left})`);
  return out;
}

/** What the verdict names: events, sessions, pages, places in streams. */
class Concerned {
  readonly #ids: ReadonlySet<string>;
  readonly #sessions: ReadonlySet<string>;
  readonly #seats: ReadonlySet<string>;
  readonly #places: ReadonlySet<string>;

  constructor({ what }: Violation, words: Words) {
    const tokens = what.split(/[\s,()[\]]+|:(?!\d)/);
    this.#ids = new Set(tokens.filter((token) => /^(c\d+e\d+|n\w\w\.\d+)/.test(token)).map(eventOf));
    this.#sessions = new Set(tokens.filter((token) => words.pageOf(token) !== undefined));
    this.#places = new Set(tokens.filter((token) => /^\d+:\d+$/.test(token)));
    const named = tokens.filter((token) => /^c\d+[pe]\d+/.test(token));
    const pages = [...named, ...[...this.#sessions].map((session) => words.pageOf(session) ?? "")];
    this.#seats = new Set(pages.map(seatOf));
  }

  weight(fact: Fact): number {
    const place = "stream" in fact && "offset" in fact ? `${fact.stream}:${fact.offset}` : "";
    if ("id" in fact && this.#ids.has(eventOf(fact.id))) return 5;
    if (this.#places.has(place)) return 5;
    const isConcerned =
      ("session" in fact && this.#sessions.has(fact.session)) ||
      ("page" in fact && this.#seats.has(seatOf(fact.page)));
    if (fact.kind === "wrong" || fact.kind === "rewound") return 5;
    if (fact.kind === "fault" || fact.kind === "node") return 4;
    if (!isConcerned) return fact.kind === "appended" ? 1 : 0;
    return turningPoints.has(fact.kind) ? 4 : 2;
  }
}

function eventOf(id: string): string {
  return id.replace(/[#q].*/, "");
}

function seatOf(page: string): string {
  return page.replace(/[pe]\d+.*/, "");
}

const turningPoints: ReadonlySet<Fact["kind"]> = new Set([
  "page",
  "copied",
  "connect",
  "disconnect",
  "gap",
  "refused",
  "resumed",
  "ending",
  "ended",
  "joined",
  "left",
]);
const violationsMax = 4;
const linesMax = 48;
/** From here on a line says something that the verdict names, or what happened to everyone. */
const weightMin = 4;
