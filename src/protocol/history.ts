/**
 * Histories of a stream. A new epoch means that what was read before may not be what the log holds now. Where
 * the log remembers up to which offset an earlier epoch is still true, whoever stands there goes on.
 */

export type HistoryPosition = { readonly epoch: string; readonly offset: number };

export type History = {
  readonly epoch: string;
  /** Earlier epochs, oldest first, with the last offset that was still true when the next one began. */
  readonly earlier?: readonly HistoryPosition[];
};

/**
 * Returns the position in the present epoch, or as it is when it does not hold there any more: then its
 * reader has to be told of a reset.
 */
export function carriedOver(history: History, position: HistoryPosition): HistoryPosition {
  const { epoch, earlier = [] } = history;
  if (position.epoch === epoch) return position;
  const begin = earlier.findLastIndex((past) => past.epoch === position.epoch);
  if (begin < 0) return position;
  // Each change since may have cut the log further back.
  const holds = Math.min(...earlier.slice(begin).map(({ offset }) => offset));
  return position.offset <= holds ? { epoch, offset: position.offset } : position;
}
