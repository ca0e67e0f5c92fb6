/** Stock Socket.IO's way from process to process over Redis, made to say when an emit has been stored. */

import { createAdapter } from "@socket.io/redis-streams-adapter";
import { createClient } from "redis";
import type { Namespace } from "socket.io";

type StreamsAdapter = { doPublish(message: unknown): Promise<string> };

/** `onStored` is called for each emit whose XADD has been answered, which Holdfast's receipt compares to. */
export async function streamsAdapter(address: string, onStored: () => void): Promise<never> {
  const client = createClient({ url: address });
  client.on("error", (error: unknown) => console.error(error));
  await client.connect();
  const makeAdapter = createAdapter(client, {}) as (namespace: Namespace) => StreamsAdapter;
  // Socket.IO calls it with `new`, which an arrow function would not bear; its type wants a class.
  return function make(namespace: Namespace): StreamsAdapter {
    const adapter = makeAdapter(namespace);
    const publish = adapter.doPublish.bind(adapter);
    adapter.doPublish = async (message) => {
      const offset = await publish(message);
      onStored();
      return offset;
    };
    return adapter;
  } as never;
}
