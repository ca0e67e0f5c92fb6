/**
 * The protocol cores are deterministic: time, randomness and transport come in as arguments and go out as
 * data.
 */
import { type Finding, isTest, type SourceFile } from "./repository.ts";
import { codeOnly, lineAt } from "./source-text.ts";

const banned: readonly BannedRow[] = [
  { pattern: /\bDate\b/g, instead: "take `now` in milliseconds as an argument" },
  { pattern: /\bperformance\b/g, instead: "take `now` in milliseconds as an argument" },
  { pattern: /\bMath\s*\.\s*random\b/g, instead: "take the random number as an argument" },
  { pattern: /\bcrypto\b/g, instead: "take the random value as an argument" },
  {
    pattern: /\b(set|clear)(Timeout|Interval|Immediate)\b/g,
    instead: "answer the next deadline and let the shell arm it",
  },
  { pattern: /\bqueueMicrotask\b/g, instead: "return the output" },
  { pattern: /\b(async|await)\b/g, instead: "make it synchronous; the shell waits" },
  { pattern: /\bPromise\b/g, instead: "make it synchronous; the shell waits" },
  { pattern: /\bconsole\b/g, instead: "return an output that the shell logs" },
  { pattern: /\bprocess\s*\./g, instead: "take it as an argument" },
  { pattern: /\bglobalThis\b/g, instead: "take it as an argument" },
];

/**
 * Uses of clocks, timers, randomness, the console or the process in src/protocol, tests and harness excepted.
 */
export function purityFindings(files: readonly SourceFile[]): readonly Finding[] {
  return files
    .filter(({ path }) => path.startsWith("src/protocol/") && !isTest(path))
    .flatMap(({ path, text }) => {
      const code = codeOnly(text);
      return banned.flatMap(({ pattern, instead }) =>
        [...code.matchAll(pattern)].map((match) => ({
          path,
          line: lineAt(code, match.index),
          message: `${match[0]} is banned in the protocol: ${instead}`,
        })),
      );
    });
}

// --- types ---

type BannedRow = { readonly pattern: RegExp; readonly instead: string };
