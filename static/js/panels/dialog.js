/**
 * What every dialog has: its style sheet, STOP, a way out, and the focus where it belongs.
 *
 * Nobody drives while a dialog is open: whoever opens one lets everything go first, and keys are left to it.
 */

/** @type {Record<string, Promise<void>>} style sheets that were asked for so far */
const dressed = {};

const DIGIT = /\p{Nd}/u;

/** Load a style sheet once. @param {string} href @returns {Promise<void>} */
export function dress(href) {
  dressed[href] ??= new Promise((done) => {
    const sheet = document.createElement("link");
    sheet.rel = "stylesheet";
    sheet.href = href;
    sheet.onload = sheet.onerror = () => done();
    document.head.append(sheet);
  });
  return dressed[href];
}

/** @param {string} id @returns {any} the element */
export const byId = (id) => document.getElementById(id);

/** @param {string} path @param {object} body @returns {Promise<{status: number, answer: any, wait_s: number}>} */
export async function post(path, body) {
  try {
    const response = await fetch(path, {
      method: "POST",
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
 * The digits of what was typed or pasted, as 0 to 9: from any script, of any width, with blanks or dashes between them.
 *
 * @param {string} typed @returns {string}
 */
export function digitsOf(typed) {
  return Array.from(typed.normalize("NFKC"), (character) => (DIGIT.test(character) ? valueOf(character) : "")).join("");
}

/** Unicode keeps the ten digits of a script together, in order. */
function valueOf(digit) {
  const code = /** @type {number} */ (digit.codePointAt(0));
  let first = code;
  while (DIGIT.test(String.fromCodePoint(first - 1))) first -= 1;
  return (code - first) % 10;
}

export class Dialog {
  /** @type {HTMLDialogElement} */
  element;

  /**
   * @param {string} id of the dialog
   * @param {{stop: () => void}} tools
   */
  constructor(id, { stop }) {
    this.element = byId(id);
    this.element.querySelector(".done")?.addEventListener("click", () => this.element.close());
    const button = this.element.querySelector(".stop");
    button?.addEventListener("pointerdown", stop);
    button?.addEventListener("click", (event) => /** @type {MouseEvent} */ (event).detail === 0 && stop());
    // A press beside it closes it; not the end of the one that opened it.
    let beside = false;
    this.element.addEventListener("pointerdown", ({ target }) => (beside = target === this.element));
    this.element.addEventListener("click", ({ target }) => {
      if (beside && target === this.element) this.element.close();
      beside = false;
    });
    for (const event of ["contextmenu", "dblclick"]) {
      this.element.addEventListener(event, (e) => e.stopPropagation()); // as on every page
    }
  }

  async show() {
    await dress("/static/panels.css");
    if (!this.element.open) this.element.showModal();
  }
}
