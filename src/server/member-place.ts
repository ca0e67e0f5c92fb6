/** Where a member of a stream begins to be fed. */

import type { ClientPosition, OpenStream } from "../protocol/frames.ts";
import { carriedOver } from "../protocol/history.ts";
import type { Membership, StreamHead } from "../store/port.ts";
import type { MemberPlace } from "./fan-out.ts";

/** Where a member goes on: at the client's position if it says one, else where the membership began. */
export function placeOf(membership: Membership, says: ClientPosition | undefined): MemberPlace {
  const { head, show, room, cursor } = membership;
  const base = carriedOver(head, membership.base);
  const known = says && inPresent(head, says);
  // Membership that began anew while the client was away: what lies in front of it was not for this client.
  const isOlder =
    known?.epoch === base.epoch
      ? known.offset < base.offset
      : known?.epoch !== head.epoch && membership.base.epoch === head.epoch;
  const position = isOlder ? undefined : known;
  return {
    head,
    epoch: position?.epoch ?? base.epoch,
    offset: position?.offset ?? base.offset,
    part: position?.part ?? 0,
    shownRoom: show ? room : "",
    consumer: cursor,
    announced: true,
  };
}

export function ownPlace(head: StreamHead, says?: ClientPosition): MemberPlace {
  const position = says && inPresent(head, says);
  return {
    head,
    epoch: position?.epoch ?? head.epoch,
    offset: position?.offset ?? 0,
    part: position?.part ?? 0,
    shownRoom: "",
    consumer: undefined,
    // In the welcome it stands with its place; a stream that begins later is announced with its first entry.
    announced: position !== undefined,
  };
}

/** What had arrived of a large entry is forgotten by a client that goes on in another epoch. */
function inPresent(head: StreamHead, says: ClientPosition): ClientPosition {
  const { epoch, offset } = carriedOver(head, says);
  return epoch === says.epoch ? says : { ...says, epoch, offset, part: 0 };
}

export function openStream(place: MemberPlace): OpenStream {
  const { head, epoch, offset, shownRoom, consumer } = place;
  return { stream: head.stream, epoch, offset, room: shownRoom, prompt: consumer !== undefined };
}
