/** A program that starts a Redis, to see what becomes of it when this one is killed. */

import { Scope } from "./owner.ts";
import { answerParent, tellParent } from "./parent.ts";
import { startRedis } from "./redis-server.ts";

answerParent({});
const { port } = await startRedis(new Scope());
await tellParent("ready", { port });
