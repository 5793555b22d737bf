/**
 * Pairing this phone: by the PIN, or by the token of a QR code in the address. Both ask for a name once.
 * The token of a guest's invitation pairs at once: the invitation has the name.
 */

import { write } from "../shell/shell.js";
import { Dialog, byId, digitsOf, get, post } from "./dialog.js";

const PIN = /^\d{6}$/;
const GUEST = /^g\./;
const KEY = `<svg id="pair-key" viewBox="0 0 48 48" aria-hidden="true">
  <circle cx="15" cy="24" r="9.500"/><circle cx="15" cy="24" r="2.500"/><path d="M24.500 24H45v7m-8-7v5"/></svg>`;

const FIELDS = `<form class="fields" novalidate>
  <p id="pair-how"></p>
  <label id="pair-pin"><span data-i18n="pair.pin"></span>
    <input id="pin" inputmode="numeric" autocomplete="one-time-code" maxlength="40" size="6"></label>
  <label><span data-i18n="pair.name"></span><input id="pair-name" maxlength="32" autocomplete="nickname" size="12"></label>
  <button id="pair-go" class="wide" data-i18n="pair.go"></button>
  <p id="pair-error" role="alert"></p>
  <details id="pair-where"><summary data-i18n="pair.where"></summary><p data-i18n="pair.terminal"></p></details>
  <button class="done" type="button" data-i18n="close"></button>
</form>`;

export default class Pair {
  #dialog;
  #tools;
  #car = "picar";
  #token = "";
  #lockedUntil = 0;
  #code = "";
  #timer = 0;

  /** @param {import("../shell/shell.js").Tools} tools */
  constructor(tools) {
    this.#tools = tools;
    this.#dialog = new Dialog("pair", tools, FIELDS, { before: KEY, close: "", stop: false });
    this.#dialog.element.querySelector("form")?.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#enter();
    });
    byId("pin").addEventListener("input", ({ isComposing }) => isComposing || this.#tidy());
    byId("pin").addEventListener("compositionend", () => this.#tidy());
    tools.words.listen(() => this.#show());
  }

  /** @param {{token?: string, session?: {car: string, allowed: boolean}, again?: boolean}} options again: it was paired before */
  async open({ token, session, again }) {
    this.#token = token ?? this.#token;
    const known = session ?? (await get("/api/v1/session"));
    this.#car = known?.car ?? this.#car;
    if (GUEST.test(token ?? "") || (token && known?.allowed)) return this.#send({ token }); // a paired phone keeps its name
    const over = this.#tools.preferences.get("guest") && !this.#token;
    this.#report(over ? "guest_over" : again ? "revoked" : this.#code);
    return this.#ask();
  }

  /** Show the dialog; the first empty field has the focus. */
  async #ask() {
    await this.#dialog.show();
    byId(this.#token ? "pair-name" : "pin").focus();
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
    if (!this.#token && !PIN.test(pin)) return this.#report("digits");
    this.#send({ ...(this.#token ? { token: this.#token } : { pin }), ...(name && { name }) });
  }

  async #send(request) {
    const { status, answer, wait_s } = await post("/api/v1/pair", request);
    if (status === 200) this.#tools.preferences.set("guest", answer.guest === true);
    if (status === 200 && (await isKept())) return this.#welcome(answer.guest);
    if (status === 429) this.#lockedUntil = performance.now() + wait_s * 1000;
    byId("pin").value = "";
    const code = status === 200 ? "no_cookies" : (answer.error?.code ?? "error");
    const used = code === "expired" && GUEST.test(this.#token);
    if (code === "expired") this.#token = "";
    this.#report(used ? "guest_expired" : code);
    return this.#ask();
  }

  #welcome(guest) {
    this.#token = "";
    this.#report("");
    byId("pin").value = "";
    this.#dialog.element.close();
    this.#tools.note(guest ? "pair.welcome_guest" : "pair.done", { car: this.#car });
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
    const why = this.#code && (words.say(`pair.${this.#code}`, { wait, car: this.#car }) || words.say("pair.error"));
    write(byId("pair-error"), why);
    byId("pair-how").textContent = words.say(this.#token ? "pair.welcome" : "pair.how", { car: this.#car });
    byId("pair-pin").hidden = byId("pair-where").hidden = this.#token !== "";
    byId("pair-go").disabled = wait > 0;
    clearTimeout(this.#timer);
    if (wait) this.#timer = setTimeout(() => this.#show(), 1000);
  }
}

/** Whether the browser sends the cookie of the pairing; true also if the car does not answer. @returns {Promise<boolean>} */
async function isKept() {
  return (await get("/api/v1/session"))?.allowed !== false;
}
