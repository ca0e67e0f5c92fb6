/** The promise of this project, as two people at two windows see it. */

import type { Browser, BrowserContext } from "playwright-core";
import { expect } from "vitest";
import { until } from "../harness/until.ts";
import { browserTest, pageProcesses, picture, startBrowser } from "./browser.ts";
import { startChatServer } from "./chat-server.ts";
import { ChatWindow } from "./chat-window.ts";

browserTest(
  "G1 G2 G6: killed in mid-conversation and started again, the server has every message once, in order",
  { timeout: 120_000 },
  async (owner) => {
    const server = await startChatServer(owner);
    const browser = await startBrowser(owner);
    const ada = await ChatWindow.open(await browser.newContext(desktop), server.url);
    const grace = await ChatWindow.open(await browser.newContext(phone), server.url);
    await ada.takeName("Ada");
    await grace.takeName("Grace");

    const count = 16;
    const talking = Promise.all([talk(ada, "Ada says", count), talk(grace, "Grace says", count)]);
    await until(async () => (await ada.marked("stored")) >= 4 && (await grace.marked("stored")) >= 4, {
      what: "four stored messages of each",
      deadlineMs: 20_000,
    });
    await server.child.kill("SIGKILL");
    await talking;
    expect(await ada.banner()).toMatch(/offline\. \d+ messages are kept here/);
    expect(await ada.marked("waiting")).toBeGreaterThan(0);
    await picture(ada.page, "desktop-light-offline");
    await picture(grace.page, "phone-dark-offline");

    server.child.restart();
    await server.ready();
    for (const window of [ada, grace]) await allStored(window, count);
    await until(
      async () => (await ada.texts()).length >= 2 * count && (await grace.texts()).length >= 2 * count,
      {
        what: "all messages in both windows",
        deadlineMs: 20_000,
      },
    );

    const texts = await ada.texts();
    expect(await grace.texts()).toEqual(texts);
    expect(texts.filter((text) => text.startsWith("Ada"))).toEqual(numbered("Ada says", count));
    expect(texts.filter((text) => text.startsWith("Grace"))).toEqual(numbered("Grace says", count));
    for (const window of [ada, grace]) {
      expect(await window.isFirstDocument()).toBe(true);
      expect(window.complaints).toEqual([]);
    }
    await picture(ada.page, "desktop-light-after");
    await picture(grace.page, "phone-dark-after");
  },
);

browserTest(
  "G2: a page that was asleep while the server died and came back catches up when it wakes",
  { timeout: 120_000 },
  async (owner) => {
    const server = await startChatServer(owner);
    const browser = await startBrowser(owner);
    const sleeper = await startBrowser(owner);
    const ada = await ChatWindow.open(await browser.newContext(desktop), server.url);
    const grace = await ChatWindow.open(await sleeper.newContext(phone), server.url);
    await ada.takeName("Ada");
    await grace.takeName("Grace");
    await ada.say("before");
    await until(async () => (await grace.texts()).includes("before"), {
      what: "the first message",
      deadlineMs: 10_000,
    });

    // The page's processes stand still, as those of a laptop with its lid down: no timer, no ping, no event.
    const wake = await sleep(sleeper, owner);
    await ada.say("while asleep");
    await until(async () => (await ada.marked("stored")) === 2, {
      what: "the second message stored",
      deadlineMs: 10_000,
    });
    await server.child.kill("SIGKILL");
    server.child.restart();
    await server.ready();
    await ada.say("after the crash");
    await allStored(ada, 3);
    wake();

    await until(async () => (await grace.texts()).length >= 3, {
      what: "Grace to catch up",
      deadlineMs: 30_000,
    });
    await grace.say("good morning");
    await allStored(grace, 1);
    const texts = ["before", "while asleep", "after the crash", "good morning"];
    await until(async () => (await ada.texts()).length >= 4, { what: "the answer", deadlineMs: 10_000 });
    expect(await grace.texts()).toEqual(texts);
    expect(await ada.texts()).toEqual(texts);
    expect(await grace.isFirstDocument()).toBe(true);
    expect([...ada.complaints, ...grace.complaints]).toEqual([]);
  },
);

