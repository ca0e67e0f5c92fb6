/**
 * Whatever is done to a cluster in a week, done while clients of every transport talk through its edges:
 * nothing is lost, doubled or out of order, and a rolling deploy costs each client one reconnect. Two judges:
 * clients of this process, after each thing that was done, and the ledger of the load tests over all of it.
 */

import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { startTarget, type TargetResult, type TargetRun } from "../../loadtest/target/run-target.ts";
import { expectPassage } from "../deploy/passage.ts";
import { beginLoad, type Load } from "../deploy/roll-under-load.ts";
import { Scope } from "../harness/owner.ts";
import { until } from "../harness/until.ts";
import { Installation, whyNoCluster } from "./cluster.ts";

describe.skipIf(whyNoCluster !== undefined)("in a cluster", () => {
  const scope = new Scope();
  const site = new Installation(scope);
  const nodes = "deployment/holdfast";
  const edges = "deployment/holdfast-edge";
  let failed = false;
  let load: Load;
  let ledger: TargetRun;

  beforeAll(async () => {
    await site.loadImages();
    await site.apply(await site.rendered("k8s/overlays/local", shortDeadline), "--validate=strict");
    await site.rolledOut(nodes, "node", 3);
    await site.rolledOut(edges, "edge", 2);
  });

  afterEach(({ task }) => {
    failed ||= task.result?.state === "fail";
  });

  afterAll(async () => {
    await scope.end();
    if (failed) await scope.show();
  });

  test("clients of every transport get through, over several edges that share nothing", async (context) => {
    await site.run("scale", edges, "--replicas=3");
    await site.rolledOut(edges, "edge", 3);
    await expectPassage(context, await site.url());
    for (const edge of await site.pods("edge")) expect(await knownNodes(edge), edge).toBe(3);
    await site.run("scale", edges, "--replicas=2");
    await site.rolledOut(edges, "edge", 2);
  });

  describe("under load", () => {
    beforeAll(async () => {
      // What two cores carry beside a whole cluster, and twice the nodes during a rollout.
      load = await beginLoad(scope, await site.url(), {}, { clients: 40, rate: 40 });
      ledger = await startTarget(scope, { url: await site.url(), clients: 30, rate: 30, seconds: 900 });
    });

    test("G1 G2 all nodes are restarted", async () => {
      await over("rollout restart", 1, async () => {
        await site.run("rollout", "restart", nodes);
        await site.rolledOut(nodes, "node", 3);
      });
    });

    test("G1 G2 the image is exchanged, and the exchange is undone", async () => {
      await over("set image", 1, async () => {
        await site.run("set", "image", nodes, `node=${site.images.second}`);
        await site.rolledOut(nodes, "node", 3);
      });
      await over("rollout undo", 1, async () => {
        await site.run("rollout", "undo", nodes);
        await site.rolledOut(nodes, "node", 3);
      });
    });

    test("an image that never gets ready is told, and no client notices", async () => {
      await over("an image that never gets ready", 0, async () => {
        await site.run("set", "image", nodes, "node=holdfast-test:never-built");
        const { code, report } = await site.tried("rollout", "status", nodes, "--timeout=150s");
        expect(code, report).toBe(1);
        expect(report).toContain("exceeded its progress deadline");
        await site.run("rollout", "undo", nodes);
        await site.rolledOut(nodes, "node", 3);
      });
    });

    test("G1 G2 nodes become six, and three again", async () => {
      const old = await site.pods("node");
      await over("scale 3 to 6", 0, async () => {
        await site.run("scale", nodes, "--replicas=6");
        await site.rolledOut(nodes, "node", 6);
      });
      // By itself a cluster would end the newest, which have no clients.
      await site.run("annotate", ...old, "controller.kubernetes.io/pod-deletion-cost=-1");
      await over("scale 6 to 3", 1, async () => {
        await site.run("scale", nodes, "--replicas=3");
        await site.rolledOut(nodes, "node", 3);
      });
    });

    test("G1 G2 a node vanishes", async () => {
      const [pod = ""] = await site.pods("node");
      await over("delete --force", 3, async () => {
        await site.run("delete", pod, "--grace-period=0", "--force");
        await gone(pod);
        await site.rolledOut(nodes, "node", 3);
      });
    });

    test("G1 G2 a machine is emptied, one node after the other", async () => {
      await site.apply(budget, "--namespace", site.namespace);
      const [first = "", second = ""] = await site.pods("node");
      await until(async () => (await site.run("get", "pdb/holdfast", allowed)) === "1", {
        what: "the budget to allow one disruption",
        deadlineMs: 30_000,
      });
      await over("eviction", 1, async () => {
        const evicted = await site.evict(first);
        expect(evicted.code, evicted.report).toBe(0);
        const refused = await site.evict(second);
        expect(refused.report).toContain("would violate the pod's disruption budget");
        await gone(first);
        await site.rolledOut(nodes, "node", 3);
      });
    });

    test("G1 G2 the edges are restarted", async () => {
      await over("rollout restart of the edge", 1, async () => {
        await site.run("rollout", "restart", edges);
        await site.rolledOut(edges, "edge", 2);
      });
    });

    test("G1 G2 the store is restarted", async () => {
      // All streams begin anew then, and every client resumes once.
      await over("restart of the store", 1, async () => {
        const restarts = "--output=jsonpath={.status.containerStatuses[0].restartCount}{.status.conditions}";
        const before = await site.run("get", "pod/valkey-0", restarts);
        // In place, because in this overlay its data end with the pod.
        await site.tried("exec", "valkey-0", "--", "redis-cli", "shutdown");
        await until(async () => (await site.run("get", "pod/valkey-0", restarts)) !== before, {
          what: "the store to be started again",
          deadlineMs: 30_000,
        });
        await site.run("wait", "--for=condition=Ready", "pod/valkey-0", "--timeout=60s");
      });
    });

    test("G1 G2 G4 the ledger of the load tests has found nothing in all that time", async () => {
      const { outcome, run } = await ledger.finish();
      console.log([outcome.sentence, ...outcome.remarks, ...outcome.objections].join("\n"));
      const faults = faultsOf(run).map(({ owed, ...counts }) => ({ isOwed: owed > 500, ...counts }));
      expect(faults).toEqual([noFault, noFault]);
    });
  });

  /** Has it done under load, and tells what it cost. */
  async function over(what: string, reconnectsMax: number, act: () => Promise<void>): Promise<void> {
    const startedAt = performance.now();
    const takenBefore = load.crowd.acknowledged;
    await ledger.note(what);
    const reconnected = await load.over(act, reconnectsMax);
    const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
    await load.end();
    const taken = load.crowd.acknowledged - takenBefore;
    load.crowd.talk();
    const { length } = load.crowd.members;
    console.log(`${what}: ${seconds} s, ${reconnected} of ${length} clients reconnected, ${taken} messages`);
  }

  async function gone(pod: string): Promise<void> {
    await until(async () => !(await site.pods("node")).includes(pod), {
      what: `${pod} to be gone`,
      deadlineMs: 60_000,
    });
  }

  /** How many nodes an edge has learnt to find. */
  async function knownNodes(edge: string): Promise<number> {
    const path = `/api/v1/namespaces/${site.namespace}/${edge.replace("pod/", "pods/")}:8404/proxy/metrics`;
    const metrics = await site.run("get", "--raw", path);
    return Number(/^haproxy_sticktable_used\{name="socketio"[^}]*\} (\d+)/m.exec(metrics)?.[1]);
  }
});

