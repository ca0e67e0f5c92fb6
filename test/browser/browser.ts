/** The browser of this machine, and how its absence is told. */

import { accessSync, constants, mkdirSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";
import { test } from "vitest";
import type { Owner } from "../harness/owner.ts";

/** Chromium as the system's packages install it. */
export const chromiumPath = ["chromium", "chromium-browser", "google-chrome"]
  .flatMap((name) => (process.env["PATH"] ?? "").split(delimiter).map((folder) => join(folder, name)))
  .find(isExecutable);

/** A test that needs the browser. Without one it is skipped, and says so; with `CI=true` it fails. */
export const browserTest = test.runIf(chromiumPath !== undefined || process.env["CI"] === "true");

if (chromiumPath === undefined) {
  console.log("skipped: browser tests need chromium; on Debian or Ubuntu: apt-get install chromium");
}

/** Starts a browser that ends with `owner`. */
export async function startBrowser(owner: Owner): Promise<Browser> {
  if (chromiumPath === undefined) throw new Error("no chromium on the PATH: apt-get install chromium");
  const browser = await chromium.launch({
    executablePath: chromiumPath,
    args: [...browserArguments],
    timeout: 30_000,
  });
  owner.onTestFinished(() => browser.close());
  return browser;
}

/** Process ids of the browser's page processes, which is what sleeps when a tab sleeps. */
export async function pageProcesses(browser: Browser): Promise<number[]> {
  const session = await browser.newBrowserCDPSession();
  try {
    const { processInfo } = await session.send("SystemInfo.getProcessInfo");
    return processInfo.filter(({ type }) => type === "renderer").map(({ id }) => id);
  } finally {
    await session.detach();
  }
}

/** Keeps a picture for people to look at; nothing is compared with it. */
export async function picture(page: Page, name: string): Promise<void> {
  mkdirSync(pictureFolder, { recursive: true });
  await page.screenshot({ path: join(pictureFolder, `${name}.png`), timeout: 10_000 });
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

const pictureFolder = fileURLToPath(new URL("./screenshots", import.meta.url));

/**
 * No sandbox, because test machines run as root; the rest keeps the browser from talking to anybody but the
 * test.
 */
const browserArguments = [
  "--headless=new",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
] as const;
