/**
 * Wraps comments that are wider than a line may be; the formatter leaves comments alone. Part of `npm run
 * format`. Only paragraphs with a line that is too long are touched, so that what somebody laid out by hand
 * stays.
 *
 * Usage: node scripts/wrap-comments.ts [FILE…]; without files, all sources of the repository.
 */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const lineCharactersMax = 110;

/** The text with the comments that stand on lines of their own wrapped to `width` characters. */
export function wrapComments(text: string, width: number): string {
  const lines = text.split("\n").flatMap((line) => (line.length > width ? unfolded(line) : [line]));
  const result: string[] = [];
  let index = 0;
  while (index < lines.length) {
    const paragraph = paragraphAt(lines, index);
    const tooLong = paragraph.some((line) => line.length > width);
    result.push(...(tooLong ? wrapped(paragraph, width) : paragraph));
    index += paragraph.length;
  }
  return result.join("\n");
}

/** A documentation comment on one line, as the three lines that can be wrapped. */
function unfolded(line: string): readonly string[] {
  const [, indent, words] = /^(\s*)\/\*\* (.*?) ?\*\/$/.exec(line) ?? [];
  return indent === undefined ? [line] : [`${indent}/**`, `${indent} * ${words}`, `${indent} */`];
}

/** The line at `index` with those that go on from it: same prefix, no new item, no blank. */
function paragraphAt(lines: readonly string[], index: number): readonly string[] {
  const first = partsOf(lines[index] ?? "");
  let end = index + 1;
  while (first !== undefined && end < lines.length) {
    const next = partsOf(lines[end] ?? "");
    if (
      next === undefined ||
      next.prefix !== first.prefix ||
      next.item !== "" ||
      next.indent !== first.hanging
    ) {
      break;
    }
    end += 1;
  }
  return lines.slice(index, end);
}

function wrapped(paragraph: readonly string[], width: number): readonly string[] {
  const parts = paragraph.map(partsOf);
  const first = parts[0];
  if (first === undefined) {
    return paragraph;
  }
  const result: string[] = [];
  let line = first.prefix + first.indent + first.item;
  let empty = true;
  for (const word of parts.flatMap((part) => part?.words.split(" ") ?? [])) {
    if (!empty && line.length + 1 + word.length > width) {
      result.push(line);
      line = first.prefix + first.hanging;
      empty = true;
    }
    line += empty ? word : ` ${word}`;
    empty = false;
  }
  return [...result, line];
}

/**
 * The parts of a line that is a comment and prose; undefined for code, tables, indented examples and blank
 * lines.
 */
function partsOf(line: string): Parts | undefined {
  const [, prefix, indent, item, words] =
    /^(\s*(?:\/\/|\*) )(\s*)((?:- |\d+\. |@\w+ )?)(\S.*)$/.exec(line) ?? [];
  if (prefix === undefined || indent === undefined || item === undefined || words === undefined) {
    return undefined;
  }
  const prose = !/^(\/|\||```|---|oxlint-|biome-|@ts-)/.test(words) && (indent.length < 4 || item !== "");
  const hanging = item.startsWith("@") ? `${indent}  ` : indent + " ".repeat(item.length);
  return prose ? { prefix, indent, item, words, hanging } : undefined;
}

function main(): void {
  const named = process.argv.slice(2);
  for (const path of named.length > 0 ? named : sourcePaths()) {
    const text = readFileSync(path, "utf8");
    const result = wrapComments(text, lineCharactersMax);
    if (result !== text) {
      writeFileSync(path, result);
      console.log(`Wrapped comments in ${path}.`);
    }
  }
}

function sourcePaths(): readonly string[] {
  const patterns = ["*.ts", "*.mts", "*.js", "*.mjs"];
  const result = spawnSync(
    "git",
    ["ls-files", "-z", "--cached", "--others", "--exclude-standard", ...patterns],
    {
      encoding: "utf8",
    },
  );
  return [...new Set(result.stdout.split("\0"))].filter((path) => path !== "");
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  main();
}

// --- types ---

type Parts = {
  /** Indentation of the code, comment mark and the space after it. */
  readonly prefix: string;
  /** Spaces between that and the text. */
  readonly indent: string;
  /** The mark of a list item or a tag, with its space; empty for plain text. */
  readonly item: string;
  readonly words: string;
  /** The indent of the lines that go on from this one. */
  readonly hanging: string;
};
