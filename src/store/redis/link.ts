/**
 * The way to a Redis, whatever its kind: calls of scripts, and announcements of channels. It makes a call
 * once and says when that failed; whether it is made again is for `calls.ts` to say.
 */

import { createClient, createCluster, createSentinel } from "redis";
import { DeliveryError } from "../../protocol/errors.ts";
import type { RedisAddress } from "./address.ts";
import type { Answer } from "./command.ts";

export type Listener = (message: string, channel: string) => void;
/** Of messages that are not text. */
export type BytesListener = (message: Buffer, channel: Buffer) => void;

export type RedisLink = {
  /** Sends a command to the server that has the key. */
  send(key: string, command: readonly (string | Buffer)[]): Promise<Answer>;
  /**
   * Sends two commands to the server that has the key, the second right behind the first on one connection,
   * and returns both answers.
   */
  sendBoth(key: string, command: readonly string[], next: readonly string[]): Promise<[Answer, Answer]>;
  /** Sends a command to every primary. */
  sendToAll(command: readonly string[]): Promise<readonly Answer[]>;
  subscribe(channels: readonly string[], listener: Listener): Promise<void>;
  unsubscribe(channels: readonly string[], listener: Listener): Promise<void>;
  subscribeBytes(channel: string, listener: BytesListener): Promise<void>;
  unsubscribeBytes(channel: string, listener: BytesListener): Promise<void>;
  close(): Promise<void>;
};

/**
 * Connects. Rejects when the first attempt fails, because a wrong address is better told at once.
 *
 * @throws {DeliveryError} `store_unavailable`.
 */
export async function connect(address: RedisAddress, report: (error: unknown) => void): Promise<RedisLink> {
  switch (address.kind) {
    case "alone":
      return connectAlone(address, report);
    case "sentinel":
      return connectSentinel(address, report);
    case "cluster":
      return connectCluster(address, report);
  }
}

async function connectAlone(address: RedisAddress, report: (error: unknown) => void): Promise<RedisLink> {
  const [node] = address.nodes;
  const options = { ...clientOptions(address), database: address.database };
  const client = createClient({ ...options, socket: { ...options.socket, ...node } });
  const listening = client.duplicate();
  const both = [client, listening];
  const first = firstError();
  for (const each of both) each.on("error", first.note);
  await first.orFail(Promise.all(both.map((each) => each.connect())), () => {
    for (const each of both) each.destroy();
  });
  for (const each of both) each.off("error", first.note).on("error", report);
  const send = (command: readonly (string | Buffer)[]) => client.sendCommand<Answer>([...command]);
  return {
    send: (_key, command) => send(command),
    sendBoth: (_key, command, next) => Promise.all([send(command), send(next)]),
    sendToAll: async (command) => [await send(command)],
    subscribe: (channels, listener) => listening.sSubscribe([...channels], listener),
    unsubscribe: (channels, listener) => listening.sUnsubscribe([...channels], listener),
    subscribeBytes: (channel, listener) => listening.sSubscribe(channel, listener, true),
    unsubscribeBytes: (channel, listener) => listening.sUnsubscribe(channel, listener, true),
    close: async () => {
      client.destroy();
      listening.destroy();
    },
  };
}

async function connectSentinel(address: RedisAddress, report: (error: unknown) => void): Promise<RedisLink> {
  const options = clientOptions(address);
  const sentinel = createSentinel({
    name: address.primaryName,
    sentinelRootNodes: [...address.nodes],
    // One connection, so that what is sent together arrives in its order.
    masterPoolSize: 1,
    nodeClientOptions: options,
    sentinelClientOptions: { socket: options.socket },
    scanInterval: 1_000,
    passthroughClientErrorEvents: true,
    maxCommandRediscovers: 16,
  });
  const first = firstError();
  sentinel.on("error", first.note);
  await first.orFail(sentinel.connect(), () => sentinel.destroy());
  sentinel.off("error", first.note);
  sentinel.on("error", report);
  // One connection after the other, and never `use`: a lease of the only one was seen to take 60 ms.
  const send = (command: readonly (string | Buffer)[]) => sentinel.sendCommand<Answer>(false, [...command]);
  return {
    send: (_key, command) => send(command),
    sendBoth: (_key, command, next) => Promise.all([send(command), send(next)]),
    sendToAll: async (command) => [await send(command)],
    subscribe: async (channels, listener) => {
      for (const channel of channels) await sentinel.sSubscribe(channel, listener);
    },
    unsubscribe: async (channels, listener) => {
      for (const channel of channels) await sentinel.sUnsubscribe(channel, listener);
    },
    subscribeBytes: (channel, listener) => sentinel.sSubscribe(channel, listener, true),
    unsubscribeBytes: async (channel, listener) => {
      await sentinel.sUnsubscribe(channel, listener, true);
    },
    close: async () => {
      await sentinel.destroy();
    },
  };
}

