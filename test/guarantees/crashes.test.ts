/**
 * Clients emit without pause, with and without callbacks, and every handler publishes to a room that they all
 * are in, while the server is killed at moments of chance and links are reset or go half-open. What no choice
 * of moments may do: lose, double or reorder anything, at the handler or at any client.
 */

import { setTimeout as pause } from "node:timers/promises";
import { expect, test, type TestContext } from "vitest";
import { clean, judge } from "../harness/ledger.ts";
import { type Relay, startRelay } from "../harness/relay.ts";
import { until } from "../harness/until.ts";
import { type GuaranteeClient, openClient } from "./client.ts";
import type { Handled } from "./contract.ts";
import { startNode, type TestNode } from "./node.ts";
import { Chance } from "./seed.ts";

const killCount = 12;
const idsPerClient = 1_000_000;

test("G1 G2 G5 nothing is lost, doubled or reordered by kills and failing links", async (context) => {
  const { node, relay, chance } = await setUp(context);
  const emitters = await Promise.all([
    openEmitter(context, node, relay.url, 1, chance),
    openEmitter(context, node, relay.url, 2, chance),
    openEmitter(context, node, node.url, 3, chance),
  ]);
  const clients = emitters.map(({ client }) => client);
  await Promise.all(clients.map((client) => client.roundTrip()));

  for (const emitter of emitters) emitter.start();
  for (let kill = 1; kill <= killCount; kill += 1) {
    await pause(chance.between(20, 200));
    if (chance.next() < 0.5) failLink(relay, chance);
    await pause(chance.between(0, 100));
    await node.kill(chance.next() < 0.7 ? "SIGKILL" : "SIGTERM");
    await node.restart();
    await until(() => clients.some((client) => client.socket.connected), { what: "a client is back" });
  }
  await Promise.all(clients.map((client) => client.connected(client.connects.length)));
  for (const emitter of emitters) emitter.stop();
  await Promise.all(clients.map((client) => client.settles()));

  const handled = node.handled();
  const total = emitters.reduce((sum, { emitted }) => sum + emitted.length, 0);
  expect(total).toBeGreaterThan(300);
  for (const client of clients) await client.receives("all", total);
  await Promise.all(clients.map((client) => client.roundTrip()));

  const rooms = clients.map((client) => client.received("all"));
  for (const emitter of emitters) {
    expect(emitter.verdict(handled)).toEqual(flawless);
    for (const room of rooms) {
      const own = room.filter((id) => Math.floor(id / idsPerClient) === emitter.number);
      expect(judge(emitter.emitted, own)).toEqual(clean);
    }
  }
  // The room has one order, and it is the same for everyone.
  for (const room of rooms) expect(room).toEqual(rooms[0]);
  for (const client of clients)
    expect({ gaps: client.gaps, refused: client.refused }).toEqual({ gaps: [], refused: [] });
  expect(new Set(clients.flatMap((client) => client.connects)).size).toBe(clients.length);
});

async function setUp(context: TestContext): Promise<{ node: TestNode; relay: Relay; chance: Chance }> {
  const chance = new Chance(context);
  const node = await startNode(context, {
    // Half-open links are found in a second, and small windows are full most of the time.
    server: { pingInterval: 500, pingTimeout: 500 },
    delivery: { windowEvents: 32, sweepIntervalMs: 100 },
  });
  return { node, relay: await startRelay(context, node), chance };
}

function failLink(relay: Relay, chance: Chance): void {
  const links = relay.open;
  const link = links[chance.between(0, links.length - 1)];
  if (link === undefined) return;
  chance.pick([() => link.reset(), () => link.resetClient(), () => link.resetServer()])();
}

async function openEmitter(
  context: TestContext,
  node: TestNode,
  url: string,
  number: number,
  chance: Chance,
): Promise<Emitter> {
  const client = await openClient(context, url, { name: `client ${number}`, rooms: ["all"] });
  return new Emitter(client, number, node, chance);
}

/** One client that emits numbered calls, and remembers what it was told of each. */
class Emitter {
  readonly client: GuaranteeClient;
  readonly number: number;
  readonly emitted: number[] = [];
  readonly #node: TestNode;
  readonly #chance: Chance;
  readonly #idOfSequence = new Map<number, number>();
  /** Bytes of the record of handler calls, of all clients, when the call's success was known. */
  readonly #recordedBefore = new Map<number, number>();
  readonly #faults: string[] = [];
  readonly #answers = new Map<number, number>();
  #timer: NodeJS.Timeout | undefined;

  constructor(client: GuaranteeClient, number: number, node: TestNode, chance: Chance) {
    this.client = client;
    this.number = number;
    this.#node = node;
    this.#chance = chance;
    client.socket.delivery.on("settled", ({ sequence, error }) => {
      const id = this.#idOfSequence.get(sequence);
      // Round trips are emitted too, and are not part of the count.
      if (id === undefined) return;
      if (error !== undefined) this.#faults.push(`${id} ended with ${error.message}`);
      if (this.#recordedBefore.has(id)) this.#faults.push(`${id} was settled twice`);
      this.#recordedBefore.set(id, this.#node.handledBytes);
    });
  }

  start(): void {
    this.#timer = setInterval(() => {
      for (let count = this.#chance.between(0, 2); count > 0; count -= 1) this.#emit();
    }, 15);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #emit(): void {
    const { socket } = this.client;
    const id = this.number * idsPerClient + this.emitted.length;
    const call = { id, publishTo: "all", ...(this.#chance.next() < 0.2 ? { delayMs: 20 } : {}) };
    this.emitted.push(id);
    const answered = (): void => void this.#answers.set(id, (this.#answers.get(id) ?? 0) + 1);
    const way = this.#chance.between(1, 3);
    if (way === 1) socket.emit("call", call);
    else if (way === 2) socket.emit("call", call, answered);
    else socket.emitWithAck("call", call).then(answered, (error: Error) => this.#faults.push(error.message));
    this.#idOfSequence.set(socket.delivery.lastSequence, id);
    if (way === 1) answered();
  }

  /** What became of the calls at the handler, and here. */
  verdict(all: readonly Handled[]): typeof flawless {
    const calls = all.filter(({ name }) => name === this.client.name);
    const firsts = new Map(calls.toReversed().map((call) => [call.id, call]));
    const again = calls.filter((call) => firsts.get(call.id) !== call);
    return {
      firstCalls: judge(
        this.emitted,
        calls.filter((call) => firsts.get(call.id) === call).map(({ id }) => id),
      ),
      // A second call is right only when the process of the first one died before the outcome was recorded.
      againInOneProcess: again.filter(
        ({ id, pid }) => calls.filter((call) => call.id === id && call.pid === pid).length > 1,
      ),
      againAfterSuccess: again.filter(({ id, place }) => place >= (this.#recordedBefore.get(id) ?? 0)),
      notAnsweredOnce: this.emitted.filter((id) => this.#answers.get(id) !== 1),
      notSettled: this.emitted.filter((id) => !this.#recordedBefore.has(id)),
      faults: this.#faults,
    };
  }
}

const flawless = {
  firstCalls: clean as ReturnType<typeof judge<number>>,
  againInOneProcess: [] as Handled[],
  againAfterSuccess: [] as Handled[],
  notAnsweredOnce: [] as number[],
  notSettled: [] as number[],
  faults: [] as string[],
};
