/**
 * A firewall drops every packet between client and server for a while, both go on emitting, and then it lets
 * them pass. Below the ping timeout TCP itself carries everything over; above it stock Socket.IO loses.
 */

import { expect, type TestContext } from "vitest";
import { startClient } from "../harness/client-child.ts";
import type { ClientReport } from "../harness/client-program.ts";
import {
  clean,
  cleanSession,
  judge,
  SessionLedger,
  type SessionVerdict,
  type Verdict,
} from "../harness/ledger.ts";
import { makeNamespace, whyNoNamespaces } from "../harness/namespace.ts";
import { startServer, type Kind } from "../harness/server.ts";
import { range, row, type Outcome } from "./row.ts";

const skipReason = await whyNoNamespaces();

const delivers: Outcome<Observation> = {
  verb: "delivers both ways, once and in order",
  check: ({ downward, upward, droppedPackets, gaps }) => {
    expect(downward).toEqual(clean);
    expect(upward).toEqual(cleanSession);
    expect(gaps).toEqual([]);
    expect(droppedPackets).toBeGreaterThan(0);
  },
};

const loses: Outcome<Observation> = {
  verb: "loses",
  check: ({ downward, droppedPackets }) => {
    // What was published between the cut and the ping timeout is written into a dead link; what follows, to
    // nobody.
    expect(downward.lost.length).toBeGreaterThan(100);
    expect(droppedPackets).toBeGreaterThan(0);
  },
};

for (const { seconds, outcomes } of [
  { seconds: 2, outcomes: { stock: delivers, Holdfast: delivers } },
  { seconds: 10, outcomes: { Holdfast: delivers } },
  { seconds: 60, outcomes: { stock: loses, Holdfast: delivers } },
]) {
  row(`G1 G2 packets dropped for ${seconds} s`, {
    body: (context, kind) => emitWhilePacketsVanish(context, kind, seconds),
    outcomes,
    timeoutMs: seconds * 1_000 + 90_000,
    concurrent: true,
    skipReason,
  });
}

async function emitWhilePacketsVanish(
  context: TestContext,
  kind: Kind,
  seconds: number,
): Promise<Observation> {
  const namespace = await makeNamespace(context);
  const { prefix } = namespace;
  const server = await startServer(context, kind, { prefix, deadlineMs: 180_000 });
  const options = { name: "ann", rooms: ["lobby"] };
  const client = await startClient(context, { kind, url: server.url, options, prefix, deadlineMs: 180_000 });
  await server.hasMembers("lobby");

  const perSecond = 10;
  const during = seconds * perSecond;
  const emitBothWays = async (from: number, count: number): Promise<void> => {
    const series = { from, count, intervalMs: 1_000 / perSecond };
    const deadlineMs = seconds * 1_000 + 60_000;
    await Promise.all([
      server.publish({ room: "lobby", ...series }, deadlineMs),
      client.emit(series, deadlineMs),
    ]);
  };
  await emitBothWays(1, perSecond);
  await namespace.drop(server.port);
  await emitBothWays(perSecond + 1, during);
  const droppedPackets = await namespace.droppedPackets();
  await namespace.undrop(server.port);
  const last = 2 * perSecond + during;
  // The seconds after the link is back are the ones in which replay and live entries meet.
  await emitBothWays(last - perSecond + 1, perSecond);
  await server.reaches("the client is back", ({ rooms }) => (rooms["lobby"]?.length ?? 0) > 0, 60_000);
  await server.publish({ room: "lobby", from: last + 1, count: 1 });
  const report = await client.reaches(
    "the last entry has come, and every event has an outcome",
    settled(last),
    60_000,
  );
  return {
    downward: judge(
      range(1, last + 1),
      report.received.map((entry) => entry.id),
    ),
    upward: upwardVerdict(
      last,
      report,
      server.handled().map((handled) => handled.id),
    ),
    droppedPackets,
    gaps: report.gaps,
  };
}

function settled(last: number): (report: ClientReport) => boolean {
  return ({ received, outcomes }) =>
    received.some((entry) => entry.id === last + 1) && outcomes.length === last;
}

function upwardVerdict(last: number, report: ClientReport, handledIds: readonly number[]): SessionVerdict {
  const ledger = new SessionLedger();
  for (const id of range(1, last)) ledger.emit("ann", id);
  for (const id of handledIds) ledger.handle("ann", id);
  for (const { id, outcome } of report.outcomes) ledger.settle("ann", id, outcome);
  return ledger.verdict("ann");
}

type Observation = {
  readonly downward: Verdict<number>;
  readonly upward: SessionVerdict;
  readonly droppedPackets: number;
  readonly gaps: readonly unknown[];
};
