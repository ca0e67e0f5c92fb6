/**
 * `npm start` as a test has it: the shipped program with workers, a store of its own, and its internal port.
 */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { type Child, programPath, startChild } from "../harness/child.ts";
import type { Owner } from "../harness/owner.ts";

/** Two, where there are two cores: it is refused to start more workers than cores. */
export const workerCount = Math.min(2, availableParallelism());

/** Starts the sources in `folder`, by default those of this repository; resolves when it takes clients. */
export async function startHoldfast(
  owner: Owner,
  options: { readonly folder?: string; readonly environment?: Readonly<Record<string, string>> } = {},
): Promise<HoldfastProcess> {
  const data = mkdtempSync(join(tmpdir(), "holdfast-process-"));
  owner.onTestFinished(() => rmSync(data, { recursive: true, force: true }));
  const storeFile = join(data, "store.db");
  const child = startChild(owner, {
    program: join(options.folder ?? programPath("../..", import.meta.url), "src/main.ts"),
    environment: {
      PORT: "0",
      HOST: "127.0.0.1",
      HOLDFAST_WORKERS: String(workerCount),
      HOLDFAST_INTERNAL_PORT: "0",
      HOLDFAST_STORE: `sqlite:${storeFile}`,
      HOLDFAST_CHAT_DATABASE: join(data, "chat.db"),
      ...options.environment,
    },
    deadlineMs: 110_000,
  });
  const [, internalPort] = await child.line(/commands are at http:\/\/localhost:(\d+)/, 30_000);
  const [, port] = await child.line(/Holdfast is at http:\/\/localhost:(\d+)/, 30_000);
  return new HoldfastProcess(child, { port: Number(port), internalPort: Number(internalPort), storeFile });
}

export class HoldfastProcess {
  readonly child: Child;
  readonly port: number;
  readonly internalPort: number;
  readonly storeFile: string;

  constructor(
    child: Child,
    place: { readonly port: number; readonly internalPort: number; readonly storeFile: string },
  ) {
    this.child = child;
    this.port = place.port;
    this.internalPort = place.internalPort;
    this.storeFile = place.storeFile;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get internalUrl(): string {
    return `http://127.0.0.1:${this.internalPort}`;
  }

  /** Processes that the primary has started and that live. */
  get workers(): readonly number[] {
    const { pid } = this.child;
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
    return text.trim().split(" ").map(Number);
  }

  async scrape(): Promise<Scrape> {
    const response = await fetch(`${this.internalUrl}/metrics`, {
      signal: AbortSignal.timeout(scrapeWithinMs),
    });
    return new Scrape(await response.text());
  }

  /** `holdfast roll`, as a process; `sources` is the folder that the command is run from. */
  async roll(owner: Owner): Promise<{ readonly code: number | null; readonly child: Child }> {
    const child = startChild(owner, {
      program: programPath("../../src/command.ts", import.meta.url),
      args: ["roll"],
      environment: { HOLDFAST_INTERNAL_PORT: String(this.internalPort) },
    });
    const { code } = await child.exited(60_000);
    return { code, child };
  }
}

/** What one scrape said. */
export class Scrape {
  readonly text: string;
  readonly #values: ReadonlyMap<string, number>;

  constructor(text: string) {
    this.text = text;
    const lines = [...text.matchAll(/^([a-z_]+(?:\{[^}]*\})?) (\S+)$/gm)];
    this.#values = new Map(lines.map(([, name = "", value]) => [name, Number(value)]));
  }

  /** `of("holdfast_gaps_total", "retention")`; NaN when it is not there. */
  of(name: string, value?: string): number {
    const found = [...this.#values].find(
      ([key]) =>
        key === name || (value !== undefined && key.startsWith(`${name}{`) && key.endsWith(`="${value}"}`)),
    );
    return found?.[1] ?? Number.NaN;
  }

  /** All counters, by name and label. */
  get counters(): ReadonlyMap<string, number> {
    return new Map([...this.#values].filter(([name]) => /_total(\{|$)/.test(name)));
  }
}

/** A worker that does not answer costs half a second; the rest is for a busy machine. */
const scrapeWithinMs = 3_000;
