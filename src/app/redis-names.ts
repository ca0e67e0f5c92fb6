/** The names of all machines that share a Redis. */

import { RetryLater } from "holdfast";
import { type Names, namesPerUserMax, namesUsedUp, nameTaken, spellingOf } from "./names.ts";

/**
 * What is asked goes to Redis in batches, one after the other: answers keep the order of the calls also when
 * a connection is lost in between, and a crowd that talks costs one round trip and not one each. Through an
 * outage a batch is asked again until it is answered, and all that it holds may be asked twice.
 */
export class RedisNames implements Names {
  readonly ready: Promise<void>;
  readonly #opening: Promise<SharedKeys>;
  #waiting: Question[] = [];
  #isAsking = false;
  #closed = false;

  constructor(opening: Promise<SharedKeys>) {
    this.#opening = opening;
    this.ready = opening.then(() => undefined);
    // Whoever starts the process looks at it later.
    this.ready.catch(() => undefined);
  }

  async claim(name: string, user: string): Promise<void> {
    const answer = await this.#ask("claim", spellingOf(name), name, user);
    if (answer === "taken") throw nameTaken(name);
    if (answer === "used up") throw namesUsedUp();
  }

  nameOf(user: string): Promise<string | undefined> {
    return this.#ask("name", user);
  }

  userOf(name: string): Promise<string | undefined> {
    return this.#ask("user", spellingOf(name));
  }

  async close(): Promise<void> {
    this.#closed = true;
    const keys = await this.#opening.catch(() => undefined);
    await keys?.close();
  }

  #ask(kind: Question["kind"], ...values: readonly string[]): Promise<string | undefined> {
    const { promise, resolve, reject } = Promise.withResolvers<string | undefined>();
    this.#waiting.push({ kind, values, askedAt: performance.now(), resolve, reject });
    if (!this.#isAsking) void this.#askAll();
    return promise;
  }

  async #askAll(): Promise<void> {
    this.#isAsking = true;
    while (this.#waiting.length > 0) {
      // Below, nobody waits for a batch that has become empty.
      let batch = this.#waiting.splice(0, batchMost);
      for (let attempt = 0; batch.length > 0; attempt += 1) {
        if (attempt > 0)
          await new Promise((resolve) => setTimeout(resolve, Math.min(10 * 2 ** attempt, 250)));
        batch = await this.#try(batch);
      }
    }
    this.#isAsking = false;
  }

  /** Returns those of the questions that are to be asked again. */
  async #try(batch: Question[]): Promise<Question[]> {
    const keys = await this.#opening.catch((error: unknown) => ({ error }));
    try {
      if ("error" in keys) throw keys.error;
      const answers = await keys.run(answerAll, {
        keys: ["holders", "names", "counts"].map((name) => `${keys.prefix}:{chat}:${name}`),
        values: [
          String(namesPerUserMax),
          ...batch.flatMap(({ kind, values }) => [kind, String(values.length), ...values]),
        ],
        writes: batch.some(({ kind }) => kind === "claim"),
      });
      const texts = answers as readonly (string | null)[];
      for (const [index, { resolve }] of batch.entries()) resolve(texts[index] ?? undefined);
      return [];
    } catch (cause) {
      const waitsMost = this.#closed || "error" in keys ? 0 : keys.outageMs;
      const isOver = ({ askedAt }: Question) => performance.now() - askedAt >= waitsMost;
      const over = batch.filter(isOver);
      for (const { reject } of over) reject(new RetryLater("the names cannot be read now", { cause }));
      return batch.filter((question) => !over.includes(question));
    }
  }
}

/**
 * `holders`: who has a spelling; `names`: what a user goes by; `counts`: how many names a user has. A claim
 * that has been made is found again by its holder, so that asking it twice changes nothing.
 */
const answerAll = `
local holders, names, counts = KEYS[1], KEYS[2], KEYS[3]
local most = tonumber(ARGV[1])
local function claim(spelling, name, user)
  local holder = redis.call('HGET', holders, spelling)
  if holder and holder ~= user then return 'taken' end
  if not holder then
    if tonumber(redis.call('HGET', counts, user) or 0) >= most then return 'used up' end
    redis.call('HSET', holders, spelling, user)
    redis.call('HINCRBY', counts, user, 1)
  end
  redis.call('HSET', names, user, name)
  return 'claimed'
end
local answers, at = {}, 2
while ARGV[at] do
  local kind, length = ARGV[at], tonumber(ARGV[at + 1])
  if kind == 'claim' then
    answers[#answers + 1] = claim(ARGV[at + 2], ARGV[at + 3], ARGV[at + 4])
  else
    answers[#answers + 1] = redis.call('HGET', kind == 'name' and names or holders, ARGV[at + 2])
  end
  at = at + 2 + length
end
return answers`;

/** A script holds up everything else in Redis for as long as it runs. */
const batchMost = 500;

// --- types ---

type Question = {
  readonly kind: "claim" | "name" | "user";
  readonly values: readonly string[];
  readonly askedAt: number;
  readonly resolve: (answer: string | undefined) => void;
  readonly reject: (error: unknown) => void;
};

/** Keys of the application's own in a Redis that it shares with other nodes. */
export type SharedKeys = {
  /** What all keys begin with. */
  readonly prefix: string;
  /** How long a call that is not answered is worth making again. */
  readonly outageMs: number;
  /**
   * Runs a script once, on keys that share a hash slot. Where it `writes`, the write is kept as a receipt is.
   */
  run(
    body: string,
    call: { readonly keys: readonly string[]; readonly values: readonly string[]; readonly writes: boolean },
  ): Promise<unknown>;
  close(): Promise<void>;
};
