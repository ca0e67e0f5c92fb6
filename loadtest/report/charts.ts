/**
 * The plots of a report. Each is drawn for a width, because a phone wants another picture, not a smaller one.
 */

import type { RunResult } from "../run.ts";
import { Frame, linear, logarithmic, round, roundTicks, type Point, type Tick } from "./svg.ts";
import { duration, grouped } from "./text.ts";

/** Something counted each second, one line for each kind, with what was done to the servers. */
export function overTime(results: readonly RunResult[], options: OverTime, width: number): string {
  const frame = new Frame({ width, height: 242 });
  const series = results.map((result) => ({ kind: result.kind, row: options.row(result) }));
  const seconds = Math.max(1, ...series.map(({ row }) => row.length));
  const max = Math.max(1, ...series.flatMap(({ row }) => row));
  const x = linear([0, seconds], [frame.left, frame.right]);
  const y = linear([0, max * 1.05], [frame.bottom, frame.top]);
  frame.valueAxis(y, numberTicks(max, 4), options.title);
  frame.categoryAxis(x, secondTicks(seconds, width), "seconds");
  drawHappenings(frame, results, x);
  for (const { kind, row } of series.toReversed()) {
    const points = row.map((value, second): Point => [x(second + 0.5), y(value)]);
    frame.path(points, `line ${kind}`);
  }
  return frame.toString();
}

/** Percentiles of latency on a logarithmic axis; each step to the right is ten times rarer. */
export function latencies(
  results: readonly RunResult[],
  side: "toClients" | "toServers",
  width: number,
): string {
  const frame = new Frame({ width, height: 262 });
  const rows = results.flatMap(({ kind, judgement }) => {
    if (judgement === undefined) return [];
    const { p50, p90, p99, p999, p9999, max, count } = judgement.verdict[side].latencyMs;
    if (count === 0) return [];
    // A percentile of which there is less than one value says nothing.
    const known = [p50, p90, p99, ...(count >= 1_000 ? [p999] : []), ...(count >= 10_000 ? [p9999] : [])];
    return [{ kind, values: [...known, max] }];
  });
  const labels = ["p50", "p90", "p99", "p99.9", "p99.99", "max"];
  const length = Math.max(2, ...rows.map(({ values }) => values.length));
  const highest = Math.max(10, ...rows.flatMap(({ values }) => values));
  const x = linear([0, length - 1], [frame.left + 14, frame.right - 14]);
  const y = logarithmic([1, highest * 1.3], [frame.bottom, frame.top]);
  frame.valueAxis(y, decades(highest), "from the moment it was due, logarithmic");
  const names = [...labels.slice(0, length - 1), "max"];
  frame.categoryAxis(
    x,
    names.map((label, value) => ({ value, label })),
    "",
  );
  for (const { kind, values } of rows.toReversed()) {
    const points = values.map(
      (value, index): Point => [x(index === values.length - 1 ? length - 1 : index), y(value)],
    );
    frame.path(points, `line ${kind}`);
    for (const [index, [px, py]] of points.entries())
      frame.add(
        `<circle class="dot ${kind}" cx="${round(px)}" cy="${round(py)}" r="3.5"><title>${names[index]}: ${duration(values[index] ?? 0)}</title></circle>`,
      );
  }
  return frame.toString();
}

