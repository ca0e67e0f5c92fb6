/** Whether the names by which manifests find each other lead somewhere. */

import type { IDeployment, IStatefulSet } from "kubernetes-models/apps/v1";
import type { IHorizontalPodAutoscaler } from "kubernetes-models/autoscaling/v2";
import type { INetworkPolicy } from "kubernetes-models/networking.k8s.io/v1";
import type { IPodDisruptionBudget } from "kubernetes-models/policy/v1";
import type { IContainer, IService } from "kubernetes-models/v1";
import type { IServiceMonitor } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1";
import { type Labels, type Manifest, matches, ofKind, type Workload, workloadsOf } from "./manifests.ts";
import { containersOf } from "./pod-rules.ts";

/**
 * Manifests outside of the namespace, selectors that no pod has the labels for, and workloads that would not
 * find their own pods.
 */
export function selectorFindings(manifests: readonly Manifest[]): readonly string[] {
  const workloads = workloadsOf(manifests);
  const selects = (wanted: Labels | undefined) => workloads.some(({ labels }) => matches(labels, wanted));
  const lost = manifests.filter(
    ({ kind, metadata }) => kind !== "Namespace" && metadata.namespace === undefined,
  );
  const services = ofKind<IService>(manifests, "Service").filter(({ spec }) => !selects(spec?.selector));
  const budgets = ofKind<IPodDisruptionBudget>(manifests, "PodDisruptionBudget").filter(
    ({ spec }) => !selects(spec?.selector?.matchLabels),
  );
  const owners = ["Deployment", "StatefulSet"].flatMap((kind) =>
    ofKind<IDeployment | IStatefulSet>(manifests, kind).filter(
      ({ spec }) => !matches(spec?.template.metadata?.labels as Labels, spec?.selector.matchLabels as Labels),
    ),
  );
  return [
    ...lost.map(({ kind, metadata }) => `${kind} ${metadata.name}: is in no namespace`),
    ...[...services, ...budgets, ...owners].map(
      ({ kind, metadata }) => `${kind} ${metadata.name}: its selector finds no pod`,
    ),
  ];
}

/** Ports that a Service, a probe or a policy names and no container has. */
export function portFindings(manifests: readonly Manifest[]): readonly string[] {
  const workloads = workloadsOf(manifests);
  // No schema says so, and every API server does.
  const inside = ofKind<IService>(manifests, "Service")
    .filter(
      ({ spec }) => spec?.externalTrafficPolicy !== undefined && (spec.type ?? "ClusterIP") === "ClusterIP",
    )
    .map(({ metadata }) => `Service ${metadata.name}: has traffic from outside, and no address there`);
  const services = ofKind<IService>(manifests, "Service").flatMap(({ metadata, spec }) => {
    const behind = workloads.filter(({ labels }) => matches(labels, spec?.selector));
    return (spec?.ports ?? [])
      .filter(({ targetPort, port }) => !behind.every((workload) => hasPort(workload, targetPort ?? port)))
      .map(({ port, targetPort }) => `Service ${metadata.name}: no container has port ${targetPort ?? port}`);
  });
  const probes = workloads.flatMap((workload) =>
    containersOf(workload.pod).flatMap((container) =>
      probedPorts(container)
        .filter((port) => !hasPort(workload, port))
        .map(
          (port) =>
            `${workload.name}, ${container.name}: its probe asks at port ${port}, which it does not have`,
        ),
    ),
  );
  return [...inside, ...services, ...probes, ...policyPortFindings(manifests, workloads)];
}

/** A policy goes by the number of the container's port, not of the Service's. */
function policyPortFindings(manifests: readonly Manifest[], workloads: readonly Workload[]) {
  const portsOf = (wanted: Labels | undefined) =>
    workloads
      .filter(({ labels }) => matches(labels, wanted))
      .flatMap(({ pod }) => containersOf(pod).flatMap(({ ports = [] }) => ports))
      .map(({ containerPort }) => containerPort);
  return ofKind<INetworkPolicy>(manifests, "NetworkPolicy").flatMap(({ metadata, spec }) => {
    const into = (spec?.ingress ?? []).map(({ ports }) => [spec?.podSelector?.matchLabels, ports] as const);
    const outOf = (spec?.egress ?? []).flatMap(({ to = [], ports }) =>
      to.flatMap(({ podSelector }) => (podSelector ? [[podSelector.matchLabels, ports] as const] : [])),
    );
    return [...into, ...outOf].flatMap(([wanted, ports = []]) => {
      const known = portsOf(wanted);
      return ports
        .map(({ port }) => Number(port))
        .filter((port) => known.length > 0 && !known.includes(port) && !optionalPorts.includes(port))
        .map((port) => `NetworkPolicy ${metadata.name}: opens port ${port}, which none of its pods has`);
    });
  });
}

