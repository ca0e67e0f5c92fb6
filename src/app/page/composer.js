// @ts-check
/** The message box: Enter sends, Shift and Enter makes a new line. */

import { element } from "./elements.js";

const form = element("composer", HTMLFormElement);
const draft = element("draft", HTMLTextAreaElement);
const label = element("draft-label", HTMLElement);
const note = element("draft-note", HTMLElement);

/** The server's limit, told before it is hit. */
const charactersMax = 4000;

export class Composer {
  /** @param {{ send(text: string): void, changed(text: string): void }} actions */
  constructor(actions) {
    this.actions = actions;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    draft.addEventListener("keydown", (event) => {
      // An input method uses Enter to take a word; that is not the end of the message.
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#send();
    });
    draft.addEventListener("input", () => this.#changed());
  }

  /** @param {string} to @param {string} text */
  show(to, text) {
    label.textContent = `Message ${to}`;
    draft.placeholder = `Message ${to}`;
    draft.value = text;
    this.#changed();
  }

  focus() {
    draft.focus();
  }

  #send() {
    const text = draft.value.trim();
    if (text === "" || text.length > charactersMax) return;
    draft.value = "";
    this.#changed();
    this.actions.send(text);
    draft.focus();
  }

  #changed() {
    const length = draft.value.trim().length;
    form.classList.toggle("ready", length > 0 && length <= charactersMax);
    const left = charactersMax - length;
    note.textContent =
      left < 0 ? `${-left} characters too many` : left < 200 ? `${left} characters left` : "";
    this.actions.changed(draft.value);
  }
}
