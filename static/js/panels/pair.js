/**
 * Pairing this phone: by the PIN, or by the token of a QR code in the address.
 */

import { Dialog, byId, digitsOf, get, post } from "./dialog.js";

const PIN = /^\d{6}$/;

const FIELDS = `<form class="fields" novalidate>
  <p id="pair-car" class="big"></p>
  <p id="pair-how" data-i18n="pair.how"></p>
  <label><span data-i18n="pair.pin"></span>
    <input id="pin" inputmode="numeric" autocomplete="one-time-code" maxlength="40" size="6"></label>
  <label><span data-i18n="pair.name"></span><input id="pair-name" maxlength="32" autocomplete="nickname" size="12"></label>
  <p id="pair-error" role="alert"></p>
  <button id="pair-go" class="wide" data-i18n="pair.go"></button>
</form>`;

export default class Pair {
  #dialog;
  #tools;
  #lockedUntil = 0;
  #code = "";
  #timer = 0;

  /** @param {import("../shell/shell.js").Tools} tools */
  constructor(tools) {
    this.#tools = tools;
    this.#dialog = new Dialog("pair", tools, FIELDS, { close: "close", stop: false });
    this.#dialog.element.querySelector("form")?.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#enter();
    });
    byId("pin").addEventListener("input", ({ isComposing }) => isComposing || this.#tidy());
    byId("pin").addEventListener("compositionend", () => this.#tidy());
    tools.words.listen(() => this.#show());
  }

  /** @param {{token?: string, session?: {car: string, name: string|null}, again?: boolean}} options again: it was paired before */
  async open({ token, session, again }) {
    if (session?.car) byId("pair-car").textContent = session.car;
    if (token) return this.#send({ token });
    this.#report(again ? "revoked" : this.#code);
    await this.#dialog.show();
    byId("pin").focus();
  }

  #tidy() {
    const digits = digitsOf(byId("pin").value);
    if (byId("pin").value !== digits) byId("pin").value = digits;
    this.#show();
  }

  #enter() {
    this.#tidy();
    const pin = byId("pin").value;
    const name = byId("pair-name").value.trim();
    if (!PIN.test(pin)) return this.#report("digits");
    this.#send(name ? { pin, name } : { pin });
  }

  async #send(request) {
    const { status, answer, wait_s } = await post("/api/v1/pair", request);
    if (status === 200 && (await isKept())) return this.#welcome();
    if (status === 429) this.#lockedUntil = performance.now() + wait_s * 1000;
    byId("pin").value = "";
    await this.#dialog.show();
    this.#report(status === 200 ? "no_cookies" : (answer.error?.code ?? "error"));
    byId("pin").focus();
  }

  #welcome() {
    this.#report("");
    byId("pin").value = "";
    this.#dialog.element.close();
    this.#tools.note("pair.done");
    this.#tools.link.wake();
  }

  #report(code) {
    this.#code = code;
    this.#show();
  }

  #show() {
    const { words } = this.#tools;
    const wait = Math.ceil(Math.max(0, this.#lockedUntil - performance.now()) / 1000);
    if (this.#code === "too_many_tries" && !wait) this.#code = "";
    const why = this.#code && (words.say(`pair.${this.#code}`, { wait }) || words.say("pair.error"));
    if (byId("pair-error").textContent !== why) byId("pair-error").textContent = why;
    byId("pair-go").disabled = wait > 0;
    clearTimeout(this.#timer);
    if (wait) this.#timer = setTimeout(() => this.#show(), 1000);
  }
}

/** Whether the browser sends the cookie of the pairing; true also if the car does not answer. @returns {Promise<boolean>} */
async function isKept() {
  return (await get("/api/v1/session"))?.allowed !== false;
}
