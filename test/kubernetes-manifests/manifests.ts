/** Manifests as they are parsed, with the few shapes that the rules look at. */

import { readFileSync } from "node:fs";
import type { IDeployment, IStatefulSet } from "kubernetes-models/apps/v1";
import type { IJob } from "kubernetes-models/batch/v1";
import type { IPodSpec } from "kubernetes-models/v1";
import { parseAllDocuments } from "yaml";

export type Manifest = {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Labels;
  };
};

export type Labels = Readonly<Record<string, string>>;

/** What makes pods: its name for messages, and the pods that it makes. */
export type Workload = {
  readonly name: string;
  readonly kind: string;
  readonly labels: Labels;
  readonly pod: IPodSpec;
};

/** Throws with the place of the first mistake; two fields of one name are one. */
export function parseManifests(text: string): readonly Manifest[] {
  return parseAllDocuments(text, { uniqueKeys: true, version: "1.2" }).flatMap((document) => {
    const [error] = document.errors;
    if (error !== undefined) throw error;
    const value: unknown = document.toJS();
    return value === null ? [] : [value as Manifest];
  });
}

export function readManifests(path: string): readonly Manifest[] {
  return parseManifests(readFileSync(path, "utf8"));
}

/** All manifests of a kind, as the type that the package has for it. */
export function ofKind<Type>(manifests: readonly Manifest[], kind: string): readonly (Type & Manifest)[] {
  const found: readonly unknown[] = manifests.filter((manifest) => manifest.kind === kind);
  return found as readonly (Type & Manifest)[];
}

export function workloadsOf(manifests: readonly Manifest[]): readonly Workload[] {
  return ["Deployment", "StatefulSet", "Job"].flatMap((kind) =>
    ofKind<IDeployment | IStatefulSet | IJob>(manifests, kind).map(({ metadata, spec }) => ({
      name: `${kind} ${metadata.name}`,
      kind,
      labels: (spec?.template.metadata?.labels ?? {}) as Labels,
      pod: spec?.template.spec as IPodSpec,
    })),
  );
}

/** True when every label that is asked for is there. */
export function matches(labels: Labels | undefined, wanted: Labels | undefined): boolean {
  return Object.entries(wanted ?? {}).every(([key, value]) => labels?.[key] === value);
}
