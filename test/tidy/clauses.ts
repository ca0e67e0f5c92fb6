/** The clauses of the protocol, the transcripts that quote them, and the bugs that transcripts tell. */

import type { Finding, SourceFile } from "./repository.ts";

export type Clause = { readonly section: string; readonly line: number; readonly text: string };

/**
 * Every paragraph, list item and table row of the page is a clause, from `Types` on: what stands before says
 * what the words mean. Headings, formulas and the heads of tables are none, nor is a line that only
 * introduces a list.
 */
export function clausesOf(page: string): readonly Clause[] {
  const clauses: { section: string; line: number; text: string }[] = [];
  let section = "";
  let open = false;
  for (const [index, line] of page.split("\n").entries()) {
    const heading = /^#+ (.*)$/.exec(line)?.[1];
    const begins = /^(- |\d+\. |\|)/.test(line);
    if (heading !== undefined) section = heading;
    if (heading !== undefined || line === "" || /^ {4}/.test(line)) open = false;
    else if (open && !begins) {
      const last = clauses.at(-1);
      if (last !== undefined) last.text += ` ${line.trim()}`;
    } else {
      clauses.push({ section, line: index + 1, text: line.replace(/^(- |\d+\. )/, "") });
      open = true;
    }
  }
  const first = clauses.findIndex((clause) => clause.section === "Types");
  return clauses.slice(first).filter(({ text }) => !/^\| (---|what \|)|^[\w ]+:$/.test(text));
}

/** What of clauses no transcript quotes, and quotes that do not stand in any clause. */
export function quoteFindings(page: SourceFile, transcripts: readonly SourceFile[]): readonly Finding[] {
  const clauses = clausesOf(page.text);
  const quotes = transcripts.flatMap(({ path, text }) => quotesOf(text).map((quote) => ({ path, quote })));
  const unquoted = clauses.flatMap((clause) => {
    const left = remainderOf(clause.text, quotes);
    return left === "" ? [] : [{ ...clause, text: left }];
  });
  const untrue = quotes.filter(({ quote }) => !clauses.some(({ text }) => text.includes(quote)));
  return [
    ...unquoted.map(({ section, line, text }) => ({
      path: page.path,
      line,
      message: `no transcript quotes "${text.slice(0, 60)}" (${section})`,
    })),
    ...untrue.map(({ path, quote }) => ({
      path,
      message: `"${quote}" does not stand in ${page.path} like this`,
    })),
  ];
}

/** What is left of a clause, from its first unquoted word on, when every quote has taken its part of it. */
function remainderOf(clause: string, quotes: readonly { readonly quote: string }[]): string {
  const quoted = new Set<number>();
  for (const { quote } of quotes) {
    const start = clause.indexOf(quote);
    for (let index = start; start >= 0 && index < start + quote.length; index++) quoted.add(index);
  }
  const first = clause.split("").findIndex((letter, index) => /\w/.test(letter) && !quoted.has(index));
  return first < 0 ? "" : clause.slice(first);
}

/** Rows of the table under `Bugs found by simulation` that no transcript names. */
export function bugFindings(page: SourceFile, transcripts: readonly SourceFile[]): readonly Finding[] {
  let inside = false;
  return page.text.split("\n").flatMap((line, index) => {
    if (line.startsWith("#")) inside = line === "## Bugs found by simulation";
    const commit = inside ? /^\|.*\| `([0-9a-f]{7,})` \|$/.exec(line)?.[1] : undefined;
    if (commit === undefined || transcripts.some(({ text }) => text.includes(`Bug ${commit}`))) return [];
    return [{ path: page.path, line: index + 1, message: `no transcript tells of bug ${commit}` }];
  });
}

/** Every quote of a transcript (`# >` lines that follow one another), on one line. */
export function quotesOf(transcript: string): readonly string[] {
  const quotes: string[][] = [];
  let inside = false;
  for (const line of transcript.split("\n")) {
    const quoted = /^# > (.*)$/.exec(line)?.[1];
    if (quoted !== undefined) {
      if (!inside) quotes.push([]);
      quotes.at(-1)?.push(quoted.trim());
    }
    inside = quoted !== undefined;
  }
  return quotes.map((lines) => lines.join(" "));
}
