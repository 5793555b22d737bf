/**
 * Switching the car's computer off, or restarting it, after one more question. The settings offer it if the car can do it.
 */

import { Dialog, byId, post } from "./dialog.js";

const ACTIONS = { "power-off": "off", "power-reboot": "reboot" };

const FIELDS = `<div class="fields" tabindex="-1">
  <p id="power-text" role="status"></p>
  <p id="power-why" class="note"></p>
  <button id="power-off" class="wide" type="button" data-i18n="power.off"></button>
  <button id="power-reboot" class="wide" type="button" data-i18n="power.reboot"></button>
</div>`;

export default class Power {
  #dialog;
  #tools;
  #key = "";
  #why = "";

  /** @param {import("../shell/shell.js").Tools} tools */
  constructor(tools) {
    this.#tools = tools;
    this.#dialog = new Dialog("power", tools, FIELDS, { close: "close" });
    for (const [id, action] of Object.entries(ACTIONS)) byId(id).addEventListener("click", () => this.#ask(action));
    tools.words.listen(() => this.#show());
  }

  open() {
    this.#report("ask");
    return this.#dialog.show();
  }

  async #ask(action) {
    this.#report("asking");
    const { status, answer } = await post("/api/v1/power", { action });
    if (status === 202) this.#report(action === "off" ? "going" : "rebooting");
    else this.#report(answer.error?.code ?? "error", answer.error?.message ?? "");
  }

  #report(key, why = "") {
    this.#key = key;
    this.#why = why;
    this.#show();
  }

  /** The buttons are disabled while the car shuts down. */
  #show() {
    const { words } = this.#tools;
    const busy = ["asking", "going", "rebooting"].includes(this.#key);
    for (const id of Object.keys(ACTIONS)) byId(id).disabled = busy;
    byId("power-text").textContent = words.say(`power.${this.#key}`) || words.say("pair.error");
    byId("power-why").textContent = this.#key === "not_available" ? this.#why : "";
  }
}
