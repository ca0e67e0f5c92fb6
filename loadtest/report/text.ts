/** Numbers and texts as the page shows them. */

/** 12345 as "12,345". */
export function grouped(count: number): string {
  return count.toLocaleString("en-US");
}

/** Three digits and the unit that suits: "870 µs", "12.3 ms", "1.46 s". */
export function duration(ms: number): string {
  if (ms < 1) return ms === 0 ? "0 ms" : `${digits(ms * 1_000)} µs`;
  return ms < 1_000 ? `${digits(ms)} ms` : `${digits(ms / 1_000)} s`;
}

export function escaped(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}

function digits(value: number): string {
  if (value >= 100) return Math.round(value).toString();
  return value.toPrecision(value >= 10 ? 3 : 2).replace(/\.0+$/, "");
}
