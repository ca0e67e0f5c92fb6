/**
 * One server process: the real inbox, sequencer and feed, with the model of a store behind and a handler in
 * front.
 */

import { cutText } from "../cut-text.ts";
import { entryText, type Limits, serverFrame } from "../frames.ts";
import type { Run } from "../inbox.ts";
import { type FeedOutput, MemberFeed } from "../member-feed.ts";
import { type SequencerOutput, StreamSequencer } from "../sequencer.ts";
import { ServerSession } from "../server-session.ts";
import type { Schedule } from "./schedule.ts";
import type { ModelEntry, StoreModel } from "./store-model.ts";

/** What a handler does with an event. */
export type Handling =
  | { readonly kind: "ok"; readonly afterMs?: number; readonly body?: string }
  | { readonly kind: "rejected"; readonly afterMs?: number; readonly code: string }
  | { readonly kind: "retry"; readonly delayMs: number };

export type ProcessOptions = {
  readonly schedule: Schedule;
  readonly store: StoreModel;
  readonly limits: Limits;
  readonly pageEntries: number;
  readonly handle: (run: Run) => Handling;
  /** Writes one frame to the connection that holds the session. */
  readonly transmit: (frame: string) => void;
  readonly refused: (code: string, detail: string) => void;
  readonly confirmed: (offset: number) => void;
};

export const roomStream = 7;

export class ProcessModel {
  readonly inbox: ServerSession;
  generation: number;
  alive = true;
  readonly #options: ProcessOptions;
  #sequencer: StreamSequencer<ModelEntry>;
  #feed: MemberFeed<ModelEntry> | undefined;

  /** Loads what the store has. */
  constructor(options: ProcessOptions) {
    this.#options = options;
    const { store, limits } = options;
    this.generation = store.generation;
    this.inbox = new ServerSession({
      limits,
      low: store.inboxLow,
      outcomes: [...store.outcomes.values()].toSorted((a, b) => a.sequence - b.sequence),
      uploads: [...store.uploads].map(([sequence, chunks]) => ({ sequence, chunks: chunks.length })),
    });
    this.#sequencer = new StreamSequencer({ epoch: store.epoch, delivered: store.head, heldLimit: 4 });
  }

  /** The member goes on from a position; feeding begins with the welcome. */
  join(epoch: string, offset: number, part: number): void {
    const live = epoch === this.#sequencer.epoch && offset === this.#sequencer.delivered;
    const { chunkCharacters, windowChunks } = this.#options.limits;
    const windowCharacters = chunkCharacters * windowChunks;
    this.#feed = new MemberFeed({ epoch, sent: offset, live, part, windowCharacters });
    this.#feedOn(this.#feed, this.#feed.handleWritable());
  }

  disconnect(): void {
    this.#feed = undefined;
    this.inbox.handleDisconnected();
    this.inbox.poll();
  }

  handleFrame(value: unknown): void {
    this.inbox.handleFrame(value);
    this.carryOut();
  }

  /** An announcement that has reached this process; it may be early, late, repeated or lost. */
  handleCommitted(entry: ModelEntry): void {
    this.#deliver(this.#sequencer.handleCommitted(entry));
  }

  handleHead(): void {
    const { epoch, head } = this.#options.store;
    this.#deliver(this.#sequencer.handleHead({ epoch, head }));
  }

