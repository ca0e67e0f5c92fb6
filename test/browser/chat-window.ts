/** One window of the chat, used as a person uses it: by what is on the screen. */

import type { BrowserContext, Page } from "playwright-core";

export class ChatWindow {
  readonly page: Page;
  /** Errors and warnings of the page, those aside with which a browser reports a server that is away. */
  readonly complaints: string[] = [];

  private constructor(page: Page) {
    this.page = page;
    page.setDefaultTimeout(20_000);
    page.on("pageerror", (error) => this.complaints.push(String(error)));
    page.on("console", (line) => {
      const isNetwork = /Failed to load resource|WebSocket connection to/.test(line.text());
      if (["error", "warning"].includes(line.type()) && !isNetwork) this.complaints.push(line.text());
    });
  }

  /** Opens the chat in `context` and marks the document, so that a reload by anybody would show. */
  static async open(context: BrowserContext, url: string): Promise<ChatWindow> {
    const window = new ChatWindow(await context.newPage());
    await window.page.goto(url);
    await window.page.evaluate(() => Object.assign(globalThis, { isFirstDocument: true }));
    return window;
  }

  async takeName(name: string): Promise<void> {
    await this.page.getByLabel("Your name", { exact: true }).fill(name);
    await this.page.getByRole("button", { name: "Start" }).click();
    await this.page.getByRole("dialog").waitFor({ state: "hidden" });
    await this.page.locator("#self-name", { hasText: name }).waitFor({ state: "attached" });
  }

  async say(text: string): Promise<void> {
    const draft = this.page.getByRole("textbox", { name: /^Message / });
    await draft.fill(text);
    await draft.press("Enter");
  }

  /** The texts in the open conversation, top to bottom. */
  texts(): Promise<string[]> {
    return this.page.locator(".message .bubble").allTextContents();
  }

  /** How many of one's own messages carry this mark. */
  marked(mark: "waiting" | "sent" | "stored" | "failed"): Promise<number> {
    return this.page.locator(`.message[data-mark="${mark}"]`).count();
  }

  /** True as long as nobody has reloaded the page. */
  isFirstDocument(): Promise<boolean> {
    return this.page.evaluate(() => "isFirstDocument" in globalThis);
  }

  /** What the banner says, once it is there. */
  banner(): Promise<string | null> {
    return this.page.locator("#banner:not([hidden])").textContent();
  }
}
