// @ts-check
/** One dialog that asks for one line of text. */

import { element } from "./elements.js";

const dialog = element("ask", HTMLDialogElement);
const form = element("ask-form", HTMLFormElement);
const input = element("ask-input", HTMLInputElement);
const problem = element("ask-problem", HTMLElement);
const cancel = element("ask-cancel", HTMLButtonElement);
const submit = element("ask-submit", HTMLButtonElement);

/**
 * Opens the dialog. `action` gets the line; when it rejects, its message is shown and the dialog stays.
 * @param {{ title: string, text: string, label: string, value?: string, placeholder?: string, button: string,
 *   lengthMax: number, isRequired?: boolean, action: (line: string) => Promise<void>, answered: () => void }}
 *   question
 */
export function ask(question) {
  element("ask-title", HTMLElement).textContent = question.title;
  element("ask-text", HTMLElement).textContent = question.text;
  element("ask-label", HTMLElement).textContent = question.label;
  input.value = question.value ?? "";
  input.placeholder = question.placeholder ?? "";
  input.maxLength = question.lengthMax;
  submit.textContent = question.button;
  cancel.hidden = question.isRequired === true;
  show("");
  let isBusy = false;
  let isAnswered = false;

  form.onsubmit = (event) => {
    event.preventDefault();
    const line = input.value.trim();
    if (line === "") return show("Please write something here.");
    if (isBusy) return;
    isBusy = true;
    submit.setAttribute("aria-disabled", "true");
    question
      .action(line)
      .then(
        () => {
          isAnswered = true;
          dialog.close();
          // After closing, because that puts the focus back to where it was.
          question.answered();
        },
        (error) => show(error.message),
      )
      .finally(() => {
        isBusy = false;
        submit.removeAttribute("aria-disabled");
      });
  };
  cancel.onclick = () => dialog.close();
  // Escape closes a dialog (browsers insist at the second time), but the page cannot go on without some
  // answers.
  dialog.onclose = () => {
    if (question.isRequired && !isAnswered) dialog.showModal();
  };
  if (!dialog.open) dialog.showModal();
  input.focus();
  input.select();
}

/** @param {string} text */
function show(text) {
  problem.textContent = text;
  input.setAttribute("aria-invalid", String(text !== ""));
}
