/**
 * A Redis with two replicas and three Sentinels, on the machine of the servers: they give each other
 * addresses that only this machine knows.
 */

import { Scope } from "../../test/harness/owner.ts";
import { answerParent, tellParent } from "../../test/harness/parent.ts";
import { startRedisSentinel } from "../../test/harness/redis-sentinel.ts";

// Ctrl-C reaches the whole group; it is the conductor that says when this ends.
process.on("SIGINT", () => undefined);
const sentinel = await startRedisSentinel(new Scope());
answerParent({
  /** Kills the primary; answers when another one has taken its place. */
  failOver: async () => {
    const killed = await sentinel.master();
    const promoted = await sentinel.killMaster();
    return { killed: killed.port, promoted: promoted.port };
  },
});
await tellParent("ready", { address: sentinel.address });
