/**
 * The metrics of one process, by the names of the catalogue. The only file that touches the client library,
 * which is young and may change.
 */

import { Counter, Gauge, Registry } from "@prometheus-io/client";
import { catalogue, type MetricName, type MetricRow, type NameOf } from "./catalogue.ts";
import { Distribution } from "./distribution.ts";

/** What one process has counted, in a form that can be sent to another one. */
export type Snapshot = readonly Measured[];

/** One metric, as the library says it; a process of another version may have others. */
type Measured = { readonly name: string; readonly type: string };

export class MetricRegistry {
  readonly #registry = new Registry();
  readonly #counters = new Map<string, Counter<string>>();
  readonly #gauges = new Map<string, Gauge<string>>();
  readonly #distributions = new Map<MetricName, Distribution>();

  /** `primary`: with the metrics that only a primary tells, and without those that it leaves to workers. */
  constructor(of: "primary" | "server") {
    for (const [name, row] of Object.entries(catalogue) as [MetricName, MetricRow][]) {
      if ((row.from === "primary") === (of === "primary")) this.#make(name, row);
    }
  }

  count(name: NameOf<"counter">, value?: string): void {
    this.#counters.get(name)?.inc(labelsOf(name, value), 1);
  }

  set(name: NameOf<"gauge">, amount: number, value?: string): void {
    this.#gauges.get(name)?.set(labelsOf(name, value), amount);
  }

  observe(name: NameOf<"histogram">, durationMs: number): void {
    this.#distributions.get(name)?.add(durationMs);
  }

  async snapshot(): Promise<Snapshot> {
    const distributions = [...this.#distributions].map(([name, distribution]) => ({
      name,
      help: catalogue[name].meaning,
      type: "histogram",
      aggregator: "sum",
      values: distribution.values(name),
    }));
    const others = (await this.#registry.getMetricsAsJSON()) as unknown as Snapshot;
    return [...others, ...distributions];
  }

  #make(name: MetricName, row: MetricRow): void {
    const { type, label, meaning: help } = row;
    if (type === "histogram") {
      this.#distributions.set(name, new Distribution());
      return;
    }
    const aggregator = row.together ?? ("sum" as const);
    const labelNames = label === undefined ? [] : [label.name];
    const settings = { name, help, aggregator, labelNames, registers: [this.#registry] };
    const metric = type === "counter" ? new Counter(settings) : new Gauge(settings);
    if (metric instanceof Counter) this.#counters.set(name, metric);
    else this.#gauges.set(name, metric);
    // From the start, so that the first one is a step from 0 and not from nothing.
    for (const value of label?.values ?? []) metric.inc(labelsOf(name, value), 0);
  }
}

/** The text of several processes together. */
export async function expose(snapshots: readonly Snapshot[]): Promise<string> {
  return await together(snapshots).metrics();
}

/** What remains of a process that has ended: its counters, without which their sums would go back. */
export async function remains(snapshots: readonly Snapshot[]): Promise<Snapshot> {
  const lasting = snapshots.map((snapshot) => snapshot.filter(({ type }) => type !== "gauge"));
  return await together(lasting).getMetricsAsJSON();
}

export const contentType: string = Registry.PROMETHEUS_CONTENT_TYPE;

function together(snapshots: readonly Snapshot[]): Registry {
  return Registry.aggregate([...snapshots]);
}

/** A value that is not in the catalogue would be one more series for each that a client can think of. */
function labelsOf(name: MetricName, value: string | undefined): Record<string, string> {
  const { label }: MetricRow = catalogue[name];
  if (label === undefined || value === undefined) return {};
  return { [label.name]: label.values.includes(value) ? value : "other" };
}
