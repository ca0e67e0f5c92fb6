/** Keys beside those of the store, in the same Redis and as safe: for the application's own. */

import { parseRedisAddress } from "./address.ts";
import type { Answer } from "./command.ts";
import { confirmationFor, isConfirmed } from "./confirmation.ts";
import { connect } from "./link.ts";

export type SharedKeys = {
  /** What all keys begin with. */
  readonly prefix: string;
  /** How long a call that is not answered is worth making again. */
  readonly outageMs: number;
  /**
   * Runs a script once, on keys that share a hash slot. Rejects when Redis does not answer, and after a write
   * that is not as safe as the address demands; what has been written by then is not known.
   */
  run(body: string, call: ScriptCall): Promise<Answer>;
  close(): Promise<void>;
};

export type ScriptCall = {
  readonly keys: readonly string[];
  readonly values: readonly string[];
  readonly writes: boolean;
};

/** @throws {DeliveryError} what opening a store at this address throws. */
export async function openSharedKeys(address: string): Promise<SharedKeys> {
  const parsed = parseRedisAddress(address);
  const link = await connect(parsed, () => undefined);
  try {
    const confirmation = await confirmationFor(parsed, link);
    return {
      prefix: parsed.prefix,
      outageMs: parsed.outageMs,
      run: async (body, { keys, values, writes }) => {
        const [first = ""] = keys;
        const command = ["EVAL", body, String(keys.length), ...keys, ...values];
        if (!writes || confirmation === undefined) return await link.send(first, command);
        const [answer, confirmed] = await link.sendBoth(first, command, confirmation.command);
        if (isConfirmed(confirmation, confirmed)) return answer;
        throw new Error(confirmation.missing);
      },
      close: () => link.close(),
    };
  } catch (error) {
    await link.close();
    throw error;
  }
}
