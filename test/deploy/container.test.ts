/** The image and the compose file of `deploy/container`, built and run on a real engine. */

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { Crowd } from "../cluster/crowd.ts";
import { programPath } from "../harness/child.ts";
import { freePort } from "../harness/free-port.ts";
import { until } from "../harness/until.ts";
import { chatDialect } from "./chat-dialect.ts";
import {
  buildImage,
  composeFile,
  Composition,
  docker,
  dockerfile,
  dockerTried,
  inspect,
  makeVolume,
  startContainer,
  whyNoEngine,
} from "./engine.ts";
import { Load } from "./roll-under-load.ts";

const manifest = JSON.parse(
  readFileSync(programPath("../../package.json", import.meta.url), "utf8"),
) as Readonly<Record<"dependencies" | "devDependencies", Record<string, string>>> & { version: string };

test("the image and the compose file name the versions that package.json names", () => {
  const image = `node:${manifest.devDependencies["node"]}-bookworm-slim`;
  const composed = readFileSync(composeFile, "utf8");
  expect(readFileSync(dockerfile, "utf8")).toContain(`\nARG NODE_IMAGE=${image}\n`);
  expect(readFileSync(dockerfile, "utf8")).toContain(`\nARG VERSION=${manifest.version}\n`);
  expect(composed.match(/NODE_IMAGE:-[^}]+/g)).toEqual([`NODE_IMAGE:-${image}`, `NODE_IMAGE:-${image}`]);
  expect(composed).toContain(`HOLDFAST_IMAGE:-holdfast:${manifest.version}}`);
});

describe.skipIf(whyNoEngine !== undefined)("in containers", () => {
  test("the image is not root, writes to its volume only, and ends in order", async (context) => {
    const image = await buildImage(context);
    const { Config, Size } = await inspect(image.name);
    const base = await inspect(image.environment["NODE_IMAGE"] ?? "");
    console.log(`image: ${megabytes(Size)}, ${megabytes(Size - base.Size)} of it above the base image`);
    expect(Config).toMatchObject({ User: "10001:10001", StopSignal: "SIGTERM" });
    expect(Size - base.Size).toBeLessThan(50_000_000);

    const volume = ["--volume", `${await makeVolume(context)}:/app/data`];
    const name = await startContainer(context, ["--read-only", "--cap-drop", "ALL", ...volume, image.name]);
    await answers(name, "/readyz");
    await answers(name, "/socket.io/holdfast.js");
    const inside = (...command: string[]) => dockerTried(["exec", name, ...command]);
    expect((await inside("id", "-u")).stdout).toBe("10001");
    // As root, whom permissions would not keep from it.
    const touched = await dockerTried(["exec", "--user", "0", name, "touch", "/app/src/main.ts"]);
    expect(touched.stderr).toContain("Read-only file system");
    expect((await inside("ls", "/app/data")).stdout).toContain("holdfast.db");
    const installed = (await inside("ls", "/app/node_modules")).stdout.split("\n");
    expect(installed).toEqual(expect.arrayContaining(["socket.io", "redis"]));
    const unwanted = Object.keys(manifest.devDependencies).filter(
      (dependency) => !dependency.startsWith("@"),
    );
    expect(unwanted.filter((dependency) => installed.includes(dependency))).toEqual([]);
    expect((await inside("find", "/app/src", "-name", "*.test.ts")).stdout).toBe("");

    await docker(["stop", name]);
    expect((await inspect(name)).State.ExitCode).toBe(0);
    expect((await dockerTried(["logs", name])).stderr).toContain('"msg":"ended"');
  });

  test("G1 G2 nodes are stopped, started and created anew while clients talk", async (context) => {
    const image = await buildImage(context);
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const site = new Composition(context, {
      ...image.environment,
      HTTP_ADDRESS: "127.0.0.1",
      HTTP_PORT: String(port),
    });
    await site.run("config", "--quiet");
    await site.run("up", "--detach", "--wait", "--no-build");
    for (const service of ["edge", "a00", "a01", "redis", "second-stack"]) {
      await expectHardened(await site.container(service));
    }
    const page = await fetch(url);
    expect(page.headers.get("x-instance")).toBe("one");
    const crowd = await Crowd.gather(context, {
      kind: "Holdfast",
      url,
      clients: 30,
      roomSize: 10,
      rate: 60,
      dialect: chatDialect,
    });
    crowd.talk();
    const load = new Load(crowd);

    await load.over(async () => {
      const id = await site.container("a00");
      const old = addressOf(await inspect(id));
      await site.run("stop", "a00");
      expect((await inspect(id)).State.ExitCode).toBe(0);
      expect(await site.run("logs", "a00")).toContain('"msg":"ended"');
      // Somebody else gets the address that has become free, so that the node comes back at another one.
      const idle = ["node", "-e", "setInterval(() => undefined, 1e6)"];
      await startContainer(context, ["--network", `${site.name}_front`, "--init", image.name, ...idle]);
      await site.run("up", "--detach", "--wait", "--no-build", "--no-deps", "a00");
      expect(addressOf(await inspect(id))).not.toBe(old);
      await edgeFinds(site, url, "a00");
    }, 1);

    const before = await site.container("a01");
    const reconnected = await load.over(async () => {
      await site.run("up", "--detach", "--wait", "--no-build", "--no-deps", "--force-recreate", "a01");
      expect(await site.container("a01")).not.toBe(before);
      await edgeFinds(site, url, "a01");
    }, 1);
    expect(reconnected).toBeGreaterThan(0);
    await load.end();
    console.log(`messages taken: ${load.crowd.acknowledged}`);
  });
});

