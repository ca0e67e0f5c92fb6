/**
 * What every pod here has to be: locked down, bounded, configured as the node reads it, and given time to
 * end.
 */

import type { IConfigMap, IContainer, INamespace } from "kubernetes-models/v1";
import { ConfigurationError, readConfiguration } from "../../src/configuration.ts";
import { type Manifest, ofKind, type Workload, workloadsOf } from "./manifests.ts";

/** What Pod Security "restricted" asks for, and what it leaves open: root file systems, tokens and limits. */
export function securityFindings(manifests: readonly Manifest[]): readonly string[] {
  const namespaces = ofKind<INamespace>(manifests, "Namespace").flatMap(({ metadata }) =>
    metadata.labels?.["pod-security.kubernetes.io/enforce"] === "restricted"
      ? []
      : [`Namespace ${metadata.name}: Pod Security is not "restricted"`],
  );
  const pods = workloadsOf(manifests).flatMap(({ name, pod }) => [
    ...unless(pod.automountServiceAccountToken === false, `${name}: a token is mounted`),
    ...unless(pod.securityContext?.runAsNonRoot === true, `${name}: may run as root`),
    ...unless(
      pod.securityContext?.seccompProfile?.type === "RuntimeDefault",
      `${name}: has no seccomp profile`,
    ),
    ...unless(!pod.hostNetwork && !pod.hostPID && !pod.hostIPC, `${name}: shares something with its machine`),
    ...containersOf(pod).flatMap((container) =>
      containerFindings(name, container, pod.securityContext?.runAsUser),
    ),
  ]);
  return [...namespaces, ...pods];
}

function containerFindings(name: string, container: IContainer, podUser: number | undefined) {
  const { securityContext: security, resources, image } = container;
  const of = `${name}, ${container.name}`;
  return [
    ...unless((security?.runAsUser ?? podUser ?? 0) > 0, `${of}: its user is not a number above 0`),
    ...unless(security?.readOnlyRootFilesystem === true, `${of}: its root file system can be written`),
    ...unless(security?.allowPrivilegeEscalation === false, `${of}: may gain privileges`),
    ...unless(security?.capabilities?.drop?.includes("ALL") === true, `${of}: keeps capabilities`),
    ...unless(security?.capabilities?.add === undefined, `${of}: gets capabilities`),
    ...unless(resources?.limits?.["memory"] !== undefined, `${of}: its memory has no limit`),
    ...unless(resources?.requests?.["memory"] !== undefined, `${of}: asks for no memory`),
    ...unless(resources?.requests?.["cpu"] !== undefined, `${of}: asks for no processor time`),
    ...unless(/:(?!latest$)[\w.-]+$|@sha256:/.test(image ?? ""), `${of}: its image ${image} has no version`),
  ];
}

/** Nodes must be able to start with what the manifests set, and be ended no sooner than they need. */
export function nodeFindings(manifests: readonly Manifest[]): readonly string[] {
  return workloadsOf(manifests)
    .filter(({ labels }) => labels["app.kubernetes.io/component"] === "node")
    .flatMap((workload) => {
      const environment = environmentOf(workload, manifests);
      try {
        const { drainLeadMs, shutdownTimeoutMs } = readConfiguration(environment);
        return [
          ...probeFindings(workload),
          ...graceFindings(workload, (drainLeadMs + shutdownTimeoutMs) / 1_000),
        ];
      } catch (error) {
        if (!(error instanceof ConfigurationError)) throw error;
        return error.problems.map((problem) => `${workload.name}: ${problem}`);
      }
    });
}

/** The grace period runs from the beginning of `preStop`; what is left when it ends is killed. */
function graceFindings({ name, pod }: Workload, drainSeconds: number): readonly string[] {
  const sleeps = (pod.containers ?? []).map(({ lifecycle }) => lifecycle?.preStop?.sleep?.seconds ?? 0);
  const needed = Math.max(0, ...sleeps) + drainSeconds + slackSeconds;
  const given = pod.terminationGracePeriodSeconds ?? 30;
  return unless(
    given >= needed,
    `${name}: killed after ${given} s, and preStop, lead, timeout and some more are ${needed} s`,
  );
}

/** `/livez` asks nobody else, so a store that is away restarts no pod; `/readyz` says 404 while it drains. */
function probeFindings({ name, pod }: Workload): readonly string[] {
  return (pod.containers ?? []).flatMap((container) => [
    ...unless(
      container.livenessProbe?.httpGet?.path === "/livez",
      `${name}: liveness is not asked of /livez`,
    ),
    ...unless(
      container.readinessProbe?.httpGet?.path === "/readyz",
      `${name}: readiness is not asked of /readyz`,
    ),
    ...unless(container.startupProbe?.httpGet !== undefined, `${name}: has no startup probe`),
  ]);
}

/** As the kubelet makes it up; a stand-in for what a Secret holds that is not among the manifests. */
function environmentOf({ pod }: Workload, manifests: readonly Manifest[]): Record<string, string> {
  const maps = ofKind<IConfigMap>(manifests, "ConfigMap");
  const dataOf = (name: string | undefined) =>
    maps.find(({ metadata }) => metadata.name === name)?.data ?? {};
  const environment: Record<string, string> = {};
  for (const { env = [], envFrom = [] } of pod.containers ?? []) {
    for (const { configMapRef } of envFrom) Object.assign(environment, dataOf(configMapRef?.name));
    for (const { name, value, valueFrom } of env) {
      const key = valueFrom?.configMapKeyRef;
      if (valueFrom?.secretKeyRef !== undefined) environment[name] = standIns[name] ?? "";
      else environment[name] = (key === undefined ? value : dataOf(key.name)[key.key]) ?? "";
    }
  }
  return environment;
}

export function containersOf(pod: Workload["pod"]): readonly IContainer[] {
  return [...(pod.initContainers ?? []), ...(pod.containers ?? [])];
}

function unless(holds: boolean, finding: string): readonly string[] {
  return holds ? [] : [finding];
}

const slackSeconds = 5;
const standIns: Readonly<Record<string, string>> = { HOLDFAST_STORE: "redis://store:6379" };
