/**
 * Goal: what k8s/rendered/ holds would be taken by an API server, and is what the project promises of it:
 * locked down, wired up, and given the time that a drain needs. Method: the rendered files, which hold every
 * kind and every component, are validated against the schemas of Kubernetes and held against rules; no
 * cluster, and no program beside Node. That they are what their sources make is seen in rendering.test.ts.
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  components,
  overlays,
  renderedFolder,
  renderings,
  repository,
} from "../../scripts/kustomize/renderings.ts";
import { alertFindings, alertsIn } from "./alert-rules.ts";
import { allFindings, schemaFindings } from "./all-rules.ts";
import { edgeFindings } from "./edge-rules.ts";
import { parseManifests, readManifests } from "./manifests.ts";
import { nodeFindings, securityFindings } from "./pod-rules.ts";
import { portFindings, referenceFindings, selectorFindings } from "./wiring-rules.ts";

const files = [
  ...renderings.map(
    ({ name }) => [`k8s/rendered/${name}.yaml`, join(renderedFolder, `${name}.yaml`)] as const,
  ),
  ["k8s/check.yaml", join(repository, "k8s/check.yaml")] as const,
];

describe.each(files)("%s", (_name, path) => {
  const manifests = readManifests(path);

  test("holds only what the schemas of Kubernetes know, in the form that they ask for", async () => {
    expect(await schemaFindings(manifests)).toEqual([]);
  });

  test("runs nothing as root, with capabilities, a token, a file system to write on, or no limits", () => {
    expect(securityFindings(manifests)).toEqual([]);
  });

  test("gives nodes settings that they start with, probes that ask the right thing, time to drain", () => {
    expect(nodeFindings(manifests)).toEqual([]);
  });

  test("gives the edge its parts, a slot for each node of a rollout, and time to end", () => {
    expect(edgeFindings(manifests)).toEqual([]);
  });

  test("names no pod, port, ConfigMap, Secret or Service that is not there", () => {
    const findings = [selectorFindings, portFindings, referenceFindings].flatMap((find) => find(manifests));
    expect(findings).toEqual([]);
  });

  test("alerts on nothing that is not measured", () => {
    expect(alertFindings(manifests)).toEqual([]);
  });
});

test("everything.yaml holds every kind that the project has", () => {
  const kinds = readManifests(join(renderedFolder, "everything.yaml")).map(({ kind }) => kind);
  expect([...new Set(kinds)].sort()).toEqual([
    "ConfigMap",
    "Deployment",
    "HTTPRoute",
    "HorizontalPodAutoscaler",
    "Namespace",
    "NetworkPolicy",
    "PodDisruptionBudget",
    "PrometheusRule",
    "Service",
    "ServiceAccount",
    "ServiceMonitor",
    "StatefulSet",
  ]);
});

test("k8s/README.md has a row for every component and overlay, and no other", () => {
  const rows = readFileSync(join(repository, "k8s/README.md"), "utf8").match(
    /^\| `(components|overlays)\/.*?`/gm,
  );
  const wanted = [
    ...overlays.map((name) => `| \`overlays/${name}\``),
    ...components.map((name) => `| \`components/${name}\``),
  ];
  expect([...(rows ?? [])].sort()).toEqual(wanted.sort());
});

test("k8s/operating.md has a row for every alert, and no other", () => {
  const rows = readFileSync(join(repository, "k8s/operating.md"), "utf8").match(/^\| `Holdfast\w+`/gm) ?? [];
  const alerts = alertsIn(readManifests(join(renderedFolder, "everything.yaml")));
  expect(rows).toEqual(alerts.map(({ alert }) => `| \`${alert}\``));
});

// A rule that finds nothing any more, because a field has another name now, would pass for one that is kept.
test.each<readonly [mistake: string, from: string | RegExp, to: string, said: RegExp]>([
  ["a field with a typo", "readinessProbe:", "readynessProbe:", /readynessProbe is a field that the schema/],
  ["a typo in a route", "backendRefs:", "backendRef:", /backendRef is a field that the schema/],
  ["a typo in an alert", "expr: absent", "expression: absent", /expression is a field that the schema/],
  ["a typo in a monitor", "- interval: 15s", "- intervall: 15s", /intervall is a field that the schema/],
  ["a field in the wrong place", "minReplicas: 3", "maxSurge: 3", /\/spec\/maxSurge is a field that the/],
  ["a word that is none of those allowed", "AlwaysAllow", "Sometimes", /unhealthyPodEvictionPolicy/],
  ["text where a number belongs", "maxReplicas: 10", "maxReplicas: ten", /\/spec\/maxReplicas/],
  ["a field that is missing", "maxReplicas: 10", "", /maxReplicas/],
  ["a container that may be root", "runAsNonRoot: true", "runAsNonRoot: false", /may run as root/],
  ["a token", "      automountServiceAccountToken: false", "", /a token is mounted/],
  ["a root file system", "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", /can be written/],
  ["no limit", /limits:\n +memory: .*/, "limits: {}", /its memory has no limit/],
  ["latest", /image: haproxy:.*/, "image: haproxy:latest", /haproxy:latest has no version/],
  [
    "an unknown setting",
    "HOLDFAST_DRAIN_LEAD_MS",
    "HOLDFAST_DRAIN_LEAD",
    /HOLDFAST_DRAIN_LEAD is not a setting/,
  ],
  [
    "too little time to drain",
    "terminationGracePeriodSeconds: 40",
    "terminationGracePeriodSeconds: 30",
    /30 s, and/,
  ],
  ["a probe that asks for the store", "path: /livez", "path: /health", /liveness is not asked of \/livez/],
  ["a part that is not there", "- /parts/pods.cfg", "- /parts/pots.cfg", /pots.cfg is not in its ConfigMap/],
  ["more nodes than slots", "maxReplicas: 10", "maxReplicas: 16", /has 30 slots, and a rollout needs 32/],
  [
    "a Service without pods",
    /selector:\n +app.kubernetes.io\/component: node/,
    "selector:\n    a: b",
    /finds no pod/,
  ],
  ["a Service's port", "targetPort: internal", "targetPort: interne", /no container has port interne/],
  ["a policy for outside", "  type: ClusterIP", "  externalTrafficPolicy: Local", /and no address there/],
  ["a probe's port", /livez\n( +)port: http/, "livez\n$1port: htpp", /its probe asks at port htpp/],
  ["a policy for the Service's port", "- port: 8000", "- port: 80", /opens port 80, which none of its pods/],
  ["a ConfigMap", /name: holdfast-settings-\w+\n +image/, "name: other\n        image", /no ConfigMap other/],
  ["a Secret", "secretName: holdfast-tls", "secretName: tls", /there is no Secret tls/],
  ["pods scraped twice", "monitored: edge", "monitored: node", /ServiceMonitor holdfast-edge: 0 Services/],
  ["an alert on a metric", "absent(holdfast_draining)", "absent(holdfast_drains)", /holdfast_drains is not/],
  ["an alert on a label", 'reason="reset"', 'reason="rest"', /holdfast_gaps_total has no reason "rest"/],
  ["a number beside an autoscaler", "  minReadySeconds: 5", "  replicas: 3", /an autoscaler too/],
  ["a metric to scale by", "name: holdfast_connections", "name: connections", /connections is not measured/],
])("%s is found", async (_mistake, from, to, said) => {
  const text = readFileSync(join(renderedFolder, "everything.yaml"), "utf8");
  const changed = text.replace(from, to);
  expect(changed, `${from} is not in everything.yaml any more`).not.toBe(text);
  expect((await allFindings(parseManifests(changed))).join("\n")).toMatch(said);
});
