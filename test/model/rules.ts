/**
 * The rules of docs/PROTOCOL.md that the model can be built without, each with the clause it stands for. A
 * model that lacks one of them has to be refuted, or the model could not tell right from wrong.
 */

export const clauses = {
  fence: "Raises the generation. From then on writes of older ones are refused, in every process.",
  appendFence: "A handler of an earlier life publishes nothing under the sequences of the next one.",
  refusalMoves: "An older connection gets `stale_generation` and is closed, at the first refusal.",
  generation: "Raises the generation.",
  heldInbox: "The inbox of the server knows, from `low` on: outcomes, what runs, what waits.",
  holderStored: "A server that knows who resumed last: every server, also one that has just been started.",
  late: "The same `i` with a lower or equal `n`: `stale_generation`.",
  copy: "Another `i` whose `g` is below the last generation in which the client has said anything.",
  heardBySaying: "The last generation in which the client has said anything, not that of the last welcome.",
  heardAtOnce: "What the client has said is stored before it is acted upon.",
  heardHere: "What the client has said counts also while it is on its way to the store.",
  knownSequence: "Opens a new session instead when it knows a sequence at or above `next`.",
  unsentNext: "`next`: the first sequence that the client has never sent.",
  outcomesKept: "Answers with every recorded outcome from there on.",
  recordFirst: "The outcome is recorded first; its frame leaves only when the record is committed.",
  lowConfirmed: "`low` is the lowest sequence that is not settled; what is below is forgotten.",
  ascending: "A client sends sequences in ascending order on every connection, beginning with `low`.",
  unsettledResent: "The outbox holds events in the order of their sequences until their outcome arrives.",
  keys: "What a handler publishes carries a key of session, sequence and position.",
} as const;

export type Rule = keyof typeof clauses;

/** The rules that a model goes without. */
export type Missing = ReadonlySet<Rule>;
