/**
 * "Drive anyway": the owner of a car that the garage holds lifts the hold with the car's PIN.
 */

import { Dialog, byId, digitsOf, post } from "./dialog.js";

const PIN = /^\d{6}$/;

const FIELDS = `<form class="fields" novalidate>
  <p data-i18n="lift.how"></p>
  <label class="row"><span data-i18n="pair.pin"></span>
    <input id="lift-pin" inputmode="numeric" autocomplete="off" maxlength="40" size="6"></label>
  <p id="lift-error" role="alert"></p>
  <button id="lift-go" class="wide" data-i18n="lift.title"></button>
</form>`;

export default class Lift {
  #dialog;
  #tools;

  /** @param {import("../shell/shell.js").Tools} tools */
  constructor(tools) {
    this.#tools = tools;
    this.#dialog = new Dialog("lift", tools, FIELDS, { close: "close" });
    this.#dialog.element.querySelector("form")?.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#enter();
    });
  }

  async open() {
    byId("lift-error").textContent = byId("lift-pin").value = "";
    await this.#dialog.show();
    byId("lift-pin").focus();
  }

  async #enter() {
    const pin = digitsOf(byId("lift-pin").value);
    if (!PIN.test(pin)) return this.#report("digits"); // this costs no try
    const { status, answer, wait_s } = await post("/api/v1/lesson", { mode: "drive", pin }, "PUT");
    if (status !== 200) return this.#report(answer.error?.code ?? "error", wait_s);
    this.#dialog.element.close();
    this.#tools.note("lift.done");
  }

  #report(code, wait = 0) {
    const { words } = this.#tools;
    byId("lift-pin").value = "";
    byId("lift-error").textContent = words.say(`pair.${code}`, { wait }) || words.say("pair.error");
    byId("lift-pin").focus();
  }
}
