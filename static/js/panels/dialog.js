/**
 * The frame of every dialog: style sheet, title, STOP, a button that closes it, and the focus.
 *
 * A panel brings the markup of its fields as a constant; text from elsewhere is written by `textContent` only. While a
 * dialog is open the page does not drive: `Parts.open` releases every input first, and the keys belong to the dialog.
 * A dialog may open another one above itself. The style sheet hides the lower one, so that only one STOP is visible;
 * when the upper one closes, the browser returns the focus to the button that opened it.
 */

import { byId, dress, press } from "../shell/shell.js";

const DIGIT = /\p{Nd}/u;
/** A scale that looks like 1 and differs from it, and the time for which the page has it. */
const UNZOOM = { scale: 1.001, ms: 200 };

export { byId };

/** @param {string} path @returns {Promise<any>} the car's answer; null without one */
export async function get(path) {
  const answer = await fetch(path).catch(() => null);
  return answer?.ok ? answer.json().catch(() => null) : null;
}

/** @param {string} path @param {object} body @param {string} method @returns {Promise<{status: number, answer: any, wait_s: number}>} */
export async function post(path, body, method = "POST") {
  try {
    const response = await fetch(path, {
      method,
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    const wait_s = Number(response.headers.get("Retry-After") ?? 0);
    return { status: response.status, answer: await response.json().catch(() => ({})), wait_s };
  } catch {
    return { status: 0, answer: { error: { code: "gone" } }, wait_s: 0 };
  }
}

/**
 * Return the digits of a text as 0 to 9: of any script and width, with blanks or dashes between them.
 *
 * @param {string} typed @returns {string}
 */
export function digitsOf(typed) {
  return Array.from(typed.normalize("NFKC"), (character) => (DIGIT.test(character) ? valueOf(character) : "")).join("");
}

/** The ten digits of a script are consecutive in Unicode. */
function valueOf(digit) {
  const code = /** @type {number} */ (digit.codePointAt(0));
  let first = code;
  while (DIGIT.test(String.fromCodePoint(first - 1))) first -= 1;
  return (code - first) % 10;
}

/** Undo the pinch zoom of a dialog: without one the page cannot be pinched, and STOP would stay off the screen. */
function unzoom() {
  const viewport = /** @type {HTMLMetaElement} */ (document.querySelector("meta[name=viewport]"));
  const usual = viewport.content;
  const zoomed = (globalThis.visualViewport?.scale ?? 1) > 1;
  if (!zoomed || usual.includes("maximum") || document.querySelector("dialog[open]")) return;
  const { scale, ms } = UNZOOM; // Chromium zooms only to an initial scale that is new
  viewport.content = usual.replace("initial-scale=1", `initial-scale=${scale}, maximum-scale=${scale}`);
  setTimeout(() => (viewport.content = usual), ms);
}

export class Dialog {
  /** @type {HTMLDialogElement} */ element;
  #letGo;

  /**
   * @param {string} id of the dialog; its title is the word `<id>.title`
   * @param {import("../shell/shell.js").Tools} tools
   * @param {string} fields markup: one element of the class `fields`
   * @param {{before?: string, close?: string, stop?: boolean}} options markup before its title; the word on the button
   *   in its header that closes it, "" if the fields have that button; whether it has STOP
   */
  constructor(id, { stop, letGo, words }, fields, { before = "", close = "done", stop: stoppable = true } = {}) {
    this.#letGo = letGo;
    this.element = document.createElement("dialog");
    this.element.id = id;
    this.element.className = "sheet";
    this.element.setAttribute("aria-labelledby", `${id}-title`);
    this.element.innerHTML = `
      <header>${before}<h2 id="${id}-title" data-i18n="${id}.title"></h2>
        ${close && `<button class="done" type="button" data-i18n="${close}"></button>`}</header>
      ${stoppable ? '<button class="stop" type="button" data-i18n="stop"></button>' : ""}${fields}`;
    document.body.append(this.element);
    words.fill(this.element);
    this.element.querySelector(".done")?.addEventListener("click", () => this.element.close());
    const button = /** @type {HTMLElement|null} */ (this.element.querySelector(".stop"));
    if (button) press(button, stop);
    this.element.addEventListener("close", unzoom);
    // A press beside the dialog closes it; the release of the press that opened the dialog does not.
    let beside = false;
    this.element.addEventListener("pointerdown", ({ target }) => (beside = target === this.element));
    this.element.addEventListener("click", ({ target }) => {
      if (beside && target === this.element) this.element.close();
      beside = false;
    });
    for (const event of ["contextmenu", "dblclick"]) {
      this.element.addEventListener(event, (e) => e.stopPropagation()); // the page suppresses them
    }
  }

  async show() {
    await dress("/static/panels.css");
    if (this.element.open) return;
    document.body.append(this.element); // in the order of opening: the style sheet hides all but the last one
    this.#letGo(); // a press may have begun while the dialog was loading
    this.element.showModal();
  }
}
