/**
 * The report as one page that needs nothing else: the verdict on top, then the figures, then the evidence.
 */

import type { DirectionVerdict } from "../ledger/verdict.ts";
import type { RunResult } from "../run.ts";
import { absences, latencies, overTime, reconnects } from "./charts.ts";
import { kindTitles, type Report } from "./report.ts";
import { style } from "./style.ts";
import { duration, escaped, grouped } from "./text.ts";

export function pageOf(report: Report): string {
  const judged = report.results.filter(({ judgement }) => judgement !== undefined);
  const several = judged.length > 1;
  const body = [
    headerOf(report),
    `<section><h2>What was lost on the way</h2>${tableOf(judged)}${footnote(report)}</section>`,
    judged.length === 0 ? "" : evidenceOf(judged, several),
    examplesOf(judged),
    aboutOf(report),
  ];
  const title = `${report.scenario}: ${report.outcome.word}`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title><style>${style}</style></head>
<body>${body.join("\n")}</body></html>
`;
}

function remarksOf(target: Report["target"]): string {
  return (target?.remarks ?? []).map((text) => `<p class="lead">${escaped(text)}</p>`).join("");
}

function headerOf({ outcome, scenario, startedAt, target }: Report): string {
  // The verdict on Holdfast is the headline, what became of the controls the line below.
  const [verdict = "", ...controls] = outcome.sentence.split(/; (?=Socket\.IO)/);
  const objections = outcome.objections.map((text) => `<li>${escaped(text)}</li>`).join("");
  return `<header>
<p class="kicker"><span class="badge ${outcome.word}">${outcome.word}</span>Load test “${escaped(scenario)}”, ${startedAt.slice(0, 10)}</p>
<h1>${escaped(verdict)}</h1>
${controls.length === 0 ? "" : `<p class="lead">${escaped(`${controls.join("; ")}`)}</p>`}
${objections === "" ? "" : `<ul class="objections">${objections}</ul>`}
${remarksOf(target)}
</header>`;
}

function tableOf(results: readonly RunResult[]): string {
  const rows = results.map(({ kind, judgement }) => {
    if (judgement === undefined) return "";
    const { verdict, course } = judgement;
    const { absenceMs } = course;
    const away =
      absenceMs.count === 0 ? ["-", "-", "-"] : [absenceMs.p50, absenceMs.p99, absenceMs.max].map(duration);
    const cells = [
      ...faultCells(verdict.toClients, ["lost", "duplicated", "reordered"]),
      ...faultCells(verdict.toServers, ["lost", "duplicated", "reordered", "unanswered"]),
      `<td>${duration(verdict.toClients.latencyMs.p50)}</td><td>${duration(verdict.toClients.latencyMs.p99)}</td>`,
      ...away.map((text) => `<td>${text}</td>`),
      `<td>${Math.max(0, ...course.reconnects)}</td>`,
    ];
    const name = `<td><span class="key c-${kind}"><span>${kindTitles[kind]}</span></span></td>`;
    return `<tr class="${kind === "holdfast" ? "ours" : ""}">${name}${cells.join("")}</tr>`;
  });
  return `<div class="scroll"><table>
<tr><th></th><th class="group" colspan="3">server to client</th><th class="group" colspan="4">client to server</th>
<th class="group" colspan="2">delivery after</th><th class="group" colspan="3">client away for</th><th></th></tr>
<tr><th></th><th>lost</th><th>duplicated</th><th>reordered</th><th>lost</th><th>duplicated</th><th>reordered</th><th>no reply</th>
<th>p50</th><th>p99</th><th>p50</th><th>p99</th><th>max</th><th>reconnects<br>at most</th></tr>
${rows.join("\n")}</table></div>`;
}

function faultCells(
  found: DirectionVerdict,
  names: readonly ("lost" | "duplicated" | "reordered" | "unanswered")[],
) {
  if (found.owed === 0) return names.map(() => "<td>-</td>");
  return names.map(
    (name) => `<td class="${found[name] === 0 ? "fine" : "fault"}">${grouped(found[name])}</td>`,
  );
}

function footnote({ results, lateAfterMs, target }: Report): string {
  const [first] = results;
  const verdict = first?.judgement?.verdict;
  if (verdict === undefined) return "";
  const { toClients, toServers, gapsReported } = verdict;
  const late = toClients.late + toServers.late;
  const undelivered = toClients.undelivered + toServers.undelivered;
  const durability = first?.judgement?.durabilities.join(", ") ?? "";
  const kept = durability === "" ? "" : ` What was acknowledged was ${escaped(durability)}.`;
  const name = target === undefined ? "Holdfast" : escaped(target.url);
  return `<p class="note" style="margin-top:12px">${name}: ${grouped(toClients.owed)} deliveries and ${grouped(toServers.owed)}
events were owed; ${grouped(late)} took more than ${duration(lateAfterMs)}; ${grouped(gapsReported)} gaps were reported;
${grouped(toServers.reruns)} handlers ran again under their key after a kill; ${grouped(undelivered)} were still to come
when the run ended.${kept}</p>`;
}

function evidenceOf(results: readonly RunResult[], several: boolean): string {
  const keys = several
    ? `<div class="keys">${results.map(({ kind }) => `<span class="key c-${kind}"><span>${kindTitles[kind]}</span></span>`).join("")}</div>`
    : "";
  const both = (draw: (width: number) => string, wide: number) =>
    `<div class="wide">${draw(wide)}</div><div class="narrow">${draw(360)}</div>`;
  const course = (name: "deliveries" | "connected") => (result: RunResult) =>
    result.judgement?.course[name] ?? [];
  const section = (title: string, text: string, chart: string) =>
    `<section><h2>${title}</h2><p class="note">${text}</p>${keys}${chart}</section>`;
  const deliveries = { title: "deliveries a second", row: course("deliveries") };
  const connected = { title: "clients connected", row: course("connected") };
  const lost = { title: "messages lost, by the second in which they were sent", row: lostRow };
  return [
    section(
      "Deliveries",
      "What applications were shown, each second.",
      both((width) => overTime(results, deliveries, width), 980) + eventList(results),
    ),
    section(
      "Losses",
      "Messages of both directions that never arrived.",
      both((width) => overTime(results, lost, width), 980),
    ),
    section(
      "Connections",
      "Clients whose application was connected at the end of each second.",
      both((width) => overTime(results, connected, width), 980),
    ),
    `<div class="pair">${section(
      "Latency to clients",
      "Counted from the moment at which it was due, waiting included.",
      both((width) => latencies(results, "toClients", width), 470),
    )}
${section(
  "Latency of replies",
  "From the moment at which an event was due to its reply.",
  both((width) => latencies(results, "toServers", width), 470),
)}</div>`,
    `<div class="pair">${section(
      "Away",
      "Each dot is one interruption of one client.",
      both((width) => absences(results, width), 470),
    )}
${section(
  "Reconnects",
  "How often each client lost its connection.",
  both((width) => reconnects(results, width), 470),
)}</div>`,
  ].join("\n");
}

function lostRow({ judgement }: RunResult): readonly number[] {
  if (judgement === undefined) return [];
  const row = judgement.course.deliveries.map(() => 0);
  const { toClients, toServers } = judgement.verdict;
  for (const at of [...toClients.lostAt, ...toServers.lostAt]) {
    const second = Math.floor((at - judgement.startedAt) / 1_000);
    if (second in row) row[second] = (row[second] ?? 0) + 1;
  }
  return row;
}

function eventList(results: readonly RunResult[]): string {
  const judgement = results[0]?.judgement;
  if (judgement === undefined || judgement.happenings.length === 0) return "";
  const items = judgement.happenings.map(
    ({ at, text }) => `<li><b>${((at - judgement.startedAt) / 1_000).toFixed(1)} s</b> ${escaped(text)}</li>`,
  );
  return `<ol class="events">${items.join("")}</ol>`;
}

function examplesOf(results: readonly RunResult[]): string {
  const lists = results.flatMap(({ kind, judgement }) => {
    const examples = judgement?.verdict.examples ?? [];
    if (examples.length === 0) return [];
    return [
      `<details><summary>${kindTitles[kind]}: some of what went wrong</summary><pre>${escaped(examples.join("\n"))}</pre></details>`,
    ];
  });
  return lists.length === 0 ? "" : `<section><h2>Examples</h2>${lists.join("")}</section>`;
}

const sameForAll = " All kinds ran one after the other under the same load, on the same kind of servers.";

function aboutOf(report: Report): string {
  const { results, clients, rate, seed, store, topology, commit, versions, machine, command, target } =
    report;
  const everyMs = Math.round(results[0]?.plan?.emitEveryMs ?? 0);
  const rows: readonly (readonly [string, string])[] = [
    ["command", `<code>${escaped(command)}</code>`],
    [
      "load",
      `${grouped(clients)} clients; ${grouped(rate)} entries a second ${target === undefined ? "from the servers" : "in all"}, and one event in ${everyMs / 1_000} s from each client`,
    ],
    ["seed", String(seed)],
    ["commit", escaped(commit)],
    ["clients cost", escaped(results.map(costOf).join("; "))],
    ...(target === undefined
      ? ([
          ["servers", escaped(topology)],
          ["store", `${escaped(store)} for Holdfast, a Redis of its own for each control that needs one`],
        ] as const)
      : ([["target", escaped(target.url)]] as const)),
    [
      "versions",
      escaped(
        Object.entries(versions)
          .map(([name, version]) => `${name} ${version}`)
          .join(", "),
      ),
    ],
    ["machine", escaped(machine)],
  ];
  return `<section><h2>How this was measured</h2>
<p class="note">${clientsOf(report)} Everyone keeps to a schedule that waits for nobody, and latency counts
from it. Servers and clients tell a process of its own what was acknowledged, what was handled and what applications saw; that
ledger alone decides.${target === undefined ? sameForAll : ""}</p>
<dl>${rows.map(([name, text]) => `<dt>${name}</dt><dd>${text}</dd>`).join("")}</dl></section>`;
}

function clientsOf({ raw }: Report): string {
  return raw
    ? "Clients were written by hand for scale: k6 speaks the protocol over plain WebSockets, many clients to a virtual user."
    : "Clients are the shipped ones, run by k6.";
}

function costOf({ kind, processorSeconds, clientMebibytes }: RunResult): string {
  const seconds = grouped(Math.round(processorSeconds.clients));
  return `${kindTitles[kind]}: ${grouped(clientMebibytes)} MiB and ${seconds} s of processor time in k6`;
}
