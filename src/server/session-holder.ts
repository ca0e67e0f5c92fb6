/** Which life of a client holds a session, as far as this process knows; the store decides between them. */

import { type Claim, type Claimed, type Holder, judge, unclaimed } from "../protocol/holder.ts";

export class SessionHolder {
  #current: Holder | undefined;
  #heard: number;

  /** `heard`: what the store knows. A client that opens a session is heard from the beginning. */
  constructor(heard = 1) {
    this.#heard = heard;
  }

  /** The last generation in which the client has said anything. */
  get heard(): number {
    return this.#heard;
  }

  get holder(): Holder | undefined {
    return this.#current;
  }

  /** This client has resumed the session. */
  took(holder: Holder | undefined): void {
    this.#current = holder;
  }

  /** Returns true when this is the first that is heard in a generation. */
  hear(generation: number): boolean {
    if (generation <= this.#heard) return false;
    this.#heard = generation;
    return true;
  }

  /** `extent`: what this process knows of the inbox, which may be more than the store does. */
  judge(claim: Claim, extent: Pick<Claimed, "low" | "last">): ReturnType<typeof judge> {
    return judge({ ...unclaimed, ...extent, holder: this.#current, heard: this.#heard }, claim);
  }
}
