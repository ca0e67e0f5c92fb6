/** Markdown: one title for each page, and links that lead somewhere. */
import { posix } from "node:path";
import type { Finding, SourceFile } from "./repository.ts";

/** Pages without a title of the first level, or with several. */
export function titleFindings(pages: readonly SourceFile[]): readonly Finding[] {
  return pages.flatMap(({ path, text }) => {
    const count = headingsOf(text).filter(({ level }) => level === 1).length;
    return count === 1
      ? []
      : [{ path, message: `${count} headings of the first level, there has to be one` }];
  });
}

/**
 * Relative links to files that do not exist, and anchors that no heading of the page makes.
 *
 * @param paths every file of the repository, so that a link to what is not committed is found.
 */
export function linkFindings(pages: readonly SourceFile[], paths: readonly string[]): readonly Finding[] {
  const folders = new Set(paths.flatMap(foldersOf));
  const texts = new Map(pages.map(({ path, text }) => [path, text]));
  return pages.flatMap(({ path, text }) =>
    linksOf(text).flatMap(({ target, line }) => {
      const [file = "", anchor] = target.split("#");
      const destination = file === "" ? path : posix.join(posix.dirname(path), decodeURIComponent(file));
      if (!paths.includes(destination) && !folders.has(destination.replace(/\/$/, ""))) {
        return [{ path, line, message: `the link to ${target} leads nowhere` }];
      }
      const page = texts.get(destination);
      if (anchor !== undefined && page !== undefined && !anchorsOf(page).has(anchor)) {
        return [{ path, line, message: `${destination} has no heading for #${anchor}` }];
      }
      return [];
    }),
  );
}

function linksOf(text: string): readonly Link[] {
  const inline = /\]\(\s*<?([^)\s>]+)>?[^)]*\)/g;
  const reference = /^\[[^\]]+\]:\s*(\S+)/g;
  return proseLines(text).flatMap(({ line, number }) =>
    [...line.matchAll(inline), ...line.matchAll(reference)]
      .map((match) => ({ target: match[1] ?? "", line: number }))
      .filter(({ target }) => !/^([a-z][a-z0-9+.-]*:|\/\/)/i.test(target)),
  );
}

function headingsOf(text: string): readonly Heading[] {
  return proseLines(text).flatMap(({ line }) => {
    const match = /^(#{1,6})\s+(.*?)\s*#*$/.exec(line);
    return match === null ? [] : [{ level: match[1]?.length ?? 0, title: match[2] ?? "" }];
  });
}

/**
 * The anchors that GitHub makes: lower case, punctuation dropped, spaces turned into dashes, repeats
 * numbered.
 */
function anchorsOf(text: string): ReadonlySet<string> {
  const anchors = new Set<string>();
  for (const { title } of headingsOf(text)) {
    const plain = title
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .replace(/\s/g, "-");
    let anchor = plain;
    for (let count = 1; anchors.has(anchor); count += 1) {
      anchor = `${plain}-${count}`;
    }
    anchors.add(anchor);
  }
  return anchors;
}

/** Lines outside of code fences, with `inline code` taken out: what is shown there is not meant. */
function proseLines(text: string): readonly { readonly line: string; readonly number: number }[] {
  let fence: string | undefined;
  return text.split("\n").flatMap((line, index) => {
    const mark = /^\s*(```+|~~~+)/.exec(line)?.[1];
    if (mark !== undefined && (fence === undefined || mark.startsWith(fence))) {
      fence = fence === undefined ? mark : undefined;
      return [];
    }
    const prose = line.startsWith("#") ? line : line.replace(/`[^`]*`/g, "");
    return fence === undefined ? [{ line: prose, number: index + 1 }] : [];
  });
}

function foldersOf(path: string): readonly string[] {
  const parts = path.split("/");
  return parts.map((_, depth) => parts.slice(0, depth).join("/") || ".");
}

// --- types ---

type Link = { readonly target: string; readonly line: number };
type Heading = { readonly level: number; readonly title: string };
