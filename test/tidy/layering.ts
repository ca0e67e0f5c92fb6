/**
 * Imports point one way: protocol <- store <- server <- metrics <- cluster, http <- main, and protocol <-
 * client, commands.
 */
import { posix } from "node:path";
import { type Finding, isTest, type SourceFile } from "./repository.ts";
import { importsOf } from "./source-text.ts";

/**
 * What the files of each folder of src may import, besides packages. `main` stands for the files in src
 * itself.
 */
export const layers: Readonly<Record<string, readonly string[]>> = {
  protocol: ["protocol"],
  store: ["protocol", "store"],
  client: ["protocol", "client"],
  server: ["protocol", "store", "server"],
  metrics: ["protocol", "store", "server", "metrics"],
  cluster: ["protocol", "store", "server", "metrics", "cluster"],
  http: ["protocol", "store", "server", "http"],
  // Commands talk to a running process over its internal port, or as its clients do.
  commands: ["protocol", "commands"],
  // The application is what a user replaces: it sees Holdfast as a user does, through the names of the
  // package.
  app: ["app", "holdfast", "holdfast/client"],
  main: [
    "protocol",
    "store",
    "client",
    "server",
    "metrics",
    "cluster",
    "http",
    "commands",
    "app",
    "main",
    "holdfast",
    "holdfast/client",
  ],
};

/**
 * Imports in src that go against the order, that leave src, or whose folder has no place in the order yet.
 */
export function layeringFindings(files: readonly SourceFile[]): readonly Finding[] {
  return files
    .filter(({ path }) => path.startsWith("src/") && !isTest(path))
    .flatMap((file) => importsOf(file.text).flatMap((line) => findingOf(file, line.specifier, line.line)));
}

/** Modules of Node in code that also runs in browsers or that has to be deterministic. */
export function nodeImportFindings(files: readonly SourceFile[]): readonly Finding[] {
  return files
    .filter(({ path }) => /^src\/(protocol|client)\//.test(path) && !isTest(path))
    .flatMap(({ path, text }) =>
      importsOf(text)
        .filter(({ specifier }) => specifier.startsWith("node:"))
        .map(({ specifier, line }) => ({
          path,
          line,
          message: `imports ${specifier}; this code has no Node`,
        })),
    );
}

/**
 * Packages that src imports without being among the `dependencies`, so that an installed package would lack
 * them.
 */
export function undeclaredFindings(
  files: readonly SourceFile[],
  dependencies: readonly string[],
): readonly Finding[] {
  return files
    .filter(({ path }) => path.startsWith("src/") && !isTest(path))
    .flatMap(({ path, text }) =>
      importsOf(text)
        .filter(({ specifier }) => !/^(\.|node:|holdfast($|\/))/.test(specifier))
        .map(({ specifier, line }) => ({ path, line, name: packageOf(specifier) }))
        .filter(({ name }) => !dependencies.includes(name))
        .map(({ name, ...place }) => ({
          ...place,
          message: `imports ${name}, which is not in dependencies`,
        })),
    );
}

function findingOf({ path }: SourceFile, specifier: string, line: number): readonly Finding[] {
  const from = layerOf(path);
  const allowed = layers[from];
  if (allowed === undefined) {
    return [{ path, line, message: `src/${from} has no place in the order of layers` }];
  }
  const to = targetLayer(path, specifier);
  if (to === undefined || allowed.includes(to)) {
    // The cores have no packages either: what they need is in their own folder.
    const foreign = from === "protocol" && to === undefined && !specifier.startsWith("node:");
    return foreign ? [{ path, line, message: `protocol imports the package ${specifier}` }] : [];
  }
  return [{ path, line, message: `${from} imports ${to} (${specifier})` }];
}

/** The layer that an import leads to; undefined for a package or a module of Node. */
function targetLayer(path: string, specifier: string): string | undefined {
  if (/^holdfast($|\/)/.test(specifier)) {
    // Below the application the package's own name would hide which layer is meant.
    return specifier === "holdfast" ? "holdfast" : "holdfast/client";
  }
  if (!specifier.startsWith(".")) {
    return undefined;
  }
  const target = posix.join(posix.dirname(path), specifier);
  return target.startsWith("src/") ? layerOf(target) : `outside src: ${target}`;
}

function layerOf(path: string): string {
  const [, folder, rest] = path.split("/");
  return rest === undefined ? "main" : (folder ?? "main");
}

function packageOf(specifier: string): string {
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}
