import { expect, test } from "vitest";
import { programPath, startChild } from "./child.ts";
import { makeNamespace, whyNoNamespaces } from "./namespace.ts";

const reason = await whyNoNamespaces();
if (reason !== undefined) console.warn(`Skipped: ${reason}`);

test.skipIf(reason !== undefined)("drops every packet of a port, and lets them pass again", async (t) => {
  const namespace = await makeNamespace(t);
  const program = programPath("./child.fixture.ts", import.meta.url);
  const server = startChild(t, { program, prefix: namespace.prefix });
  const { port } = await server.event<{ port: number }>("ready");
  const client = startChild(t, { program, prefix: namespace.prefix });

  expect(await client.ask("reach", { port, deadlineMs: 2_000 })).toBe("connected");
  await namespace.drop(port);
  expect(await client.ask("reach", { port, deadlineMs: 300 })).toBe("silence");
  expect(await namespace.droppedPackets()).toBeGreaterThan(0);
  await namespace.undrop(port);
  expect(await client.ask("reach", { port, deadlineMs: 2_000 })).toBe("connected");
});

test.skipIf(reason !== undefined)("a child inside is reached through nothing but its channel", async (t) => {
  const namespace = await makeNamespace(t);
  const program = programPath("./child.fixture.ts", import.meta.url);
  const inside = startChild(t, { program, prefix: namespace.prefix });
  const outside = startChild(t, { program });
  const { port } = await inside.event<{ port: number }>("ready");
  expect(await outside.ask("reach", { port, deadlineMs: 2_000 })).toBe("ECONNREFUSED");
  expect(await inside.kill("SIGKILL")).toEqual({ code: null, signal: "SIGKILL" });
});
