/** The load generator: many wire clients in a process of its own. */

import { connect as connectTcp, type Socket } from "node:net";
import { answerParent, tellParent } from "../test/harness/parent.ts";
import { EventSender } from "./event-sender.ts";
import { PublishTimer } from "./publish-timer.ts";
import { type Kind, WireClient } from "./wire-client.ts";

let clients: WireClient[] = [];
let senders: EventSender[] = [];
let timer: PublishTimer | undefined;
let credit: Socket | undefined;
let creditDue = false;
let creditTold = 0;
let delivered = 0;

/** So many handshakes are under way at once; more would only wait in the server's backlog. */
const handshakesAtOnce = 50;

async function connectAll(count: number, connect: (index: number) => Promise<unknown>): Promise<void> {
  for (let first = 0; first < count; first += handshakesAtOnce) {
    const size = Math.min(handshakesAtOnce, count - first);
    await Promise.all(Array.from({ length: size }, (_, index) => connect(first + index)));
  }
}

function countEntries(count: number): void {
  delivered += count;
  if (credit === undefined || creditDue) return;
  creditDue = true;
  setImmediate(tellCredit);
}

/** Tells the server, once a turn, how many entries have arrived at everybody on average. */
function tellCredit(): void {
  creditDue = false;
  const completed = Math.floor(delivered / clients.length);
  if (completed > creditTold) credit?.write(`${(creditTold = completed)}\n`);
}

answerParent({
  /** Members of a room that count what they get. */
  members: async ({ kind, port, creditPort, count, rooms }: MembersInput) => {
    await connectAll(count, (index) => {
      const client = new WireClient({ kind, port, rooms, onEntries: countEntries });
      clients[index] = client;
      return client.connected;
    });
    if (creditPort === undefined) return;
    credit = connectTcp({ port: creditPort, host: "127.0.0.1", noDelay: true });
  },
  /** Sockets that keep events in flight, each sending the next one when one is acknowledged. */
  senders: async ({ kind, port, count, inFlight }: SendersInput) => {
    await connectAll(count, (index) => {
      const sender = new EventSender({ kind, port, inFlight });
      senders[index] = sender;
      return sender.connected;
    });
    for (const sender of senders) sender.start();
  },
  /** One sender and some members of a room; what is measured is the way from the one to the others. */
  timedPublishes: async ({ kind, port, publisherPort, members, perSecond }: TimedInput) => {
    timer = new PublishTimer({ kind, port, publisherPort, members, perSecond });
    await timer.connected;
  },
  startTimed: () => timer?.start(),
  latencies: (): Latencies => timer?.latencies() ?? { count: 0, p50Ms: 0, p99Ms: 0 },
  counters: (): Counters => {
    const { user, system } = process.cpuUsage();
    let acknowledged = 0;
    for (const sender of senders) acknowledged += sender.acknowledged;
    return { atMs: performance.now(), delivered, acknowledged, cpuMicros: user + system };
  },
  close: () => {
    credit?.destroy();
    timer?.close();
    for (const client of [...clients, ...senders]) client.close();
    [clients, senders] = [[], []];
  },
});
void tellParent("ready", {});

// --- types ---

type Target = { readonly kind: Kind; readonly port: number };
export type MembersInput = Target & {
  readonly count: number;
  readonly rooms: readonly string[];
  readonly creditPort?: number;
};
export type SendersInput = Target & { readonly count: number; readonly inFlight: number };
export type TimedInput = Target & {
  readonly publisherPort: number;
  readonly members: number;
  readonly perSecond: number;
};
export type Latencies = { readonly count: number; readonly p50Ms: number; readonly p99Ms: number };
export type Counters = {
  readonly atMs: number;
  readonly delivered: number;
  readonly acknowledged: number;
  readonly cpuMicros: number;
};
