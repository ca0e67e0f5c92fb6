/**
 * The holder of a session: which life of a client goes on with it. A duplicated tab, or a page that was
 * restored, is a copy of a client's state; of two copies only one may go on, because both give their next
 * event the same sequence.
 */

/** One life of a client: a page or a process, not its reloads, nor its copies. */
export type Holder = {
  /** Random, made anew with every life. */
  readonly instance: string;
  /** The generation of the last welcome that the client has got, in this life or the one it was saved in. */
  readonly generation: number;
  /** Counts the connections of this life. */
  readonly attempt: number;
};

/** What a client says of itself when it wants to go on with a session: a part of its hello. */
export type Claim = {
  /** Absent where a client does not name itself. */
  readonly holder?: Holder | undefined;
  /** All events below it are settled as far as the client is concerned. */
  readonly low: number;
  /** The first sequence that the client has never sent: nobody can know of it, or of a later one. */
  readonly next: number;
};

/** What is known of a session when somebody claims it. */
export type Claimed = {
  /** Who resumed or opened it last; undefined where that client did not name itself. */
  readonly holder: Pick<Holder, "instance" | "attempt"> | undefined;
  /** The last generation in which the client has said anything. */
  readonly heard: number;
  /** Every event below it is settled and confirmed. */
  readonly low: number;
  /** The highest sequence of which anything is known; 0 when there is none. */
  readonly last: number;
};

/**
 * Decides whether a client may go on with a session.
 *
 * - `late`: the client itself has given this connection up for a newer one.
 * - `copy`: the session has gone on without this copy of its client. Either another life of the client has
 *   been heard since, or the copy would use sequences again that have had other events.
 *
 * What counts is what the client has said, not what it has resumed: a resume whose welcome was lost has
 * changed nothing, and must not cost a page that was reloaded at that moment its session.
 */
export function judge(claimed: Claimed, claim: Claim): "goes on" | "copy" | "late" {
  const { holder } = claim;
  if (holder !== undefined && claimed.holder !== undefined) {
    if (holder.instance === claimed.holder.instance) {
      if (holder.attempt <= claimed.holder.attempt) return "late";
    } else if (holder.generation < claimed.heard) return "copy";
  }
  return claim.low >= claimed.low && claim.next > claimed.last ? "goes on" : "copy";
}

/**
 * Whether another life of the client takes the session over. What the one before it had begun and not
 * recorded is no longer part of the session then, because the next one numbers its own events alike.
 */
export function changesHands(claimed: Claimed["holder"], holder: Holder | undefined): boolean {
  return holder !== undefined && claimed !== undefined && holder.instance !== claimed.instance;
}
