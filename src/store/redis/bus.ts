/**
 * The bus: what processes say to each other without storing it. It has the few methods of a client that
 * `@socket.io/redis-adapter` calls, and what that adapter does not do itself: calls wait until there is a
 * connection, subscriptions outlive outages and servers, and a failure is reported instead of unhandled.
 */

import { DeliveryError } from "../../protocol/errors.ts";
import { isRedisAddress, parseRedisAddress, type RedisAddress } from "./address.ts";
import { type Answer, count, list } from "./command.ts";
import { type BytesListener, connect, messageOf, type RedisLink } from "./link.ts";

/** Returns undefined for an address that is none of a Redis, or that opening the store will refuse. */
export function openRedisBus(address: string, report: (error: unknown) => void): RedisBus | undefined {
  if (!isRedisAddress(address)) return undefined;
  try {
    return new RedisBus(parseRedisAddress(address), report);
  } catch {
    return undefined;
  }
}

export class RedisBus {
  /**
   * What channels begin with. Redis has one set of channels for all of its databases, so they are told apart.
   */
  readonly channelPrefix: string;
  readonly #address: RedisAddress;
  readonly #tell: (error: unknown) => void;
  readonly #connecting: Promise<RedisLink>;
  readonly #channels = new Map<string, Channel>();
  readonly #renewer: ReturnType<typeof setInterval> | undefined;
  #callsUnderWay = 0;
  #reportedAt = Number.NEGATIVE_INFINITY;
  #isConnected = false;
  #closed = false;

  constructor(address: RedisAddress, report: (error: unknown) => void) {
    const { prefix, database, kind } = address;
    this.channelPrefix = database === 0 ? `${prefix}:bus` : `${prefix}:${database}:bus`;
    this.#address = address;
    this.#tell = report;
    this.#connecting = this.#connect();
    this.#connecting.catch(() => undefined);
    if (kind === "alone") return;
    // Where servers take each other's place, the client can lose a subscription without a word.
    this.#renewer = setInterval(() => this.#renew(), renewEveryMs);
    this.#renewer.unref();
  }

  /** Fulfils once the channel is heard, or when that is not wanted any more; never rejects. */
  async sSubscribe(name: string, listener: BytesListener): Promise<void> {
    const channel = this.#channels.get(name) ?? { wished: undefined, heard: undefined, isFollowing: false };
    channel.wished = listener;
    this.#channels.set(name, channel);
    await this.#follow(name, channel);
  }

  /** Fulfils once the channel is not heard any more; never rejects. */
  async sUnsubscribe(name: string): Promise<void> {
    const channel = this.#channels.get(name);
    if (channel === undefined) return;
    channel.wished = undefined;
    await this.#follow(name, channel);
  }

  /** @throws {DeliveryError} `store_unavailable` without a connection, `store_busy` for too many at once. */
  async sPublish(channel: string, payload: string | Buffer): Promise<Answer> {
    return await this.#call((link) => link.send(channel, ["SPUBLISH", channel, payload]));
  }

  /**
   * Takes `PUBSUB SHARDNUMSUB CHANNEL` alone. Subscribers of all primaries are counted, because in the
   * moments in which one takes a channel over from another both have some.
   *
   * @throws {DeliveryError} as `sPublish` does.
   */
  async sendCommand([command = "", what = "", channel = ""]: readonly string[]): Promise<[string, number]> {
    const answers = await this.#call((link) => link.sendToAll([command, what, channel]));
    return [channel, answers.reduce((sum: number, answer) => sum + count(list(answer)[1]), 0)];
  }

  /** Ends everything that waits; a connection that is only being made is closed when it is there. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#renewer);
    const closing = this.#connecting.then((link) => link.close()).catch(() => undefined);
    if (this.#isConnected) await closing;
  }

  async #connect(): Promise<RedisLink> {
    while (!this.#closed) {
      try {
        const link = await connect(this.#address, (error) => this.#report(error));
        this.#isConnected = true;
        return link;
      } catch (error) {
        this.#report(error);
        await pause();
      }
    }
    throw closedError();
  }

  async #call<T>(send: (link: RedisLink) => Promise<T>): Promise<T> {
    if (this.#closed) throw closedError();
    if (this.#callsUnderWay >= callsLimit) throw new DeliveryError("store_busy");
    this.#callsUnderWay += 1;
    try {
      return await send(await this.#connecting);
    } catch (error) {
      this.#report(error);
      if (error instanceof DeliveryError) throw error;
      throw new DeliveryError("store_unavailable", { detail: `Redis: ${messageOf(error)}`, cause: error });
    } finally {
      this.#callsUnderWay -= 1;
    }
  }

  /** One change of a channel at a time, because they must not overtake each other; channels side by side. */
  async #follow(name: string, channel: Channel): Promise<void> {
    if (channel.isFollowing) return;
    channel.isFollowing = true;
    while (channel.wished !== channel.heard && !this.#closed) {
      const { wished, heard } = channel;
      try {
        const link = await this.#connecting;
        if (heard !== undefined) await link.unsubscribeBytes(name, heard);
        channel.heard = undefined;
        if (wished !== undefined) await link.subscribeBytes(name, wished);
        channel.heard = wished;
      } catch (error) {
        this.#report(error);
        if (!this.#closed) await pause();
      }
    }
    channel.isFollowing = false;
    if (channel.wished === undefined) this.#channels.delete(name);
  }

  /** Subscribing again costs nothing where the client still knows of it. */
  #renew(): void {
    for (const [name, channel] of this.#channels) {
      const { heard } = channel;
      if (channel.isFollowing || heard === undefined) continue;
      const renewing = this.#connecting.then((link) => link.subscribeBytes(name, heard));
      renewing.catch((error: unknown) => this.#report(error));
    }
  }

  /** In an outage every call fails; one report a second says as much as all of them. */
  #report(error: unknown): void {
    const now = performance.now();
    if (this.#closed || now - this.#reportedAt < reportEveryMs) return;
    this.#reportedAt = now;
    this.#tell(error);
  }
}

function closedError(): DeliveryError {
  return new DeliveryError("store_unavailable", { detail: "the server is closed" });
}

async function pause(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, retryMs).unref());
}

const retryMs = 200;
const renewEveryMs = 2_000;
const reportEveryMs = 1_000;
/** Calls without an answer yet; more fail at once. A Redis that stands still is given up after seconds. */
const callsLimit = 10_000;

// --- types ---

type Channel = {
  wished: BytesListener | undefined;
  heard: BytesListener | undefined;
  isFollowing: boolean;
};
