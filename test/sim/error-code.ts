/** What tells an error from others: its code, else its message. */
export function codeOf(error: unknown): string {
  const { code, message } = error as { code?: string; message?: string };
  return code ?? message ?? String(error);
}

/** Why a store may refuse what it is to write. */
export const storeRefusals: ReadonlySet<string> = new Set(["store_unavailable", "store_busy", "store_full"]);
