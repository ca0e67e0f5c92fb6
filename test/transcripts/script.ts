/**
 * The form of a transcript: why on top (lines with `#`, in which `# >` quotes docs/PROTOCOL.md), then
 * commands at the margin, each with what it led to indented below.
 */

export type Line =
  | { readonly kind: "kept"; readonly text: string }
  | { readonly kind: "command"; readonly text: string };

/** Comments, blank lines and commands of a transcript, without what the commands led to. */
export function linesOf(text: string): readonly Line[] {
  return text
    .trimEnd()
    .split("\n")
    .filter((line) => !line.startsWith(" "))
    .map((line) => ({ kind: line === "" || line.startsWith("#") ? "kept" : "command", text: line }));
}

/** What takes commands and says what came of them. */
export type Stage = { perform(command: string): Promise<readonly string[]> | readonly string[] };

/**
 * Performs a transcript and returns its text anew. The first command opens the stage.
 *
 * @throws with the line that failed, for a command that nobody knows.
 */
export async function perform(text: string, open: (command: string) => Stage): Promise<string> {
  let stage: Stage | undefined;
  const told: string[] = [];
  for (const line of linesOf(text)) {
    told.push(line.text);
    if (line.kind === "kept") continue;
    try {
      if (stage === undefined) stage = open(line.text);
      else told.push(...(await stage.perform(line.text)).map((said) => `  ${said}`));
    } catch (error) {
      throw new Error(`${line.text}: ${String(error)}`, { cause: error });
    }
  }
  return `${told.join("\n")}\n`;
}

/** `name=value` words of a command as numbers. */
export function settingsOf(words: readonly string[]): Record<string, number> {
  return Object.fromEntries(
    words
      .filter((word) => word.includes("="))
      .map((word) => {
        const [name = "", value = ""] = word.split("=");
        if (!/^\d+(\.\d+)?$/.test(value)) throw new Error(`${word} is no setting`);
        return [name, Number(value)];
      }),
  );
}

/** `3 s`, `20 ms` at the end of a command, in milliseconds. */
export function durationOf(command: string): number {
  const [, number, unit] = /(\d+) (ms|s|min)$/.exec(command) ?? [];
  if (number === undefined) throw new Error("a time in ms, s or min is missing");
  return Number(number) * (unit === "ms" ? 1 : unit === "s" ? 1_000 : 60_000);
}

/**
 * `x*300` stands for 300 of that letter or bracket, `<TEXT>*300` for so many of that text, with commas
 * between them.
 */
export function unfolded(text: string): string {
  return text
    .replace(/<([^>]*)>\*(\d+)/g, (_, what: string, count: string) =>
      Array.from({ length: Number(count) }, () => what).join(","),
    )
    .replace(/([a-z[\]])\*(\d+)/g, (_, letter: string, count: string) => letter.repeat(Number(count)));
}

/** Long runs of one letter, shortened, and lines of a width that can be read. */
export function shortened(text: string): string {
  const runs = text.replace(/([a-z])\1{15,}/g, (run, letter: string) => `${letter}*${run.length}`);
  return runs.length > 1_000 ? `${runs.slice(0, 100)}... (${runs.length} characters)` : runs;
}
