// @ts-check
/** Finding and making elements. */

/**
 * The element with this id, which must be there and be of this kind.
 * @template {Element} T @param {string} id @param {new () => T} kind @returns {T}
 */
export function element(id, kind) {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`the page has no ${kind.name} with the id ${id}`);
  return found;
}

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag @param {string} className @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function make(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className !== "") made.className = className;
  made.append(...children);
  return made;
}

/**
 * A mark out of the sprite in index.html, hidden from screen readers: the words beside it say the same.
 * @param {string} name
 */
export function drawing(name) {
  const namespace = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(namespace, "svg");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(namespace, "use");
  use.setAttribute("href", `#mark-${name}`);
  svg.append(use);
  return svg;
}

/** @param {Element} parent @param {readonly Element[]} children */
export function arrange(parent, children) {
  // Moves only what is out of place, so that focus and selection in the rest survive.
  let next = parent.firstElementChild;
  for (const child of children) {
    if (child === next) next = next.nextElementSibling;
    else parent.insertBefore(child, next);
  }
  while (next !== null) {
    const surplus = next;
    next = next.nextElementSibling;
    surplus.remove();
  }
}