/** Each stretch in which a client was away is a dot; a row for each kind. */
export function absences(results: readonly RunResult[], width: number): string {
  const rowHeight = 58;
  const frame = new Frame({ width, height: 72 + rowHeight * results.length });
  const all = results
    .flatMap(({ judgement }) => judgement?.course.absences ?? [])
    .map(([, , forMs]) => forMs);
  const [low, high] = [
    10 ** Math.floor(Math.log10(Math.max(1, Math.min(100, ...all)))),
    Math.max(1_000, ...all) * 1.3,
  ];
  const x = logarithmic([low, high], [frame.left, frame.right]);
  for (const { value, label } of decades(high, low)) {
    frame.line([x(value), frame.top], [x(value), frame.bottom], "grid");
    frame.text(x(value), frame.bottom + 15, label);
  }
  frame.text(0, 12, "how long the application had no connection, logarithmic", "axis", "start");
  for (const [index, { kind, judgement }] of results.entries()) {
    const { absences: list, absenceMs } = judgement?.course ?? { absences: [], absenceMs: undefined };
    const top = frame.top + index * rowHeight + 6;
    for (const [place, [client, , forMs]] of list.entries()) {
      // Spread over the row by the golden ratio, so that dots of one length lie beside each other.
      const y = top + ((place * 0.618_034) % 1) * (rowHeight - 14);
      frame.add(
        `<circle class="speck ${kind}" cx="${round(x(forMs))}" cy="${round(y)}" r="2"><title>client ${client}: ${duration(forMs)}</title></circle>`,
      );
    }
    if (absenceMs === undefined || absenceMs.count === 0) continue;
    for (const [name, value, anchor] of [
      ["p50", absenceMs.p50, "end"],
      ["p99", absenceMs.p99, "start"],
    ] as const) {
      frame.line([x(value), top - 4], [x(value), top + rowHeight - 12], `mark ${kind}`);
      frame.text(x(value), top + rowHeight - 2, name, "label", anchor);
    }
  }
  return frame.toString();
}

/** How many clients lost their connection how often: a group of bars for each number. */
export function reconnects(results: readonly RunResult[], width: number): string {
  const frame = new Frame({ width, height: 232 });
  const counts = results.map(({ kind, judgement }) => {
    const row = judgement?.course.reconnects ?? [];
    return {
      kind,
      row: Array.from(
        { length: mostShown + 1 },
        (_none, times) => row.filter((count) => Math.min(count, mostShown) === times).length,
      ),
    };
  });
  const most = Math.max(
    1,
    ...counts.flatMap(({ row }) => row.flatMap((count, times) => (count > 0 ? [times] : []))),
  );
  const max = Math.max(1, ...counts.flatMap(({ row }) => row));
  const x = linear([-0.5, most + 0.5], [frame.left, frame.right]);
  const y = linear([0, max * 1.1], [frame.bottom, frame.top]);
  frame.valueAxis(y, numberTicks(max, 4), "clients");
  const names = Array.from({ length: most + 1 }, (_none, value) => ({
    value,
    label: value === mostShown ? `${value}+` : `${value}`,
  }));
  frame.categoryAxis(x, names, "connections lost");
  const group = Math.min(60 * counts.length, (x(1) - x(0)) * 0.7);
  const barWidth = group / Math.max(1, counts.length);
  for (const [place, { kind, row }] of counts.entries()) {
    for (const [times, count] of row.slice(0, most + 1).entries()) {
      if (count === 0) continue;
      const left = x(times) - group / 2 + place * barWidth;
      frame.add(
        `<rect class="bar ${kind}" x="${round(left + 1)}" y="${round(y(count))}" width="${round(barWidth - 2)}" height="${round(frame.bottom - y(count))}" rx="2"/>`,
      );
      frame.text(left + barWidth / 2, y(count) - 4, grouped(count));
    }
  }
  return frame.toString();
}

/** Numbered flags; the list below the plot says what they are. Those of the first run stand for all. */
function drawHappenings(frame: Frame, results: readonly RunResult[], x: (second: number) => number): void {
  const judgement = results[0]?.judgement;
  for (const [index, { at }] of (judgement?.happenings ?? []).entries()) {
    const place = x((at - (judgement?.startedAt ?? 0)) / 1_000);
    frame.line([place, frame.top - 3], [place, frame.bottom], "event");
    frame.text(place, frame.top - 7, String(index + 1), "flag");
  }
}

function numberTicks(max: number, count: number): Tick[] {
  return roundTicks(max, count).map((value) => ({ value, label: grouped(value) }));
}

function secondTicks(seconds: number, width: number): Tick[] {
  return roundTicks(seconds, width < 500 ? 5 : 10).map((value) => ({ value, label: String(value) }));
}

function decades(high: number, low = 1): Tick[] {
  const ticks: Tick[] = [];
  for (let value = low; value <= high; value *= 10) ticks.push({ value, label: duration(value) });
  return ticks;
}

const mostShown = 6;

// --- types ---

export type OverTime = {
  readonly title: string;
  readonly row: (result: RunResult) => readonly number[];
};
