/**
 * What processes say to each other: words, each an entry in the stream of the process that is meant. An entry
 * is `[kind, from, fields]` as JSON text; kinds that a process does not know are left alone, because
 * processes of two versions run beside each other while one takes the place of the other.
 */

import type { Holder } from "./holder.ts";
import type { InboxOutcome } from "./inbox.ts";
import { isCount, isOrdinal, isRecord, isShortText, parseJson } from "./json-shape.ts";

/** A client's answer, on its way to the callback that waits for it in another process. */
export type AnswerWord = {
  readonly kind: "answer";
  readonly namespace: string;
  readonly session: string;
  readonly generation: number;
  readonly heard: number;
  /** The generation in which the one that says so began to hold the session; its `done` says the same. */
  readonly since: number;
  readonly sequence: number;
  readonly request: string;
  /** Whether the client waits for what the callback answers to its answer. */
  readonly wantsReply: boolean;
  readonly payload: unknown;
};

/** The session has been resumed by whoever says so, in this generation. */
export type TakeWord = {
  readonly kind: "take";
  readonly namespace: string;
  readonly session: string;
  readonly generation: number;
  /** The client may send the events from `low` on and below `next` again. */
  readonly low: number;
  readonly next: number;
  readonly holder?: Holder | undefined;
};

/** Answers a `take`: these still run here. */
export type HeldWord = {
  readonly kind: "held";
  readonly namespace: string;
  readonly session: string;
  /** The generation of the `take`. */
  readonly since: number;
  readonly sequences: readonly number[];
  /** Processes of which the one that says so had not heard yet what they are running. */
  readonly ask: readonly string[];
};

/** A run that was held, or an answer that wants a reply, is over. */
export type DoneWord = {
  readonly kind: "done";
  readonly namespace: string;
  readonly session: string;
  readonly since: number;
  readonly sequence: number;
  /** Absent when there is none, so that the event is to be run again. */
  readonly outcome?: Pick<InboxOutcome, "status" | "body"> | undefined;
  /** Where the entries of the run stand: the client is shown them before the outcome. */
  readonly places: readonly EntryPlace[];
};

export type EntryPlace = { readonly stream: number; readonly epoch: string; readonly offset: number };

export type NodeWord =
  /** Makes the stream of the process that says it, so that others know it, and keeps it. */
  | { readonly kind: "here" }
  | AnswerWord
  | TakeWord
  | HeldWord
  | DoneWord
  /** What the one who says so runs for the other one still runs. */
  | { readonly kind: "alive" };

export function encodeWord(from: string, { kind, ...fields }: NodeWord): string {
  return JSON.stringify([kind, from, fields]);
}

/** Returns undefined for anything that is not a well-formed word. */
export function decodeWord(text: string): { readonly from: string; readonly word: NodeWord } | undefined {
  const value = parseJson(text);
  if (!Array.isArray(value)) return undefined;
  const [kind, from, fields] = value as unknown[];
  if (!isShortText(from) || !isRecord(fields)) return undefined;
  const word = { ...fields, kind };
  return isWord(word) ? { from, word } : undefined;
}

function isWord(word: Fields): word is NodeWord {
  const { kind } = word;
  if (kind === "here" || kind === "alive") return true;
  if (typeof word["namespace"] !== "string" || !isShortText(word["session"])) return false;
  switch (kind) {
    case "answer":
      return isAnswer(word);
    case "take":
      return isTake(word);
    case "held":
      return (
        isOrdinal(word["since"]) && isList(word["sequences"], isOrdinal) && isList(word["ask"], isShortText)
      );
    case "done":
      return isDone(word);
    default:
      return false;
  }
}

function isAnswer({ generation, heard, since, sequence, request, wantsReply }: Fields): boolean {
  const isCounted = isOrdinal(generation) && isCount(heard) && isOrdinal(since) && isOrdinal(sequence);
  return isCounted && isShortText(request) && typeof wantsReply === "boolean";
}

function isTake({ generation, low, next, holder }: Fields): boolean {
  return (
    isOrdinal(generation) && isOrdinal(low) && isOrdinal(next) && (holder === undefined || isHolder(holder))
  );
}

function isHolder(value: unknown): boolean {
  if (!isRecord(value)) return false;
  const { instance, generation, attempt } = value;
  return isShortText(instance) && isCount(generation) && isCount(attempt);
}

function isDone({ since, sequence, outcome, places }: Fields): boolean {
  const isNamed = isOrdinal(since) && isOrdinal(sequence) && isList(places, isPlace);
  return isNamed && (outcome === undefined || isOutcome(outcome));
}

function isPlace(value: unknown): boolean {
  if (!isRecord(value)) return false;
  return isOrdinal(value["stream"]) && isShortText(value["epoch"]) && isOrdinal(value["offset"]);
}

function isList(value: unknown, isItem: (item: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(isItem);
}

function isOutcome(value: unknown): boolean {
  if (!isRecord(value) || typeof value["body"] !== "string") return false;
  return value["status"] === "ok" || value["status"] === "rejected" || value["status"] === "expired";
}

type Fields = Record<string, unknown>;
