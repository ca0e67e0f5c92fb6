/**
 * The official Redis adapter over our bus: `fetchSockets`, `serverSideEmit`, `disconnectSockets` and volatile
 * events between all processes of one store.
 */

import { createShardedAdapter } from "@socket.io/redis-adapter";
import type { Namespace } from "socket.io";
import { type Adapter, MessageType } from "socket.io-adapter";
import type { RedisBus } from "../store/redis/bus.ts";

/** Returns what Socket.IO calls with `new` for every namespace. */
export function redisAdapter(bus: RedisBus): new (namespace: Namespace) => Adapter {
  const makeOfficial = createShardedAdapter(bus, bus, { channelPrefix: bus.channelPrefix });
  const make = function (namespace: Namespace): Adapter {
    const adapter = makeOfficial(namespace) as Adapter;
    const publishing = adapter as unknown as Publishing;
    const doPublish = publishing.doPublish.bind(adapter);
    // The official one waits for Redis before it tells the clients of this process. A broadcast that is not
    // stored promises them nothing that would be worth that: a Redis that stands still must not hold it up.
    publishing.doPublish = async (message) => {
      const published = doPublish(message);
      if (message.type !== MessageType.BROADCAST) return await published;
      published.catch(() => undefined);
      return "";
    };
    const serverSideEmit = adapter.serverSideEmit.bind(adapter) as (packet: unknown[]) => Promise<void>;
    // Nobody looks at the promise, so servers that cannot be counted would be an unhandled rejection.
    adapter.serverSideEmit = (packet: unknown[]) => {
      const answer = packet.at(-1);
      serverSideEmit(packet).catch((error: unknown) => {
        if (typeof answer === "function") answer(error, []);
      });
    };
    return adapter;
  };
  return make as unknown as new (
    namespace: Namespace,
  ) => Adapter;
}

type Publishing = { doPublish(message: { readonly type: MessageType }): Promise<string> };
