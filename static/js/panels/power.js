/**
 * Switching the car's machine off, or starting it again. The settings offer it where the car can; here it is asked once more.
 */

import { Dialog, byId, post } from "./dialog.js";

const ACTIONS = { "power-off": "off", "power-reboot": "reboot" };

class Power {
  #dialog;
  #tools;
  #key = "";
  #why = "";

  constructor(tools) {
    this.#tools = tools;
    this.#dialog = new Dialog("power", tools);
    for (const [id, action] of Object.entries(ACTIONS)) byId(id).addEventListener("click", () => this.#ask(action));
    tools.words.listen(() => this.#show());
  }

  open() {
    this.#tell("ask");
    return this.#dialog.show();
  }

  async #ask(action) {
    this.#tell("asking");
    const { status, answer } = await post("/api/v1/power", { action });
    if (status === 202) this.#tell(action === "off" ? "going" : "rebooting");
    else this.#tell(answer.error?.code ?? "error", answer.error?.message ?? "");
  }

  #tell(key, why = "") {
    this.#key = key;
    this.#why = why;
    this.#show();
  }

  /** Nothing is to be asked twice while the car goes down. */
  #show() {
    const { words } = this.#tools;
    const busy = ["asking", "going", "rebooting"].includes(this.#key);
    for (const id of Object.keys(ACTIONS)) byId(id).disabled = busy;
    byId("power-text").textContent = words.say(`power.${this.#key}`) || words.say("pair.error");
    byId("power-why").textContent = this.#key === "not_available" ? this.#why : "";
  }
}

/** @param {any} tools of the page @returns {Power} */
export const make = (tools) => new Power(tools);