async function connectCluster(address: RedisAddress, report: (error: unknown) => void): Promise<RedisLink> {
  const cluster = createCluster({
    rootNodes: address.nodes.map((node) => ({ socket: { ...node } })),
    defaults: clientOptions(address),
    useReplicas: false,
  });
  const first = firstError();
  cluster.on("error", first.note);
  await first.orFail(cluster.connect(), () => cluster.destroy());
  cluster.off("error", first.note);
  cluster.on("error", report);
  cluster.on("node-error", report);
  const send = (key: string, command: readonly (string | Buffer)[]) =>
    cluster.sendCommand<Answer>(key, false, [...command]);
  return {
    send,
    sendBoth: async (key, command, next) => {
      const answer = await send(key, command);
      // A redirection has taught the client where the key is, so this is the connection that has written.
      const client = await cluster.getNodeClientForKey(key, false);
      return [answer, await client.sendCommand<Answer>([...next])];
    },
    sendToAll: (command) =>
      Promise.all(
        cluster.masters.map(async (master) => {
          const client = await cluster.nodeClient(master);
          return client.sendCommand<Answer>([...command]);
        }),
      ),
    subscribe: async (channels, listener) => {
      for (const channel of channels) await cluster.sSubscribe(channel, listener);
    },
    unsubscribe: async (channels, listener) => {
      for (const channel of channels) await cluster.sUnsubscribe(channel, listener);
    },
    subscribeBytes: (channel, listener) => cluster.sSubscribe(channel, listener, true),
    unsubscribeBytes: async (channel, listener) => {
      await cluster.sUnsubscribe(channel, listener, true);
    },
    close: async () => {
      cluster.destroy();
    },
  };
}

function clientOptions({ tls, username, password }: RedisAddress) {
  return {
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    // Calls are made again by us, with a number; a queue in the client would make them behind our back.
    disableOfflineQueue: true,
    pingInterval: pingIntervalMs,
    socket: {
      ...(tls && { tls: true as const }),
      connectTimeout: 2_000,
      // A server that says nothing for so long, pings included, is behind a broken link.
      socketTimeout: silenceMs,
      reconnectStrategy: (retries: number) => Math.min(20 * 2 ** Math.min(retries, 10), 500),
    },
  };
}

/** The first error of a client that would try for ever. */
function firstError() {
  let fail: (error: unknown) => void = () => undefined;
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  failed.catch(() => undefined);
  return {
    note: (error: unknown) => fail(error),
    orFail: async (connecting: Promise<unknown>, giveUp: () => unknown) => {
      try {
        await Promise.race([connecting, failed]);
      } catch (cause) {
        giveUp();
        connecting.catch(() => undefined);
        const detail = `cannot connect to Redis: ${messageOf(cause)}`;
        throw new DeliveryError("store_unavailable", { detail, cause });
      }
    },
  };
}

/** Some errors of connections carry their cause in `errors`, and no message of their own. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(messageOf).join("; ");
  if (error instanceof Error) return error.message === "" ? error.name : error.message;
  return String(error);
}

/** A Redis that stands still for 3 s is waited for; a link that is broken is given up after 5 s. */
const silenceMs = 5_000;
const pingIntervalMs = 1_500;
