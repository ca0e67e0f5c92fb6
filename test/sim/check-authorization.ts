/**
 * G6: a session that is resumed is asked anew for each of its rooms, and loses those that it may not be in.
 */

import type { Report } from "./checkers.ts";
import type { History } from "./history.ts";
import { Users } from "./seats.ts";

export function checkAuthorization(history: History, report: Report): void {
  // What a rewound store has lost of a ban's effects comes back with it.
  if (history.of("rewound").length > 0) return;
  const bans: { readonly user: string; readonly room: string }[] = [];
  /** By session. */
  const rooms = new Map<string, Set<string>>();
  /** Of each session's last resume: the bans that stood then, and the rooms that it was in. */
  const resumes = new Map<string, { readonly bans: number; readonly rooms: Set<string> }>();
  const users = new Users();
  for (const { fact } of history.lines) {
    if (fact.kind === "copied") users.copied(fact);
    if (fact.kind === "act" && fact.what === "ban") {
      const [user = "", room = ""] = fact.detail.split(" ");
      bans.push({ user, room });
    } else if (fact.kind === "joined") {
      rooms.set(fact.session, (rooms.get(fact.session) ?? new Set()).add(fact.room));
    } else if (fact.kind === "left") {
      rooms.get(fact.session)?.delete(fact.room);
      resumes.get(fact.session)?.rooms.delete(fact.room);
    } else if (fact.kind === "resumed") {
      resumes.set(fact.session, { bans: bans.length, rooms: new Set(rooms.get(fact.session)) });
    } else if (fact.kind === "connect" && fact.resumed) {
      const { page, session } = fact;
      const resume = resumes.get(session);
      for (const { user, room } of bans.slice(0, resume?.bans ?? 0)) {
        if (user === users.of(page) && resume?.rooms.has(room) === true)
          report("G6", `${page} has resumed ${session} in ${room}, where it may not be any more`);
      }
    }
  }
}
