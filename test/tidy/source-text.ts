/**
 * Source text with its comments, or its comments and strings, blanked out: what a check must not trip over.
 * Blanks stand for every character but line ends, so that positions and line numbers stay what they were.
 */

/** The text without comments; strings stay, so that import paths can be read. */
export function withoutComments(text: string): string {
  return blank(text, (part) => part.kind === "comment");
}

/** The text without comments and without the contents of strings, templates and regular expressions. */
export function codeOnly(text: string): string {
  return blank(text, () => true);
}

/** Every module that the text names by import, export, dynamic import or `new URL(…, import.meta.url)`. */
export function importsOf(text: string): readonly ImportLine[] {
  const code = withoutComments(text);
  const patterns = [
    /\b(?:import|export)\b[^;'"`]*?\bfrom\s*["']([^"']+)["']/g,
    /\bimport\s*["']([^"']+)["']/g,
    /\bimport\s*\(\s*["'`]([^"'`]+)["'`]/g,
    /\bimport\.meta\.resolve\(\s*["'`]([^"'`]+)["'`]/g,
    /\bnew URL\(\s*["'`](\.[^"'`]*\.ts)["'`]\s*,\s*import\.meta\.url/g,
  ];
  const found = patterns.flatMap((pattern) =>
    [...code.matchAll(pattern)].map((match) => ({
      specifier: match[1] ?? "",
      line: lineAt(code, match.index + match[0].length),
    })),
  );
  return found.sort((one, other) => one.line - other.line);
}

/** The number, from 1, of the line in which the character at `index` stands. */
export function lineAt(text: string, index: number): number {
  return text.slice(0, index).split("\n").length;
}

function blank(text: string, chosen: (part: Part) => boolean): string {
  let result = "";
  let copiedTo = 0;
  for (const part of partsOf(text)) {
    if (chosen(part)) {
      result += text.slice(copiedTo, part.start) + text.slice(part.start, part.end).replace(/[^\n]/g, " ");
      copiedTo = part.end;
    }
  }
  return result + text.slice(copiedTo);
}

/**
 * Comments and the contents of literals, in order. The code inside `${…}` of a template belongs to neither.
 */
function partsOf(text: string): readonly Part[] {
  const parts: Part[] = [];
  // One number for each template that is open: how many braces are open inside its current `${`.
  const templates: number[] = [];
  let index = 0;
  const literal = (start: number, end: number): void => {
    parts.push({ kind: "literal", start, end });
    index = end;
  };

  while (index < text.length) {
    const character = text.charAt(index);
    const innermost = templates.length - 1;
    if (text.startsWith("//", index) || text.startsWith("/*", index)) {
      const end = endOfComment(text, index);
      parts.push({ kind: "comment", start: index, end });
      index = end;
    } else if (character === '"' || character === "'") {
      literal(index + 1, endOfQuoted(text, index + 1, character));
      index += 1;
    } else if (character === "`" || (character === "}" && templates[innermost] === 0)) {
      if (character === "}") {
        templates.pop();
      }
      literal(index + 1, endOfTemplatePart(text, index + 1));
      if (text.startsWith("${", index)) {
        templates.push(0);
        index += 1;
      }
      index += 1;
    } else if (character === "/" && startsExpression(text, index)) {
      literal(index + 1, endOfRegularExpression(text, index + 1));
      index += 1;
    } else {
      const depth = templates[innermost];
      if (depth !== undefined && (character === "{" || character === "}")) {
        templates[innermost] = depth + (character === "{" ? 1 : -1);
      }
      index += 1;
    }
  }
  return parts;
}

function endOfComment(text: string, start: number): number {
  const line = text.startsWith("//", start);
  const end = text.indexOf(line ? "\n" : "*/", start + 2);
  return end === -1 ? text.length : line ? end : end + 2;
}

function endOfQuoted(text: string, start: number, quote: string): number {
  let index = start;
  while (index < text.length && text[index] !== quote && text[index] !== "\n") {
    index += text[index] === "\\" ? 2 : 1;
  }
  return Math.min(index, text.length);
}

function endOfTemplatePart(text: string, start: number): number {
  let index = start;
  while (index < text.length && text[index] !== "`" && !text.startsWith("${", index)) {
    index += text[index] === "\\" ? 2 : 1;
  }
  return Math.min(index, text.length);
}

function endOfRegularExpression(text: string, start: number): number {
  let index = start;
  let inClass = false;
  while (index < text.length && text[index] !== "\n" && (inClass || text[index] !== "/")) {
    inClass = text[index] === "[" || (inClass && text[index] !== "]");
    index += text[index] === "\\" ? 2 : 1;
  }
  return Math.min(index, text.length);
}

/**
 * A slash divides after a value and opens a regular expression everywhere else; what stands before it tells.
 */
function startsExpression(text: string, index: number): boolean {
  const before = text.slice(Math.max(0, index - 40), index).trimEnd();
  return /(^|[(,=:[!&|?{};+\-*%<>~^]|\b(return|typeof|case|in|of|do|else|void|await|yield|throw))$/.test(
    before,
  );
}

// --- types ---

export type ImportLine = { readonly specifier: string; readonly line: number };

type Part = { readonly kind: "comment" | "literal"; readonly start: number; readonly end: number };
