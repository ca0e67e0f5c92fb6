/** The rooms of the simulated application: how pages become members, with history and with cursors. */

import type { Socket } from "../../src/server/index.ts";
import type { Bans } from "./application-acts.ts";
import { quietRoom } from "./usage.ts";

/** What a page says of itself when it connects. */
export type PageAuth = {
  readonly user?: string;
  readonly room?: string;
  readonly from?: "last" | "after";
  readonly count?: number;
  readonly mailbox?: string;
  readonly consumer?: string;
  readonly quiet?: boolean;
};

/**
 * Not awaited, as applications do; a failure closes the connection, and the next one comes through here
 * again.
 */
export function joinAtConnection(socket: Socket, auth: PageAuth, bans: Bans): void {
  const { user = "", mailbox, consumer, quiet = false } = auth;
  const room = auth.room !== undefined && bans.has(user, auth.room) ? undefined : auth.room;
  const joined = [
    quiet ? socket.join(quietRoom) : undefined,
    room === undefined ? undefined : joinWith(socket, room, auth),
    mailbox === undefined || consumer === undefined ? undefined : socket.join(mailbox, { cursor: consumer }),
  ];
  for (const result of joined) void Promise.resolve(result).catch(() => undefined);
}

export async function joinWith(
  socket: Socket,
  room: string,
  { from, count = 0 }: Pick<PageAuth, "from" | "count">,
): Promise<void> {
  if (from === undefined) await socket.join(room);
  else await socket.join(room, from === "last" ? { last: count } : { after: count });
}

/** What was shown and not confirmed yet comes again. */
export async function rejoinMailbox(socket: Socket, { mailbox, consumer }: PageAuth): Promise<void> {
  if (mailbox === undefined || consumer === undefined) return;
  await socket.leave(mailbox);
  await socket.join(mailbox, { cursor: consumer });
}
