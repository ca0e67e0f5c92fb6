/** Whether alerts and autoscaler go by what is measured. */

import type { IHorizontalPodAutoscaler } from "kubernetes-models/autoscaling/v2";
import type { IPrometheusRule } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1";
import { catalogue, type MetricRow } from "../../src/metrics/catalogue.ts";
import { type Manifest, ofKind } from "./manifests.ts";

export function alertsIn(manifests: readonly Manifest[]): readonly Alert[] {
  return ofKind<IPrometheusRule>(manifests, "PrometheusRule").flatMap(({ spec }) =>
    (spec?.groups ?? []).flatMap(({ rules = [] }) =>
      rules.map(({ alert, expr }) => ({ alert: alert ?? "", expression: String(expr) })),
    ),
  );
}

/** Metrics, labels and values of labels that the catalogue does not have. */
export function alertFindings(manifests: readonly Manifest[]): readonly string[] {
  const alerts = alertsIn(manifests).flatMap(({ alert, expression }) =>
    findingsIn(expression).map((finding) => `alert ${alert}: ${finding}`),
  );
  const scalers = ofKind<IHorizontalPodAutoscaler>(manifests, "HorizontalPodAutoscaler").flatMap(
    ({ metadata, spec }) =>
      (spec?.metrics ?? []).flatMap(({ pods }) =>
        pods === undefined || pods.metric.name in catalogue
          ? []
          : [`HorizontalPodAutoscaler ${metadata.name}: ${pods.metric.name} is not measured`],
      ),
  );
  return [...alerts, ...scalers];
}

/** The metrics of HAProxy that the alerts of these manifests name. */
export function edgeMetricsIn(manifests: readonly Manifest[]): readonly string[] {
  const text = alertsIn(manifests)
    .map(({ expression }) => expression)
    .join("\n");
  return [...new Set(text.match(/\bhaproxy_\w+/g) ?? [])].sort();
}

function findingsIn(expression: string): readonly string[] {
  const selectors = [...expression.matchAll(/\b(holdfast_[a-z_]+)(?:\{([^}]*)\})?/g)];
  if (selectors.length === 0 && !expression.includes("haproxy_")) return ["asks for no metric"];
  return selectors.flatMap(([, name = "", braces = ""]) => {
    const row = rowOf(name);
    if (row === undefined) return [`${name} is not measured`];
    return [...braces.matchAll(/(\w+)\s*(=|!=)\s*"([^"]*)"/g)].flatMap(([, label = "", , value = ""]) => {
      if (label !== row.label?.name) return [`${name} has no label ${label}`];
      return row.label.values.includes(value) ? [] : [`${name} has no ${label} "${value}"`];
    });
  });
}

/** A histogram is measured as three metrics, of which the alerts use one. */
function rowOf(name: string): MetricRow | undefined {
  const rows: Readonly<Record<string, MetricRow>> = catalogue;
  const histogram = rows[name.replace(/_bucket$/, "")];
  return rows[name] ?? (histogram?.type === "histogram" ? histogram : undefined);
}

// --- types ---

export type Alert = { readonly alert: string; readonly expression: string };
