/**
 * The edge as its manifests make it: what HAProxy is started with, and whether it has room and time enough.
 */

import type { IDeployment } from "kubernetes-models/apps/v1";
import type { IHorizontalPodAutoscaler } from "kubernetes-models/autoscaling/v2";
import type { IConfigMap } from "kubernetes-models/v1";
import { type Manifest, ofKind } from "./manifests.ts";

/** Undefined where there is no edge among the manifests. */
export function edgeOf(manifests: readonly Manifest[]): Edge | undefined {
  const deployment = ofKind<IDeployment>(manifests, "Deployment").find(
    ({ metadata }) => metadata.name === "holdfast-edge",
  );
  const pod = deployment?.spec?.template.spec;
  const [container] = pod?.containers ?? [];
  if (pod === undefined || container === undefined) return undefined;
  const config = pod.volumes?.find(({ name }) => name === "parts")?.configMap?.name;
  const parts = ofKind<IConfigMap>(manifests, "ConfigMap").find(({ metadata }) => metadata.name === config);
  return {
    files: (container.args ?? []).filter((argument) => argument.startsWith(folder)),
    parts: parts?.data ?? {},
    environment: Object.fromEntries((container.env ?? []).map(({ name, value }) => [name, value ?? ""])),
    preStopSeconds: container.lifecycle?.preStop?.sleep?.seconds ?? 0,
    graceSeconds: pod.terminationGracePeriodSeconds ?? 30,
  };
}

export function edgeFindings(manifests: readonly Manifest[]): readonly string[] {
  const edge = edgeOf(manifests);
  if (edge === undefined) return [];
  const { files, parts, environment, preStopSeconds, graceSeconds } = edge;
  const missing = files
    .map((file) => file.slice(folder.length))
    .filter((name) => parts[name] === undefined)
    .map((name) => `edge: ${name} is not in its ConfigMap`);
  const slots = Number(environment["PODS_MAX"] ?? /PODS_MAX-(\d+)/.exec(parts["pods.cfg"] ?? "")?.[1] ?? 0);
  // A rollout has all new nodes beside the old ones.
  const needed = 2 * nodesMax(manifests);
  const hardStop = Number.parseInt(environment["HARD_STOP_AFTER"] ?? "", 10);
  return [
    ...missing,
    ...(slots >= needed ? [] : [`edge: has ${slots} slots, and a rollout needs ${needed}; set PODS_MAX`]),
    ...(graceSeconds >= preStopSeconds + hardStop + slackSeconds
      ? []
      : [`edge: killed after ${graceSeconds} s, before preStop and HARD_STOP_AFTER are over`]),
  ];
}

function nodesMax(manifests: readonly Manifest[]): number {
  const scaler = ofKind<IHorizontalPodAutoscaler>(manifests, "HorizontalPodAutoscaler").find(
    ({ spec }) => spec?.scaleTargetRef.name === "holdfast",
  );
  const nodes = ofKind<IDeployment>(manifests, "Deployment").find(
    ({ metadata }) => metadata.name === "holdfast",
  );
  return scaler?.spec?.maxReplicas ?? nodes?.spec?.replicas ?? 1;
}

const folder = "/parts/";
const slackSeconds = 5;

// --- types ---

export type Edge = {
  /** As HAProxy is told them, below `/parts/`. */
  readonly files: readonly string[];
  readonly parts: Readonly<Record<string, string>>;
  readonly environment: Readonly<Record<string, string>>;
  readonly preStopSeconds: number;
  readonly graceSeconds: number;
};
