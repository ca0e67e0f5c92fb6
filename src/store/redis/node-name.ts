/**
 * Claims on node names in a Redis: a lease that its holder renews. A process that is killed leaves the name
 * to others once the lease is over, so whoever is started again under its name waits for that.
 */

import { randomBytes } from "node:crypto";
import { DeliveryError } from "../../protocol/errors.ts";
import { parseRedisAddress } from "./address.ts";
import { confirmationFor } from "./confirmation.ts";
import { connect, messageOf, type RedisLink } from "./link.ts";

export type LeaseOptions = {
  /** How long to wait for a name that somebody has. */
  readonly waitMs: number;
  /** Told when the name has gone to another process, which can only happen while this one cannot renew. */
  readonly onLost?: ((error: unknown) => void) | undefined;
};

/**
 * Claims a name. Returns how to give it back.
 *
 * @throws {DeliveryError} `node_in_use`, or what opening the store throws.
 */
export async function claimInRedis(
  address: string,
  name: string,
  { waitMs, onLost }: LeaseOptions,
): Promise<() => Promise<void>> {
  const parsed = parseRedisAddress(address);
  const link = await connect(parsed, () => undefined);
  const lease = new Lease(link, `${parsed.prefix}:${parsed.database}:node:${name}`, onLost);
  try {
    // It is the first that a start asks of a Redis, and one that cannot keep the store is better told by
    // that.
    await confirmationFor(parsed, link);
    if (await lease.take(waitMs)) return () => lease.end();
  } catch (cause) {
    await link.close();
    if (cause instanceof DeliveryError) throw cause;
    const detail = `the node name ${name} cannot be claimed: ${messageOf(cause)}`;
    throw new DeliveryError("store_unavailable", { detail, cause });
  }
  await link.close();
  throw new DeliveryError("node_in_use", { detail: `another process on this Redis is called ${name}` });
}

class Lease {
  readonly #link: RedisLink;
  readonly #key: string;
  readonly #onLost: ((error: unknown) => void) | undefined;
  readonly #owner = randomBytes(12).toString("base64url");
  #renewer: ReturnType<typeof setInterval> | undefined;

  constructor(link: RedisLink, key: string, onLost: ((error: unknown) => void) | undefined) {
    this.#link = link;
    this.#key = key;
    this.#onLost = onLost;
  }

  async take(waitMs: number): Promise<boolean> {
    const deadline = performance.now() + waitMs;
    while (!(await this.#renew())) {
      if (performance.now() >= deadline) return false;
      await new Promise((resolve) => setTimeout(resolve, lookMs));
    }
    this.#renewer = setInterval(() => void this.#keep(), renewMs);
    this.#renewer.unref();
    return true;
  }

  async end(): Promise<void> {
    clearInterval(this.#renewer);
    // Where Redis does not answer, the lease ends by itself.
    await this.#run(giveBack, []).catch(() => undefined);
    await this.#link.close();
  }

  async #keep(): Promise<void> {
    // A lease that could not be renewed in time is taken anew by the next attempt, unless it is another's.
    const isOurs = await this.#renew().catch(() => true);
    if (isOurs) return;
    clearInterval(this.#renewer);
    this.#onLost?.(new DeliveryError("node_in_use", { detail: "another process has taken the name" }));
  }

  async #renew(): Promise<boolean> {
    return (await this.#run(takeOrRenew, [String(leaseMs)])) === 1;
  }

  async #run(body: string, values: readonly string[]): Promise<unknown> {
    return await this.#link.send(this.#key, ["EVAL", body, "1", this.#key, this.#owner, ...values]);
  }
}

const takeOrRenew = `
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`;

const giveBack = `
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1`;

/** A process that stands still for less keeps its name; one that was killed leaves it for so long. */
export const leaseMs = 6_000;
const renewMs = 1_500;
const lookMs = 250;
