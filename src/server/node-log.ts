/**
 * The stream of this process in the store's log: what other processes say to it, each word once and in order;
 * and the way into the streams of the others.
 */

import { nodeKey } from "../protocol/stream-key.ts";
import { decodeWord, encodeWord, type NodeWord } from "../protocol/node-words.ts";
import { type SequencerOutput, StreamSequencer } from "../protocol/sequencer.ts";
import type { CommittedEntry, Store } from "../store/port.ts";

export class NodeLog {
  readonly #id: string;
  readonly #key: string;
  readonly #store: Store;
  readonly #hear: (from: string, word: NodeWord) => void;
  readonly #lost: () => void;
  readonly #reportStoreError: (error: unknown) => void;
  #stream: number | undefined;
  #sequencer: StreamSequencer<CommittedEntry> | undefined;
  /** When this process last said that it is here; undefined when nobody may know it. */
  #saidHereAt: number | undefined;

  constructor(options: {
    readonly id: string;
    readonly store: Store;
    readonly hear: (from: string, word: NodeWord) => void;
    /** Words may be lost. */
    readonly lost: () => void;
    readonly reportStoreError: (error: unknown) => void;
  }) {
    this.#id = options.id;
    this.#key = nodeKey(options.id);
    this.#store = options.store;
    this.#hear = options.hear;
    this.#lost = options.lost;
    this.#reportStoreError = options.reportStoreError;
  }

  /**
   * From here on this process has to be told what is appended to its stream. Where only those who ask are
   * told, it looks for what was said before that was heard.
   */
  begin(): void {
    const look = async () => {
      if (this.#store.announces === "watched") await this.look({ needed: false, entryAgeMs: 0 });
    };
    this.#store
      .watch(this.#key)
      ?.then(look)
      .catch((error: unknown) => this.#reportStoreError(error));
  }

  /** Entries of streams of processes, in commit order; those of others are not for this one. */
  handleCommitted(entries: readonly CommittedEntry[]): void {
    for (const entry of entries) {
      if (entry.key !== this.#key) continue;
      if (entry.stream !== this.#stream) this.#begins(entry);
      this.#carryOut(this.#sequencer?.handleCommitted(entry) ?? []);
    }
  }

  /**
   * Makes the stream of this process, by which others know it, in front of what is appended next. Costs
   * nothing once it is made.
   */
  announce(): void {
    if (this.#saidHereAt === undefined) this.#sayHere();
  }

  /**
   * Finds words whose announcement was lost; and keeps the stream from being dropped while it is `needed`.
   */
  async look(options: { readonly needed: boolean; readonly entryAgeMs: number }): Promise<void> {
    const before = this.#stream;
    const [head] = await this.#store.heads([this.#key]);
    if (before !== undefined && before === this.#stream && head?.stream !== before) {
      // The storage has gone back to before this stream began.
      this.#stream = undefined;
      this.#sequencer = undefined;
      this.#saidHereAt = undefined;
      this.#lost();
    }
    if (head !== undefined) {
      if (this.#stream === undefined) this.#begins(head);
      this.#carryOut(this.#sequencer?.handleHead(head) ?? []);
    }
    const saidAt = this.#saidHereAt ?? Number.NEGATIVE_INFINITY;
    if (options.needed && performance.now() - saidAt >= options.entryAgeMs / 4) this.#sayHere();
  }

  /** Resolves when the word is stored. */
  async send(to: string, word: NodeWord): Promise<void> {
    await this.#store.append({ keys: [nodeKey(to)], payload: encodeWord(this.#id, word), at: Date.now() });
  }

  /** Whether there has been such a process: a client can name any, and none of those is to get a stream. */
  async isKnown(node: string): Promise<boolean> {
    const [head] = await this.#store.heads([nodeKey(node)]);
    return head !== undefined;
  }

  #sayHere(): void {
    this.#saidHereAt = performance.now();
    this.send(this.#id, { kind: "here" }).catch((error: unknown) => {
      this.#saidHereAt = undefined;
      this.#reportStoreError(error);
    });
  }

  /** Everything in it is for this process, from the first entry on. */
  #begins({ stream, epoch }: { readonly stream: number; readonly epoch: string }): void {
    this.#stream = stream;
    this.#sequencer = new StreamSequencer({ epoch, delivered: 0, heldLimit: heldWordsLimit });
  }

  #carryOut(outputs: readonly SequencerOutput<CommittedEntry>[]): void {
    for (const output of outputs) {
      if (output.kind === "fetch") void this.#fetch(output.after);
      else if (output.kind === "skip") this.#lost();
      else {
        for (const { payload } of output.entries) {
          const said = decodeWord(payload);
          if (said !== undefined) this.#hear(said.from, said.word);
        }
      }
    }
  }

  async #fetch(after: number): Promise<void> {
    const stream = this.#stream;
    const sequencer = this.#sequencer;
    if (stream === undefined || sequencer === undefined) return;
    try {
      const page = await this.#store.read({
        stream,
        after,
        limit: pageWords,
        charactersLimit: pageCharacters,
      });
      if (this.#sequencer !== sequencer) return;
      const { head } = page;
      const entries = page.entries.map((entry) => ({ ...entry, key: this.#key, epoch: head?.epoch ?? "" }));
      this.#carryOut(sequencer.handlePage({ head, entries }));
    } catch (error) {
      sequencer.handleFetchFailed();
      this.#reportStoreError(error);
    }
  }
}

/** Words that came early are held up to here; the rest is fetched again when its turn comes. */
const heldWordsLimit = 256;
const pageWords = 256;
const pageCharacters = 262_144;
