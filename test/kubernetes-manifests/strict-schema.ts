/**
 * The schemas of Kubernetes and of the two kits beside it, as the packages of `kubernetes-models` have them,
 * applied strictly: also a field that no schema knows is an objection.
 */

import type { Manifest } from "./manifests.ts";

/** One line for each thing that is wrong; none for a manifest that an API server would take. */
export async function objectionsTo(manifest: Manifest): Promise<readonly string[]> {
  const { apiVersion, kind } = manifest;
  const schemas = schemasOf[apiVersion];
  if (schemas === undefined) return [`there is no schema for ${apiVersion} in test/kubernetes-manifests`];
  const [packageName, prefix] = schemas;
  const { validate } = (await import(pathOfSchema(packageName, prefix + kind))) as Schema;
  // The validators of the packages are compiled, and pass over what they do not know: a mistyped name would
  // be a default that nobody chose. They do look at every field that they know, and that can be watched.
  const looked = new Set<string>();
  const objections = validate(watched(manifest, "", looked))
    ? []
    : (validate.errors ?? []).map(({ instancePath, message, keyword, params }) => {
        return `${instancePath}: ${message ?? keyword} ${JSON.stringify(params)}`;
      });
  const unknown = unlooked(manifest, "", looked);
  return [...objections, ...unknown.map((path) => `${path} is a field that the schema does not know`)];
}

function watched(value: object, path: string, looked: Set<string>): object {
  return new Proxy(value, {
    get(target, key) {
      const found: unknown = Reflect.get(target, key);
      if (typeof key === "symbol") return found;
      looked.add(`${path}/${key}`);
      return typeof found === "object" && found !== null ? watched(found, `${path}/${key}`, looked) : found;
    },
  });
}

/** The fields that nobody has looked at; what stands below one of them is not told again. */
function unlooked(value: unknown, path: string, looked: ReadonlySet<string>): readonly string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    const place = `${path}/${key}`;
    return looked.has(place) ? unlooked(inner, place, looked) : [place];
  });
}

/** Where the validators of a group are: the package, and the beginning of their names. */
const schemasOf: Readonly<Record<string, readonly [packageName: string, prefix: string]>> = {
  v1: ["kubernetes-models", "IoK8sApiCoreV1"],
  "apps/v1": ["kubernetes-models", "IoK8sApiAppsV1"],
  "autoscaling/v2": ["kubernetes-models", "IoK8sApiAutoscalingV2"],
  "batch/v1": ["kubernetes-models", "IoK8sApiBatchV1"],
  "networking.k8s.io/v1": ["kubernetes-models", "IoK8sApiNetworkingV1"],
  "policy/v1": ["kubernetes-models", "IoK8sApiPolicyV1"],
  "gateway.networking.k8s.io/v1": ["@kubernetes-models/gateway-api", "IoK8sSigsGatewayApiApisV1"],
  "monitoring.coreos.com/v1": [
    "@kubernetes-models/prometheus-operator",
    "ComGithubPrometheusOperatorPrometheusOperatorPkgApisMonitoringV1",
  ],
};

/** By path, because not every package exports its validators. */
function pathOfSchema(packageName: string, name: string): string {
  return new URL(`_schemas/${name}.js`, import.meta.resolve(`${packageName}/package.json`)).href;
}

// --- types ---

type Schema = { readonly validate: Validate };

type Validate = {
  (data: unknown): boolean;
  readonly errors?: readonly Objection[] | null;
};

type Objection = {
  readonly instancePath: string;
  readonly keyword: string;
  readonly message?: string;
  readonly params: unknown;
};