/** Whatever the machine was too busy for: a run that is invalid for being late has to be complete as well. */
function faultsOf({ judgement }: TargetResult["run"]) {
  const { toClients, toServers } = judgement?.verdict ?? {};
  if (toClients === undefined || toServers === undefined) throw new Error("The ledger has judged nothing");
  return [toClients, toServers].map(
    ({ owed, lost, duplicated, reordered, undelivered, unanswered, wrong, madeUp }) => ({
      owed,
      lost,
      duplicated,
      reordered,
      undelivered,
      unanswered,
      wrong,
      madeUp,
    }),
  );
}

const noFault = {
  isOwed: true,
  lost: 0,
  duplicated: 0,
  reordered: 0,
  undelivered: 0,
  unanswered: 0,
  wrong: 0,
  madeUp: 0,
};

const allowed = "--output=jsonpath={.status.disruptionsAllowed}";
const budget = `
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: holdfast
spec:
  maxUnavailable: 1
  selector:
    matchLabels:
      app.kubernetes.io/component: node
`;

/** Of a rollout that makes no progress; the shipped one waits for slow registries. */
const shortDeadline = `
patches:
  - target: { kind: Deployment, name: holdfast }
    patch: |
      - op: replace
        path: /spec/progressDeadlineSeconds
        value: 40
`;
