/** Which life of a client holds a session, as far as this process knows; other processes do not. */

import type { Holder } from "../protocol/hello.ts";

export class SessionHolder {
  #current: Holder | undefined;
  /**
   * The last generation in which the client has said anything. A resume whose welcome was lost has changed
   * nothing, and must not cost a page that was reloaded at that moment its session.
   */
  #heardGeneration = 0;

  /** This client has resumed the session. */
  took(holder: Holder | undefined): void {
    this.#current = holder;
  }

  heard(generation: number): void {
    this.#heardGeneration = generation;
  }

  /**
   * Says whether a client may go on with the session. A copy of it that has resumed meanwhile has used the
   * sequences that come next for events of its own; a connection that the client itself has given up for a
   * newer one is late.
   */
  judge(holder: Holder | undefined): "goes on" | "copy" | "late" {
    const current = this.#current;
    if (holder === undefined || current === undefined) return "goes on";
    if (holder.instance !== current.instance) {
      return holder.generation >= this.#heardGeneration ? "goes on" : "copy";
    }
    return holder.attempt > current.attempt ? "goes on" : "late";
  }
}
