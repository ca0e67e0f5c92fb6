/**
 * Announcements: which streams this process wants to hear of, and what it hears. Subscriptions follow the
 * wishes one change at a time, because subscribing and unsubscribing of one channel must not overtake each
 * other.
 */

import type { CommittedEntry } from "../port.ts";
import { rest } from "./command.ts";
import type { RedisLink } from "./link.ts";
import type { Partitions } from "./partition.ts";

export class Announcements {
  readonly #link: RedisLink;
  readonly #partitions: Partitions;
  readonly #report: (error: unknown) => void;
  #listener: (entries: readonly CommittedEntry[]) => void = () => {};
  readonly #wishes = new Map<string, Wish>();
  /** Streams by their channel, which the server's message names. */
  readonly #keys = new Map<string, string>();
  /** What has come with one piece of the connection's data: neighbours go out to clients in one frame. */
  readonly #heard: CommittedEntry[] = [];
  /** Wishes that have begun or ended since the subscriptions were last brought in line. */
  readonly #changed = new Set<string>();
  #renewal: ReturnType<typeof setTimeout> | undefined;
  #isFollowing = false;
  #closed = false;

  constructor(link: RedisLink, partitions: Partitions, report: (error: unknown) => void) {
    this.#link = link;
    this.#partitions = partitions;
    this.#report = report;
  }

  listen(listener: (entries: readonly CommittedEntry[]) => void): void {
    this.#listener = listener;
  }

  /** Fulfils once everything that is committed from then on will be heard. Each call wants its `unwatch`. */
  watch(key: string): Promise<void> {
    let wish = this.#wishes.get(key);
    if (wish === undefined) {
      wish = { count: 0, ...Promise.withResolvers<void>() };
      wish.promise.catch(() => undefined);
      this.#wishes.set(key, wish);
      this.#change(key);
    }
    wish.count += 1;
    return wish.promise;
  }

  unwatch(key: string): void {
    const wish = this.#wishes.get(key);
    if (wish === undefined) return;
    wish.count -= 1;
    if (wish.count > 0) return;
    this.#wishes.delete(key);
    this.#change(key);
  }

  /**
   * After an error, because where servers take each other's place the client can lose subscriptions without a
   * word. Several times, because the new server may not be there yet.
   */
  renewSoon(): void {
    clearTimeout(this.#renewal);
    if (this.#closed) return;
    const renewIn = (pauseMs: number) => {
      this.#renewal = setTimeout(() => {
        void this.#renew();
        if (pauseMs < renewalsUntilMs) renewIn(pauseMs * 3);
      }, pauseMs).unref();
    };
    renewIn(renewalMs);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#renewal);
  }

  /** Subscribing again costs nothing where the client still knows of the channel. */
  async #renew(): Promise<void> {
    try {
      for (const [, keys] of Map.groupBy(this.#keys.values(), (key) => this.#partitions.of(key))) {
        const heard = keys.filter((key) => this.#isHeard(key));
        await this.#link.subscribe(
          heard.map((key) => this.#partitions.channel(key)),
          this.#hear,
        );
      }
    } catch (error) {
      if (!this.#closed) this.#report(error);
    }
  }

  #change(key: string): void {
    this.#changed.add(key);
    if (this.#isFollowing) return;
    this.#isFollowing = true;
    void this.#follow().finally(() => {
      this.#isFollowing = false;
    });
  }

  async #follow(): Promise<void> {
    while (this.#changed.size > 0 && !this.#closed) {
      // What is wished in the same turn is asked for together.
      await Promise.resolve();
      const keys = [...this.#changed].slice(0, channelsPerChange);
      for (const key of keys) this.#changed.delete(key);
      const begun = keys.filter((key) => this.#wishes.has(key) && !this.#isHeard(key));
      const ended = keys.filter((key) => !this.#wishes.has(key) && this.#isHeard(key));
      try {
        await this.#subscribe(begun);
        await this.#unsubscribe(ended);
        // A wish that ended and began again while its channel stayed is fulfilled as it is.
        for (const key of keys) if (this.#isHeard(key)) this.#wishes.get(key)?.resolve();
      } catch (error) {
        for (const key of keys) this.#changed.add(key);
        if (this.#closed) return;
        this.#report(error);
        await new Promise((resolve) => setTimeout(resolve, retryMs));
      }
    }
  }

  #isHeard(key: string): boolean {
    return this.#keys.has(this.#partitions.channel(key));
  }

  /** Channels of one command have to share a slot. */
  async #subscribe(keys: readonly string[]): Promise<void> {
    for (const [, some] of Map.groupBy(keys, (key) => this.#partitions.of(key))) {
      const channels = some.map((key) => this.#partitions.channel(key));
      await this.#link.subscribe(channels, this.#hear);
      for (const [index, channel] of channels.entries()) this.#keys.set(channel, some[index] as string);
    }
  }

  async #unsubscribe(keys: readonly string[]): Promise<void> {
    for (const [, some] of Map.groupBy(keys, (key) => this.#partitions.of(key))) {
      const channels = some.map((key) => this.#partitions.channel(key));
      await this.#link.unsubscribe(channels, this.#hear);
      for (const channel of channels) this.#keys.delete(channel);
    }
  }

  readonly #hear = (message: string, channel: string): void => {
    const key = this.#keys.get(channel);
    if (key === undefined) return;
    if (this.#heard.length === 0) queueMicrotask(() => this.#listener(this.#heard.splice(0)));
    this.#heard.push(decodeAnnouncement(key, message));
  };
}

/** A line of JSON, then the payload as it is: see `announcement` in `script-streams.ts`. */
function decodeAnnouncement(key: string, message: string): CommittedEntry {
  const end = message.indexOf("\n");
  const [stream, offset, at, epoch, except, also, request] = JSON.parse(message.slice(0, end)) as [
    number,
    number,
    number,
    string,
    unknown,
    unknown,
    unknown,
  ];
  const payload = message.slice(end + 1);
  return { stream, key, offset, at, epoch, payload, ...rest(except, also, request) };
}

const channelsPerChange = 1_000;
const retryMs = 200;
/** The first renewal; each further one after three times as long, up to some seconds. */
const renewalMs = 500;
const renewalsUntilMs = 5_000;

// --- types ---

type Wish = {
  count: number;
  readonly promise: Promise<void>;
  readonly resolve: () => void;
};
