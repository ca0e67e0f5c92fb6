import { expect, test } from "vitest";
import { codeOnly, importsOf, withoutComments } from "./source-text.ts";

test("comments are blanked, strings that look like comments are not", () => {
  const text = 'const a = "// no"; // yes\n/* two\nlines */ const b = 1;';
  expect(withoutComments(text)).toBe('const a = "// no";       \n      \n         const b = 1;');
});

test("the contents of strings, templates and expressions are blanked, code inside a template is not", () => {
  expect(codeOnly('f(\'Date.now\', "x\\"y");')).toBe("f('        ', \"    \");");
  expect(codeOnly("`a ${ {b: `c ${d}`} } e`")).toBe("`  ${ {b: `  ${d}`} }  `");
  expect(codeOnly("x.replace(/[/\"']/g, y) / 2 / z")).toBe("x.replace(/     /g, y) / 2 / z");
});

test("every way to name a module is found, with its line", () => {
  const text = [
    'import { a } from "./a.ts";',
    "import type {",
    "  B,",
    "} from './b.ts';",
    'import "./c.ts";',
    'export * from "./d.ts";',
    'const e = await import("./e.ts");',
    '// import { no } from "./no.ts";',
    'const text = Array.from("./no.ts");',
    'new Worker(new URL("./f.ts", import.meta.url));',
  ].join("\n");
  expect(importsOf(text)).toEqual([
    { specifier: "./a.ts", line: 1 },
    { specifier: "./b.ts", line: 4 },
    { specifier: "./c.ts", line: 5 },
    { specifier: "./d.ts", line: 6 },
    { specifier: "./e.ts", line: 7 },
    { specifier: "./f.ts", line: 10 },
  ]);
});