/** ConfigMaps, Secrets, accounts and targets that are referred to and are not there. */
export function referenceFindings(manifests: readonly Manifest[]): readonly string[] {
  const has = (kind: string, name: string | undefined) =>
    manifests.some((manifest) => manifest.kind === kind && manifest.metadata.name === name);
  const pods = workloadsOf(manifests).flatMap(({ name, pod }) =>
    [...referencesIn(pod), ["ServiceAccount", pod.serviceAccountName ?? "default"] as const]
      .filter(([kind, target]) => !has(kind, target) && !(kind === "Secret" && madeByHand.includes(target)))
      .filter(([kind, target]) => kind !== "ServiceAccount" || target !== "default")
      .map(([kind, target]) => `${name}: there is no ${kind} ${target}`),
  );
  const autoscalers = ofKind<IHorizontalPodAutoscaler>(manifests, "HorizontalPodAutoscaler");
  const targets = autoscalers.map(({ spec }) => spec?.scaleTargetRef.name);
  const scalers = autoscalers
    .filter(({ spec }) => !has(spec?.scaleTargetRef.kind ?? "", spec?.scaleTargetRef.name))
    .map(({ metadata }) => `HorizontalPodAutoscaler ${metadata.name}: there is nothing to scale`);
  // What an autoscaler has found would be set back at every apply.
  const fixed = ofKind<IDeployment>(manifests, "Deployment")
    .filter(({ spec }) => spec?.replicas !== undefined)
    .filter(({ metadata }) => targets.includes(metadata.name))
    .map(({ metadata }) => `Deployment ${metadata.name}: has a number, and an autoscaler too`);
  return [...pods, ...scalers, ...fixed, ...monitorFindings(manifests)];
}

function monitorFindings(manifests: readonly Manifest[]): readonly string[] {
  const services = ofKind<IService>(manifests, "Service");
  return ofKind<IServiceMonitor>(manifests, "ServiceMonitor").flatMap(({ metadata, spec }) => {
    const chosen = services.filter(({ metadata: { labels } }) =>
      matches(labels, spec?.selector.matchLabels as Labels),
    );
    return (spec?.endpoints ?? []).flatMap(({ port }) => {
      const scraped = chosen.filter((service) => service.spec?.ports?.some(({ name }) => name === port));
      if (scraped.length === 1) return [];
      // With two, every pod is scraped twice, and every sum is double.
      return [
        `ServiceMonitor ${metadata.name}: ${scraped.length} Services that it selects have a port ${port}`,
      ];
    });
  });
}

function referencesIn(pod: Workload["pod"]): readonly (readonly [kind: string, name: string])[] {
  const fromVolumes = (pod.volumes ?? []).flatMap(({ configMap, secret, projected }) => [
    ["ConfigMap", configMap?.name] as const,
    ["Secret", secret?.secretName] as const,
    ...(projected?.sources ?? []).flatMap((source) => [
      ["ConfigMap", source.configMap?.name] as const,
      ["Secret", source.secret?.name] as const,
    ]),
  ]);
  const fromContainers = containersOf(pod).flatMap(({ env = [], envFrom = [] }) => [
    ...envFrom.map(({ configMapRef }) => ["ConfigMap", configMapRef?.name] as const),
    ...envFrom.map(({ secretRef }) => ["Secret", secretRef?.name] as const),
    ...env.map(({ valueFrom }) => ["ConfigMap", valueFrom?.configMapKeyRef?.name] as const),
    ...env.map(({ valueFrom }) => ["Secret", valueFrom?.secretKeyRef?.name] as const),
  ]);
  return [...fromVolumes, ...fromContainers].flatMap(([kind, name]) =>
    name === undefined ? [] : [[kind, name] as const],
  );
}

function hasPort({ pod }: Workload, wanted: string | number): boolean {
  return containersOf(pod).some(({ ports = [] }) =>
    ports.some(({ name, containerPort }) => name === wanted || containerPort === wanted),
  );
}

function probedPorts(container: IContainer): readonly (string | number)[] {
  const { livenessProbe, readinessProbe, startupProbe } = container;
  return [livenessProbe, readinessProbe, startupProbe].flatMap((probe) => {
    const port = probe?.httpGet?.port ?? probe?.tcpSocket?.port;
    return port === undefined ? [] : [port];
  });
}

/** Secrets that a person makes; k8s/README.md says with which command. */
const madeByHand: readonly string[] = ["holdfast", "holdfast-tls", "holdfast-store-authority"];
/** Of the component `tls`. */
const optionalPorts: readonly number[] = [8443];