browserTest(
  "G1 G2: long-polling with WebSocket blocked carries the same conversation through a crash",
  { timeout: 120_000 },
  async (owner) => {
    const server = await startChatServer(owner);
    const browser = await startBrowser(owner);
    const context = await browser.newContext(desktop);
    await blockWebSocket(context);
    let polls = 0;
    context.on("request", (request) => {
      if (request.url().includes("transport=polling")) polls += 1;
    });
    const ada = await ChatWindow.open(context, server.url);
    await ada.takeName("Ada");
    const grace = await ChatWindow.open(await browser.newContext(phone), server.url);
    await grace.takeName("Grace");

    await Promise.all([talk(ada, "Ada says", 5), talk(grace, "Grace says", 5)]);
    await server.child.kill("SIGKILL");
    await ada.say("Ada says 6");
    server.child.restart();
    await server.ready();
    await allStored(ada, 6);
    await allStored(grace, 5);
    for (const window of [ada, grace]) {
      await until(async () => (await window.texts()).length >= 11, {
        what: "eleven messages",
        deadlineMs: 20_000,
      });
    }
    expect((await ada.texts()).filter((text) => text.startsWith("Ada"))).toEqual(numbered("Ada says", 6));
    expect(await grace.texts()).toEqual(await ada.texts());
    expect(polls).toBeGreaterThan(10);
    expect([...ada.complaints, ...grace.complaints]).toEqual([]);
  },
);

browserTest(
  "G2: a direct message to somebody offline waits for them, through a restart of the server",
  { timeout: 120_000 },
  async (owner) => {
    const server = await startChatServer(owner);
    const browser = await startBrowser(owner);
    const home = await browser.newContext(phone);
    const before = await ChatWindow.open(home, server.url);
    await before.takeName("Grace");
    await before.page.close();

    const ada = await ChatWindow.open(
      await browser.newContext({ ...desktop, colorScheme: "dark" }),
      server.url,
    );
    await ada.takeName("Ada");
    await ada.page.getByRole("button", { name: "Write to somebody" }).click();
    await ada.page.getByLabel("Their name").fill("nobody at all");
    await ada.page.getByRole("button", { name: "Write", exact: true }).click();
    await ada.page.getByText("Nobody here is called nobody at all.").waitFor();
    await ada.page.getByLabel("Their name").fill("grace");
    await ada.page.getByRole("button", { name: "Write", exact: true }).click();
    await ada.page.getByRole("heading", { name: "Grace" }).waitFor();
    await ada.say("The key is under the pot.");
    await ada.say("Water the kelp, please.");
    await allStored(ada, 2);
    await picture(ada.page, "desktop-dark-direct");
    await server.child.kill("SIGTERM");
    server.child.restart();
    await server.ready();

    const grace = await ChatWindow.open(home, server.url);
    await grace.page.getByRole("button", { name: "Show conversations, 2 unread" }).click();
    await picture(grace.page, "phone-dark-list");
    await grace.page.getByRole("button", { name: "Ada 2 unread messages" }).click();
    expect(await grace.texts()).toEqual(["The key is under the pot.", "Water the kelp, please."]);
    await grace.say("Found it.");
    await allStored(grace, 1);
    await ada.page.getByText("Found it.").waitFor();
    expect(await ada.texts()).toEqual(["The key is under the pot.", "Water the kelp, please.", "Found it."]);
    await picture(grace.page, "phone-dark-direct");
    expect([...ada.complaints, ...grace.complaints]).toEqual([]);
  },
);

