/** The cluster that KUBECONFIG names, and what the tests do in it: one namespace of their own. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { tmpdir } from "node:os";
import { buildImage, docker, removeAfter, whyNoEngine } from "../deploy/engine.ts";
import { programPath, startChild } from "../harness/child.ts";
import { type Owner, Scope } from "../harness/owner.ts";
import { until } from "../harness/until.ts";

const loadImage = process.env["HOLDFAST_TEST_LOAD_IMAGE"] ?? "";
export const repository = programPath("../..", import.meta.url);

/**
 * Why nothing is tried in a cluster, for `describe.skipIf`; undefined if it is. A cluster is not everywhere,
 * also with `CI=true`; one that was named and does not answer is a failure.
 */
export const whyNoCluster = whyNot();
if (whyNoCluster !== undefined) console.warn(`skipped: Kubernetes is not tested, ${whyNoCluster}`);

function whyNot(): string | undefined {
  if ((process.env["KUBECONFIG"] ?? "") === "") return "there is no cluster: set KUBECONFIG";
  if (loadImage === "")
    return "it cannot be given images: set HOLDFAST_TEST_LOAD_IMAGE to a command that takes their names";
  return whyNoEngine;
}

/** Runs `kubectl` to its end, and returns what it wrote. Fails unless it ends with 0. */
export async function kubectl(...args: readonly string[]): Promise<string> {
  const { code, stdout, report } = await kubectlTried(args);
  if (code !== 0) throw new Error(`kubectl ${args.join(" ")}: ${report}`);
  return stdout;
}

/** Runs `kubectl` to its end, however it ends. */
export async function kubectlTried(args: readonly string[], deadlineMs = 170_000): Promise<Ended> {
  return await run("kubectl", args, deadlineMs);
}

/** Holdfast in a namespace of its own, which is removed when its owner ends. */
export class Installation {
  readonly namespace: string;
  /** Of the working copy; another image under another name is what an exchange needs. */
  readonly images = { first: "holdfast-test:first", second: "holdfast-test:second" } as const;
  readonly #folder = mkdtempSync(join(tmpdir(), "holdfast-k8s-"));

