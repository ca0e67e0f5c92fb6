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
    await end(node, clients, chance);
    await node.restart();
    await until(() => clients.some((client) => client.socket.connected), { what: "a client is back" });
  }
  await Promise.all(clients.map((client) => client.connected(client.connects.length)));
  for (const emitter of emitters) emitter.stop();
  await Promise.all(clients.map((client) => client.settles()));

  const handled = node.handled();
  const total = emitters.reduce((sum, { acknowledged }) => sum + acknowledged.length, 0);
  expect(total).toBeGreaterThan(200);
  for (const client of clients) {
    await until(() => client.entries.length >= total, {
      what: `all ${total} entries`,
      state: () => client.report(),
    });
    await client.roundTrip();
  }
  for (const emitter of emitters) {
    expect(emitter.verdict(handled)).toEqual(flawless);
    for (const client of clients) expect(emitter.publishedTo(client, handled)).toEqual(allOnce);
  }
  // The room has one order, and it is the same for everyone.
  for (const client of clients) expect(client.received("all")).toEqual(clients[0]?.received("all"));
  for (const { gaps, refused } of clients) expect({ gaps, refused }).toEqual({ gaps: [], refused: [] });
  expect(new Set(clients.flatMap((client) => client.connects)).size).toBe(clients.length);
});

async function setUp(context: TestContext): Promise<{ node: TestNode; relay: Relay; chance: Chance }> {
  const chance = new Chance(context);
  const node = await startNode(context, {
    // Half-open links are found in a second, small windows are full most of the time, uploads are frequent.
    server: { pingInterval: 500, pingTimeout: 500 },
    delivery: { windowEvents: 32, chunkCharacters: 512, sweepIntervalMs: 100 },
  });
  return { node, relay: await startRelay(context, node), chance };
}

/**
 * Ends the server: at any moment, in order, or at the very moment at which a client was told something. What
 * was told too early, before it was stored, then is not stored.
 */
async function end(node: TestNode, clients: readonly GuaranteeClient[], chance: Chance): Promise<void> {
  const moment = chance.pick(["any", "in order", "acknowledged", "delivered"]);
  const kill = (): void => node.child.signal("SIGKILL");
  for (const { socket } of clients) {
    if (moment === "acknowledged") socket.delivery.once("settled", kill);
    if (moment === "delivered") socket.once("entry", kill);
  }
  if (moment === "any") kill();
  if (moment === "in order") node.child.signal("SIGTERM");
  await node.child.exited();
  for (const { socket } of clients) socket.delivery.off("settled", kill);
  for (const { socket } of clients) socket.off("entry", kill);
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
  const client = await openClient(context, url, { name: `client ${number}`, rooms: ["all", "other"] });
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
  /** Calls that were given up at a deadline of the caller's. */
  readonly #expired = new Set<number>();
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
      if (this.#recordedBefore.has(id) || this.#expired.has(id)) this.#faults.push(`${id} was settled twice`);
      if (error === undefined) this.#recordedBefore.set(id, this.#node.handledBytes);
      else if ((error as { code?: string }).code === "expired") this.#expired.add(id);
      else this.#faults.push(`${id} ended with ${error.message}`);
    });
  }

  get acknowledged(): number[] {
    return [...this.#recordedBefore.keys()];
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
    const call = {
      id,
      publishTo: this.#chance.next() < 0.2 ? ["all", "other"] : "all",
      ...(this.#chance.next() < 0.2 ? { delayMs: 20 } : {}),
      ...(this.#chance.next() < 0.1 ? { payload: "x".repeat(2_000) } : {}),
    };
    this.emitted.push(id);
    const answered = (): void => void this.#answers.set(id, (this.#answers.get(id) ?? 0) + 1);
    const way = this.#chance.between(1, 7);
    if (way === 1) socket.timeout(this.#chance.between(10, 400)).emit("call", call, answered);
    else if (way <= 3) socket.emit("call", call, answered);
    else if (way <= 5)
      socket.emitWithAck("call", call).then(answered, (error: Error) => this.#faults.push(error.message));
    else socket.emit("call", call);
    if (way > 5) answered();
    this.#idOfSequence.set(socket.delivery.lastSequence, id);
  }

  /** What became of the calls at the handler, and here. */
  verdict(all: readonly Handled[]): typeof flawless {
    const calls = all.filter(({ name }) => name === this.client.name);
    const firsts = new Map(calls.toReversed().map((call) => [call.id, call]));
    const again = calls.filter((call) => firsts.get(call.id) !== call);
    const called = calls.filter((call) => firsts.get(call.id) === call).map(({ id }) => id);
    const { lost, ...firstCalls } = judge(this.emitted, called);
    return {
      firstCalls: { ...firstCalls, lost: lost.filter((id) => !this.#expired.has(id)) },
      // A second call is right only when the process of the first one died before the outcome was recorded.
      againInOneProcess: again.filter(
        ({ id, pid }) => calls.filter((call) => call.id === id && call.pid === pid).length > 1,
      ),
      againAfterSuccess: again.filter(({ id, place }) => place >= (this.#recordedBefore.get(id) ?? Infinity)),
      notAnsweredOnce: this.emitted.filter((id) => this.#answers.get(id) !== 1),
      notSettled: this.emitted.filter((id) => !this.#recordedBefore.has(id) && !this.#expired.has(id)),
      faults: this.#faults,
    };
  }

  /** What this emitter's handlers published, as a client saw it. */
  publishedTo(client: GuaranteeClient, all: readonly Handled[]): typeof allOnce {
    const handled = new Set(all.map(({ id }) => id));
    const mine = client.entries.filter(({ from }) => from === this.client.name);
    const ids = mine.map(({ id }) => id);
    const inRoom = mine.filter(({ room }) => room === "all").map(({ id }) => id);
    return {
      lost: this.acknowledged.filter((id) => !ids.includes(id)),
      doubled: ids.filter((id, index) => ids.indexOf(id) !== index),
      unasked: ids.filter((id) => !handled.has(id)),
      // Between several rooms there is no order, within one there is.
      reordered: inRoom.filter((id, index) => index > 0 && id < (inRoom[index - 1] ?? 0)),
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

const allOnce = {
  lost: [] as number[],
  doubled: [] as number[],
  unasked: [] as number[],
  reordered: [] as number[],
};
