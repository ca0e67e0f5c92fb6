/** What one client has seen since it reported last. */

import type { ClientEnd, ClientPart, Moment } from "../contract.ts";

export class Notebook {
  readonly #about: About;
  readonly #publishers: string[] = [];
  readonly #places = new Map<string, number>();
  #arrivals: number[] = [];
  #emits: number[] = [];
  #answers: number[] = [];
  #says: number[] = [];
  #moments: Moment[] = [];
  #end: ClientPart["end"];
  #hasArrived = false;
  /** What comes after the end is not reported. */
  #isOver = false;
  #part = 0;

  constructor(about: About) {
    this.#about = about;
  }

  arrival(publisher: string, sequence: number, room: string, at: number): void {
    if (this.#isOver) return;
    let place = this.#places.get(publisher);
    if (place === undefined) {
      place = this.#publishers.push(publisher) - 1;
      this.#places.set(publisher, place);
    }
    this.#arrivals.push(place, sequence, this.#about.rooms.indexOf(room), at);
  }

  emitted(id: number, intendedAt: number, at: number): void {
    if (!this.#isOver) this.#emits.push(id, intendedAt, at);
  }

  answered(id: number, how: -1 | 0 | 1 | 2): void {
    if (!this.#isOver) this.#answers.push(id, Date.now(), how);
  }

  said(id: number, room: string): void {
    if (!this.#isOver) this.#says.push(id, this.#about.rooms.indexOf(room));
  }

  moment(moment: Moment): void {
    if (!this.#isOver) this.#moments.push(moment);
  }

  /** The server has said that we are a member of our rooms; the first time counts. */
  arrived(): void {
    if (this.#hasArrived) return;
    this.#hasArrived = true;
    this.moment({ kind: "arrive", at: Date.now() });
  }

  ended(end: ClientEnd): void {
    this.#end = end;
    this.#isOver = true;
  }

  /** The part that is to be sent, as text; undefined when there is nothing new. */
  take(): string | undefined {
    const rows = {
      arrivals: this.#arrivals,
      emits: this.#emits,
      answers: this.#answers,
      says: this.#says,
      moments: this.#moments,
    };
    const isEmpty = Object.values(rows).every(({ length }) => length === 0);
    if (isEmpty && this.#end === undefined) return undefined;
    [this.#arrivals, this.#emits, this.#answers, this.#says, this.#moments] = [[], [], [], [], []];
    const end = this.#end === undefined ? {} : { end: this.#end };
    this.#end = undefined;
    this.#part += 1;
    const part: ClientPart = {
      ...this.#about,
      part: this.#part,
      publishers: this.#publishers,
      ...rows,
      ...end,
    };
    return JSON.stringify(part);
  }
}

// --- types ---

type About = Pick<ClientPart, "client" | "rooms" | "transport">;