browserTest(
  "G1: what was written without a connection survives a reload of the page, and is sent once",
  { timeout: 120_000 },
  async (owner) => {
    const server = await startChatServer(owner);
    const browser = await startBrowser(owner);
    const context = await browser.newContext(desktop);
    await blockWebSocket(context);
    const ada = await ChatWindow.open(context, server.url);
    await ada.takeName("Ada");
    await ada.say("one");
    await allStored(ada, 1);

    // The page can still be loaded, its connection cannot be made.
    const isConnection = (url: URL): boolean => url.pathname === "/socket.io/";
    await context.route(isConnection, (route) => route.abort());
    await ada.banner();
    await ada.say("two");
    await ada.say("three");
    await until(async () => (await ada.marked("waiting")) === 2, { what: "two waiting messages" });
    await ada.page.reload();
    await until(async () => (await ada.marked("waiting")) === 2, {
      what: "two waiting messages after the reload",
    });
    await context.unroute(isConnection);

    await allStored(ada, 3);
    expect(await ada.texts()).toEqual(["one", "two", "three"]);
    expect(ada.complaints).toEqual([]);
  },
);

browserTest(
  "newcomers see the latest messages and load earlier ones without losing their place",
  { timeout: 120_000 },
  async (owner) => {
    const server = await startChatServer(owner);
    const browser = await startBrowser(owner);
    const ada = await ChatWindow.open(await browser.newContext(desktop), server.url);
    await ada.takeName("Ada");
    await talk(ada, "Ada says", 70);
    await allStored(ada, 70);

    const grace = await ChatWindow.open(
      await browser.newContext({ ...phone, colorScheme: "light" }),
      server.url,
    );
    await grace.page.getByRole("dialog").waitFor();
    await picture(grace.page, "phone-light-name");
    await grace.takeName("Grace");
    await until(async () => (await grace.texts()).length >= 50, { what: "the last fifty" });
    expect(await grace.texts()).toEqual(numbered("Ada says", 70).slice(20));
    await picture(grace.page, "phone-light-chat");

    const earlier = grace.page.getByRole("button", { name: "Load earlier messages" });
    await earlier.scrollIntoViewIfNeeded();
    const anchor = grace.page.getByText("Ada says 21", { exact: true });
    const top = (await anchor.boundingBox())?.y ?? Number.NaN;
    await earlier.click();
    await until(async () => (await grace.texts()).length >= 70, { what: "all seventy" });
    expect(await grace.texts()).toEqual(numbered("Ada says", 70));
    // The button goes away, and a name moves up to the first message: nothing else may move what one was
    // reading.
    expect(Math.abs(((await anchor.boundingBox())?.y ?? Number.NaN) - top)).toBeLessThan(40);
    await earlier.waitFor({ state: "hidden" });
    expect([...ada.complaints, ...grace.complaints]).toEqual([]);
  },
);

/** Writes `count` messages, one after another, as fast as the page takes them. */
async function talk(window: ChatWindow, words: string, count: number): Promise<void> {
  for (const text of numbered(words, count)) await window.say(text);
}

function numbered(words: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${words} ${index + 1}`);
}

/** Waits until `count` of the window's own messages are confirmed and none is in any other state. */
async function allStored(window: ChatWindow, count: number): Promise<void> {
  await until(async () => (await window.marked("stored")) === count, {
    what: `${count} stored`,
    deadlineMs: 30_000,
  });
  for (const mark of ["waiting", "sent", "failed"] as const) expect(await window.marked(mark)).toBe(0);
}

/** Stops the page processes of `browser`; the returned function lets them go on. */
async function sleep(
  browser: Browser,
  owner: { onTestFinished(end: () => void): void },
): Promise<() => void> {
  const processes = await pageProcesses(browser);
  expect(processes.length).toBeGreaterThan(0);
  const wake = (): void => {
    for (const id of processes.splice(0)) process.kill(id, "SIGCONT");
  };
  // Also when the test fails in between, because a stopped process does not end with its browser.
  owner.onTestFinished(wake);
  for (const id of processes) process.kill(id, "SIGSTOP");
  return wake;
}

/** As behind a proxy that knows no WebSocket. */
async function blockWebSocket(context: BrowserContext): Promise<void> {
  await context.addInitScript(() => Reflect.deleteProperty(globalThis, "WebSocket"));
}

const desktop = { viewport: { width: 1280, height: 800 }, colorScheme: "light", locale: "en-GB" } as const;
const phone = {
  viewport: { width: 390, height: 844 },
  colorScheme: "dark",
  locale: "en-GB",
  hasTouch: true,
} as const;