  constructor(owner: Owner) {
    counted += 1;
    this.namespace = `holdfast-test-${process.pid}-${counted}`;
    owner.onTestFinished(() => rmSync(this.#folder, { recursive: true, force: true }));
    // Nobody waits for clients that are gone.
    const atOnce = `kubectl delete pods --all --namespace ${this.namespace} --grace-period=1 --timeout=60s`;
    removeAfter(owner, `kubectl delete namespace ${this.namespace} --wait=false && ${atOnce}`);
    let logs = "";
    // Before they are removed; whether the test has failed is told afterwards.
    owner.onTestFinished(async () => void (logs = await this.#logs().catch(String)));
    owner.onTestFailed(() => console.error(logs));
  }

  /** Builds the image and makes it known to the cluster, under both of its names. */
  async loadImages(): Promise<void> {
    const scope = new Scope();
    try {
      const built = await buildImage(scope);
      const names = Object.values(this.images);
      for (const name of names) await docker(["tag", built.name, name]);
      const { code, report } = await run(
        "/bin/sh",
        ["-c", `${loadImage} "$@"`, "load-image", ...names],
        170_000,
      );
      if (code !== 0) throw new Error(`HOLDFAST_TEST_LOAD_IMAGE: ${report}`);
      await docker(["image", "rm", ...names]);
    } finally {
      await scope.end();
    }
  }

  /** What an overlay says, in this namespace and with this image. */
  async rendered(overlay: string, patches = ""): Promise<string> {
    const [newName, newTag] = this.images.first.split(":");
    const from = mkdtempSync(join(this.#folder, "overlay-"));
    const lines = [
      "apiVersion: kustomize.config.k8s.io/v1beta1",
      "kind: Kustomization",
      `namespace: ${this.namespace}`,
      `resources: [${relative(from, join(repository, overlay))}]`,
      `images: [{ name: holdfast, newName: ${newName}, newTag: ${newTag} }]`,
      patches,
    ];
    writeFileSync(join(from, "kustomization.yaml"), lines.join("\n"));
    return await kubectl("kustomize", from);
  }

  /** Applies what was rendered, and fails when one of the objects is refused. */
  async apply(rendered: string, ...options: readonly string[]): Promise<void> {
    const { code, report } = await this.applied(rendered, ...options);
    if (code !== 0) throw new Error(`kubectl apply: ${report}`);
  }

  /** What comes of applying what was rendered. */
  async applied(rendered: string, ...options: readonly string[]): Promise<Ended> {
    const file = join(mkdtempSync(join(this.#folder, "rendered-")), "all.yaml");
    writeFileSync(file, rendered);
    return await kubectlTried(["apply", "--filename", file, ...options]);
  }

  async run(...args: readonly string[]): Promise<string> {
    return await kubectl("--namespace", this.namespace, ...args);
  }

  async tried(...args: readonly string[]): Promise<Ended> {
    return await kubectlTried(["--namespace", this.namespace, ...args]);
  }

  /** Waits until a rollout is complete, and the pods of before are gone. */
  async rolledOut(name: string, component: "node" | "edge", count: number): Promise<void> {
    await this.run("rollout", "status", name, "--timeout=120s");
    await until(async () => (await this.pods(component)).length === count, {
      what: `${count} pods of ${name}, and those of before gone`,
      deadlineMs: 90_000,
    });
  }

  /** Asks for the end of a pod as `kubectl drain` does. What comes of it is up to the disruption budget. */
  async evict(pod: string): Promise<Ended> {
    const name = pod.replace("pod/", "");
    const file = join(this.#folder, `evict-${name}.json`);
    const metadata = { name, namespace: this.namespace };
    writeFileSync(file, JSON.stringify({ apiVersion: "policy/v1", kind: "Eviction", metadata }));
    const path = `/api/v1/namespaces/${this.namespace}/pods/${name}/eviction`;
    return await kubectlTried(["create", "--raw", path, "--filename", file]);
  }

  /** Names of pods, also of those that are ending. */
  async pods(component: string): Promise<string[]> {
    const selector = `app.kubernetes.io/component=${component}`;
    const names = await this.run("get", "pods", "--selector", selector, "--output", "name");
    return names.split("\n").filter((name) => name !== "");
  }

  /** Where clients find the edge: at its address inside the cluster, unless another one is named. */
  async url(): Promise<string> {
    const named = process.env["HOLDFAST_TEST_EDGE_URL"] ?? "";
    if (named !== "") return named;
    const address = await this.run("get", "service/holdfast-edge", "--output=jsonpath={.spec.clusterIP}");
    const url = `http://${address}`;
    await until(
      () =>
        fetch(url, { signal: AbortSignal.timeout(2_000) }).then(
          ({ ok }) => ok,
          () => false,
        ),
      {
        what: `an answer at ${url}; where the edge cannot be reached so, set HOLDFAST_TEST_EDGE_URL`,
        deadlineMs: 30_000,
      },
    );
    return url;
  }

  async #logs(): Promise<string> {
    const pods = await this.run("get", "pods", "--output=wide");
    const events = await this.run("get", "events", "--sort-by=.lastTimestamp");
    const selector = "app.kubernetes.io/component in (node,store)";
    const logs = await this.run("logs", "--selector", selector, "--prefix", "--tail=30");
    const edges = await this.run(
      "logs",
      "--selector=app.kubernetes.io/component=edge",
      "--prefix",
      "--tail=60",
    );
    const ended = await this.tried("logs", "--selector", selector, "--prefix", "--tail=10", "--previous");
    return [pods, ended.report, events.split("\n").slice(-40).join("\n"), logs, edges].join("\n\n");
  }
}

let counted = 0;

async function run(program: string, args: readonly string[], deadlineMs: number): Promise<Ended> {
  const scope = new Scope();
  try {
    const child = startChild(scope, { program, native: true, args, deadlineMs });
    const { code } = await child.exited(deadlineMs + 5_000);
    return { code, stdout: child.stdout.trim(), stderr: child.stderr.trim(), report: child.report() };
  } finally {
    await scope.end();
  }
}

// --- types ---

type Ended = {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly report: string;
};
