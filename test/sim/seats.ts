/** Who sits before a page: seats, and the users of duplicated tabs. */

import type { Fact } from "./history.ts";

type Copied = Extract<Fact, { kind: "copied" }>;

/** Stays the same when a page is loaded again; a page is called as its seat is, with a number behind it. */
export function seatOf(page: string): string {
  return page.replace(/p\d+$/, "");
}

/** The first page of a seat that began as a copy. */
export function copyOf({ seat }: Copied): string {
  return `${seat}p1`;
}

/** Users are called as their seats are, and sit before the copies of their pages too. */
export class Users {
  readonly #users = new Map<string, string>();

  copied(copied: Copied): void {
    this.#users.set(copied.seat, this.of(copied.page));
  }

  of(page: string): string {
    const seat = seatOf(page);
    return this.#users.get(seat) ?? seat;
  }
}
