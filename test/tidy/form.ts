/** The form of files: their names, lengths, and what must not be left behind in them. */
import type { Finding, SourceFile } from "./repository.ts";
import { codeOnly, lineAt, withoutComments } from "./source-text.ts";

/** The formatter keeps code within this; comments and long strings are kept within it by hand. */
const lineCharactersMax = 110;
/** The aim is 250 lines: a file is about one noun. Above this it is split. */
const fileLinesMax = 400;

/** Lines of source that are too long. */
export function lineLengthFindings(files: readonly SourceFile[]): readonly Finding[] {
  return files.flatMap(({ path, text }) =>
    text.split("\n").flatMap((line, index) => {
      const message = `${line.length} characters, at most ${lineCharactersMax}`;
      return line.length > lineCharactersMax ? [{ path, line: index + 1, message }] : [];
    }),
  );
}

/** Sources with too many lines. */
export function fileLengthFindings(files: readonly SourceFile[]): readonly Finding[] {
  return files.flatMap(({ path, text }) => {
    const count = text.split("\n").length - 1;
    return count > fileLinesMax
      ? [{ path, message: `${count} lines, at most ${fileLinesMax}; split it` }]
      : [];
  });
}

/**
 * Names that say nothing about what is inside, as the whole name of a file or folder or as one word of it.
 */
export function nameFindings(paths: readonly string[]): readonly Finding[] {
  const nameless = /^(utils?|utilities|helpers?|managers?|misc|common|stuff)$/i;
  return paths.flatMap((path) => {
    const words = path.split("/").flatMap((part) => part.split(/[.\-_]/));
    const word = words.find((candidate) => nameless.test(candidate));
    return word === undefined ? [] : [{ path, message: `"${word}" says nothing; name what is inside` }];
  });
}

/** Tests that keep all the others from running, and tests that are announced and never written. */
export function focusFindings(files: readonly SourceFile[]): readonly Finding[] {
  const focused = /\b(test|it|describe|suite|bench)(\.[a-z]+)*\.(only|todo)\b/g;
  return files.flatMap(({ path, text }) => {
    const code = codeOnly(text);
    return [...code.matchAll(focused)].map((match) => ({
      path,
      line: lineAt(code, match.index),
      message: `${match[0]} must not be committed`,
    }));
  });
}

/** Marks of unfinished work. They are spelt in two halves here, because this file is checked as well. */
export function unfinishedFindings(files: readonly SourceFile[]): readonly Finding[] {
  const marks = new RegExp(
    `\\b(${["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK", "WI" + "P"].join("|")})\\b`,
  );
  return byLine(files, marks, (found) => `${found} marks unfinished work; finish it or write an issue`);
}

/** Absolute paths that exist on one machine only. Tests make their folders below `os.tmpdir()`. */
export function machinePathFindings(files: readonly SourceFile[]): readonly Finding[] {
  const sources = files.map(({ path, text }) => ({
    path,
    text: /\.(ts|mjs)$/.test(path) ? withoutComments(text) : text,
  }));
  const places = new RegExp(`(?<![\\w.}])/(${["tmp", "root", "home", "Users"].join("|")})/[\\w.-]+`);
  return byLine(sources, places, (found) => `${found} is a path of one machine`);
}

function byLine(
  files: readonly SourceFile[],
  pattern: RegExp,
  message: (found: string) => string,
): readonly Finding[] {
  return files.flatMap(({ path, text }) =>
    text.split("\n").flatMap((line, index) => {
      const found = pattern.exec(line)?.[0];
      return found === undefined ? [] : [{ path, line: index + 1, message: message(found) }];
    }),
  );
}