  carryOut(): void {
    const { schedule, store, transmit, refused, confirmed } = this.#options;
    for (;;) {
      const outputs = this.inbox.poll();
      if (outputs.length === 0) return;
      for (const output of outputs) {
        if (output.kind === "transmit") transmit(output.frame);
        else if (output.kind === "violation") refused(output.code, output.detail);
        else if (output.kind === "positions") confirmed(output.positions[0]?.[1] ?? 0);
        else if (output.kind === "arrived") {
          const feed = this.#feed;
          if (feed !== undefined) this.#feedOn(feed, feed.handleArrived(output.offset, output.characters));
        } else if (output.kind === "run") this.#run(output, schedule);
        else if (output.kind === "record") {
          const { outcome, low } = output;
          this.#commit(
            () => store.record(this.generation, outcome, low),
            (recorded) => this.inbox.handleRecorded(recorded),
            () => this.inbox.handleRetry(outcome.sequence, 10),
          );
        } else if (output.kind === "storeChunk") {
          const { sequence, index, text } = output;
          this.#commit(
            () => store.putChunk(this.generation, sequence, index, text),
            (chunks) => this.inbox.handleChunkStored(sequence, chunks),
          );
        } else {
          const { sequence } = output;
          this.#commit(
            () =>
              this.generation === store.generation
                ? (store.uploads.get(sequence)?.join("") ?? "")
                : undefined,
            (text) => this.inbox.handleUpload(sequence, text),
          );
        }
      }
    }
  }

  #run(run: Run, schedule: Schedule): void {
    const { sequence } = run;
    const handling = this.#options.handle(run);
    const finish = (): void => {
      if (!this.alive) return;
      if (handling.kind === "retry") this.inbox.handleRetry(sequence, handling.delayMs);
      else if (handling.kind === "ok")
        this.inbox.handleOutcome({ sequence, status: "ok", body: handling.body ?? "" });
      else {
        const body = JSON.stringify({ code: handling.code, message: handling.code });
        this.inbox.handleOutcome({ sequence, status: "rejected", body });
      }
      this.carryOut();
    };
    const afterMs = handling.kind === "retry" ? 0 : (handling.afterMs ?? 0);
    schedule.after(afterMs, finish);
  }

  #commit<T>(apply: () => T | undefined, done: (result: T) => void, failed?: () => void): void {
    this.#options.store.commit({
      isAlive: () => this.alive,
      apply,
      done: (result) => {
        // A stale generation: the session has moved to another process, and this one falls silent.
        if (result === undefined) this.alive = false;
        else {
          done(result);
          this.carryOut();
        }
      },
      ...(failed === undefined
        ? {}
        : {
            failed: () => {
              failed();
              this.carryOut();
            },
          }),
    });
  }

  #deliver(outputs: readonly SequencerOutput<ModelEntry>[]): void {
    const { store, pageEntries } = this.#options;
    for (const output of outputs) {
      const feed = this.#feed;
      if (output.kind === "fetch") {
        this.#commit(
          () => store.page(output.after, pageEntries),
          (page) => this.#deliver(this.#sequencer.handlePage(page)),
        );
      } else if (output.kind === "skip") {
        const { epoch, from, to, reason } = output;
        if (feed !== undefined) this.#feedOn(feed, feed.handleSkipped(epoch, from, to, reason));
      } else if (feed?.live === true) {
        const large = output.entries.some((entry) => this.#isLarge(entry));
        if (feed.handleDelivered(output.entries.at(-1)?.offset ?? 0, !large)) this.#send(output.entries);
        else this.#feedOn(feed, feed.handleWritable());
      }
    }
  }

  #feedOn(feed: MemberFeed<ModelEntry>, outputs: readonly FeedOutput<ModelEntry>[]): void {
    const { store, transmit, pageEntries } = this.#options;
    const delivered = () => ({ epoch: this.#sequencer.epoch, offset: this.#sequencer.delivered });
    for (const output of outputs) {
      if (output.kind === "send") this.#send(output.entries);
      else if (output.kind === "gap") {
        const { epoch, from, to, reason } = output;
        transmit(serverFrame.gap(roomStream, epoch, from, to, reason));
      } else if (output.kind === "sendParts") {
        const text = entryText(output.entry);
        let at = output.from < text.length ? output.from : 0;
        for (const end of cutText(text, this.#options.limits.chunkCharacters, at).slice(1)) {
          if (at >= output.until) break;
          transmit(serverFrame.part(roomStream, output.entry.offset, at, text.length, text.slice(at, end)));
          at = end;
        }
        feed.handleParts(at, text.length, delivered());
        this.#feedOn(feed, feed.handleWritable());
      } else {
        this.#commit(
          () => store.page(output.after, pageEntries),
          (page) => {
            if (this.#feed !== feed) return;
            const next = feed.handlePage(page, delivered(), (entry) => this.#isLarge(entry));
            this.#feedOn(feed, next);
            if (page.head.epoch !== delivered().epoch || page.head.head < output.after) this.handleHead();
            // An empty page asks for patience; the pair's next head check comes by itself.
            if (next.length > 0) this.#feedOn(feed, feed.handleWritable());
          },
        );
      }
    }
  }

  #send(entries: readonly ModelEntry[]): void {
    this.#options.transmit(serverFrame.entries(roomStream, entries.map(entryText).join(",")));
  }

  #isLarge(entry: ModelEntry): boolean {
    return entry.payload.length > this.#options.limits.chunkCharacters;
  }
}
