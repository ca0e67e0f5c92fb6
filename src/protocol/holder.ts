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
  /** The generation in which another life of the client took the session over last; 0 before that. */
  readonly takenOver: number;
  /** The first of the takeovers since the client was heard last; it counts while it is above `heard`. */
  readonly contested: number;
};

/** A session of which nothing is known. */
export const unclaimed: Claimed = {
  holder: undefined,
  heard: 0,
  low: 0,
  last: 0,
  takenOver: 0,
  contested: 0,
};

/**
 * Decides whether a client may go on with a session.
 *
 * - `late`: the client itself has given this connection up for a newer one.
 * - `copy`: the session has gone on without this copy of its client. Another life of the client has been
 *   heard since; or the copy has taken the session from another one and has lost it again, neither being
 *   heard; or it would use sequences again that have had other events.
 *
 * What counts is what the client has said, not what it has resumed: a resume whose welcome was lost has
 * changed nothing, and must not cost a page that was reloaded at that moment its session.
 */
export function judge(claimed: Claimed, claim: Claim): "goes on" | "copy" | "late" {
  const { holder } = claim;
  if (holder !== undefined && claimed.holder !== undefined) {
    if (holder.instance === claimed.holder.instance) {
      if (holder.attempt <= claimed.holder.attempt) return "late";
    } else if (holder.generation < claimed.heard || hadItsTurn(claimed, holder)) return "copy";
  }
  return claim.low >= claimed.low && claim.next > claimed.last ? "goes on" : "copy";
}

/**
 * What a resume in `generation` makes of the takeovers. What the life before had begun and not recorded is no
 * longer part of the session after one, because the next life numbers its own events alike.
 */
export function takeover(
  claimed: Omit<Claimed, "low" | "last">,
  holder: Holder | undefined,
  generation: number,
): Pick<Claimed, "takenOver" | "contested"> {
  const { takenOver, contested, heard } = claimed;
  const changesHands =
    holder !== undefined && claimed.holder !== undefined && holder.instance !== claimed.holder.instance;
  if (!changesHands) return { takenOver, contested };
  return { takenOver: generation, contested: contested > heard ? contested : generation };
}

/**
 * Without this, several copies behind slow links would take the session from each other for ever, each before
 * the other's first word arrives. The same pattern comes of a page that is reloaded while welcomes are lost,
 * hence the patience.
 */
function hadItsTurn({ contested, heard, takenOver }: Claimed, { generation }: Holder): boolean {
  const isContested = contested > heard && takenOver - contested >= contestGenerations;
  return isContested && contested <= generation && generation < takenOver;
}

/** So many generations may pass without a word of the client before its copies stop taking turns. */
const contestGenerations = 16;