async function answers(name: string, path: string): Promise<void> {
  const ask = `fetch("http://127.0.0.1:8000${path}").then((r) => process.exit(r.ok ? 0 : 1))`;
  await until(async () => (await dockerTried(["exec", name, "node", "-e", ask])).code === 0, {
    what: `an answer to ${path}`,
    deadlineMs: 30_000,
  });
}

async function expectHardened(id: string): Promise<void> {
  const { HostConfig } = await inspect(id);
  expect(HostConfig).toMatchObject({ ReadonlyRootfs: true, CapDrop: ["ALL"] });
  expect(HostConfig.SecurityOpt).toEqual(["no-new-privileges:true"]);
  expect(HostConfig.Memory).toBeGreaterThan(0);
  expect(HostConfig.PidsLimit).toBeGreaterThan(0);
  expect(await docker(["exec", id, "id", "-u"])).not.toBe("0");
}

/** Waits until the edge has found a node, by its name, and lets new clients in there. */
async function edgeFinds(site: Composition, url: string, node: string): Promise<void> {
  const program = 'fetch("http://edge:8404/;csv").then((r) => r.text()).then((text) => console.log(text))';
  const servers = async () => await site.run("exec", "--no-TTY", node, "node", "-e", program);
  await until(async () => new RegExp(`^socketio,${node},.*,UP,`, "m").test(await servers()), {
    what: `the edge to find ${node}`,
    deadlineMs: 30_000,
  });
  const handshake = async () => {
    const response = await fetch(`${url}/socket.io/?EIO=4&transport=polling`);
    return await response.text();
  };
  // A connection that is kept alive may be closed under a request.
  const isReached = async () => (await handshake().catch(String)).includes(`"sid":"${node}-`);
  await until(isReached, { what: `a handshake with ${node}`, deadlineMs: 10_000 });
}

function addressOf({ NetworkSettings: { Networks } }: Awaited<ReturnType<typeof inspect>>): string {
  return Object.entries(Networks).find(([name]) => name.endsWith("_front"))?.[1].IPAddress ?? "none";
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1_000_000)} MB`;
}
