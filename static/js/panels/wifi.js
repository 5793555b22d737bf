/**
 * The car's network, and joining another one. The settings offer it if the car has a WiFi of its own.
 *
 * Joining takes the network from under this page: the page announces it, explains the lost link on the card, and at the
 * return compares what the car reports with what it reported before.
 */

import { timeOf } from "../hud/bar.js";
import { write } from "../shell/shell.js";
import { clock } from "../sticks.js";
import { Dialog, byId, digitsOf, get, post } from "./dialog.js";

const PATH = "/api/v1/wifi";
const LOOK_EVERY_MS = 2000;
/** From a request until the network goes, and the longest time until the car has a network again. */
const [GOES_S, BACK_S] = [5, 150];

const field = (name, attributes) => `<label class="row"><span data-i18n="wifi.${name}"></span>
    <input id="wifi-${name}" autocomplete="off" ${attributes}></label>`;
const FIELDS = `<form class="fields" tabindex="-1" novalidate>
  <ul id="wifi-now"></ul>
  <p class="note"><a href="/help/wifi" target="_blank" data-i18n="wifi.help"></a></p>
  <h3 data-i18n="wifi.join"></h3>
  <label class="row"><span data-i18n="wifi.seen"></span><select id="wifi-seen"></select></label>
  ${field("ssid", 'maxlength="32" autocapitalize="none" spellcheck="false"')}
  ${field("password", 'type="password" maxlength="63"')}
  ${field("show", 'type="checkbox" role="switch"')}
  ${field("pin", 'inputmode="numeric" maxlength="40"')}
  <p id="wifi-answer" role="status"></p>
  <p id="wifi-why" class="note"></p>
  <button id="wifi-go" class="wide"></button>
</form>`;

/** @param {any} status @returns {string} what changes when the car changes its network */
const report = (status) => JSON.stringify(status && [status.mode, status.ssid, status.last]);

export default class Wifi {
  #dialog;
  #tools;
  /** The newest answer of the car, null without one. @type {any} */ #status = null;
  /** The request whose end is awaited, with the report of before. @type {{ssid: string, at: number, before: string}|null} */ #asked = null;
  /** The name of a network whose password the car replaces. */ #replaces = "";
  #told = { code: "", ssid: "", why: "", wait: 0 };

  /** @param {import("../shell/shell.js").Tools} tools */
  constructor(tools) {
    this.#tools = tools;
    this.#dialog = new Dialog("wifi", tools, FIELDS);
    const form = /** @type {HTMLFormElement} */ (this.#dialog.element.querySelector("form"));
    const show = () => (byId("wifi-password").type = byId("wifi-show").checked ? "text" : "password");
    this.#dialog.element.addEventListener("close", () => (form.reset(), show()));
    byId("wifi-show").addEventListener("input", show);
    form.addEventListener("submit", (event) => (event.preventDefault(), this.#join()));
    byId("wifi-ssid").addEventListener("input", () => this.#show());
    byId("wifi-seen").addEventListener("change", () => ((byId("wifi-ssid").value = byId("wifi-seen").value), this.#show()));
    tools.words.listen(() => this.#show());
    setInterval(() => (this.#dialog.element.open || this.#asked) && this.#look(), LOOK_EVERY_MS);
  }

  async open() {
    if (!this.#asked) this.#tell("");
    await this.#dialog.show();
    await this.#look();
    const { last, ssid } = this.#status ?? {};
    if (!last || last.ssid === ssid || this.#asked) return;
    byId("wifi-ssid").value ||= last.ssid;
    this.#tell(last.code, last.ssid, last.text); // the page that asked may have been another one
  }

  /** Offer the networks in sight, unless the list is open at this moment. */
  #offer() {
    const { words } = this.#tools;
    const [list, seen] = [byId("wifi-seen"), this.#status?.seen ?? []];
    list.closest("label").hidden = !seen.length;
    if (document.activeElement === list) return;
    const kind = (one) => (one.known ? "known" : one.secured ? "secured" : "open");
    const texts = [["", words.say("wifi.seen.none")], ...seen.map((one) => [one.ssid, words.say(`wifi.seen.${kind(one)}`, one)])];
    if (list.dataset.shown !== JSON.stringify(texts)) list.replaceChildren(...texts.map(([ssid, text]) => new Option(text, ssid)));
    list.dataset.shown = JSON.stringify(texts);
    list.value = byId("wifi-ssid").value.trim();
    if (list.selectedIndex < 0) list.value = "";
  }

  async #look() {
    this.#status = this.#tools.link.state ? await get(PATH) : null;
    if (this.#asked) this.#settle(this.#asked, this.#status, clock() - this.#asked.at);
    this.#show();
  }

  /** Find out how a request ended. After a lost link, or another report, the car has begun. */
  #settle(asked, status, age_s) {
    if (age_s > GOES_S && report(status) !== asked.before) asked.before = "";
    const joined = status?.mode === "wifi" && status.ssid === asked.ssid;
    const failed = status?.last?.ssid === asked.ssid;
    const over = age_s > BACK_S || (!asked.before && (joined || failed));
    if (status && over) this.#end(joined ? "joined" : failed ? status.last.code : "stayed", asked.ssid, status.last?.text);
  }

  #end(code, ssid, why) {
    this.#await(null);
    this.#tell(code, ssid, why);
    this.#tools.note(`wifi.${code}`, { ssid });
  }

  async #join() {
    const [ssid, password, pin] = [byId("wifi-ssid").value.trim(), byId("wifi-password").value, digitsOf(byId("wifi-pin").value)];
    if (!ssid) return byId("wifi-ssid").focus();
    if (!/^\d{6}$/.test(pin)) return this.#tell("digits"); // this costs no try
    const before = report(this.#status);
    byId("wifi-go").disabled = true;
    const { status, answer, wait_s } = await post(PATH, { ssid, password, pin, replace: ssid === this.#replaces });
    byId("wifi-go").disabled = false;
    const code = status === 202 ? "going" : (answer.error?.code ?? "error");
    this.#replaces = code === "known" ? ssid : "";
    if (code !== "known") byId("wifi-pin").value = "";
    if (code === "going") {
      byId("wifi-password").value = "";
      this.#await({ ssid, at: clock(), before });
    }
    this.#tell(code, ssid, answer.error?.message, wait_s);
  }

  #await(asked) {
    this.#asked = asked;
    this.#tools.hud.joins = asked?.ssid ?? "";
  }

  #tell(code, ssid = "", why = "", wait = 0) {
    this.#told = { code, ssid, why, wait };
    this.#show();
    byId("wifi-answer").scrollIntoView({ block: "nearest" });
  }

  #show() {
    const { words } = this.#tools;
    const { code, why } = this.#told;
    const say = (key, values = /** @type {object} */ (this.#told)) => words.say(`wifi.${key}`, values) || words.say(`pair.${key}`, values);
    const told = code === "going" ? ["going", "away", "name"].map((key) => say(key)).join(words.say("gap")) : code && (say(code) || say("error"));
    write(byId("wifi-answer"), told);
    write(byId("wifi-why"), code === "other" || (code && !say(code)) ? why : "");
    write(byId("wifi-go"), say(this.#replaces && this.#replaces === byId("wifi-ssid").value.trim() ? "replace" : "go"));
    byId("wifi-go").hidden = this.#asked !== null;
    this.#offer();
    const { mode, address, stations, next_look_s: look_s } = this.#status ?? {};
    const rows = {
      network: mode && say(`mode.${mode}`, this.#status),
      address,
      stations: mode === "hotspot" && String(stations),
      look: Number.isFinite(look_s) && say("in", { time: timeOf(look_s) }),
    };
    byId("wifi-now").replaceChildren(...Object.entries(rows).filter(([, value]) => value).map(([key, value]) => {
      const line = document.createElement("li");
      line.append(say(key), Object.assign(document.createElement("b"), { textContent: value }));
      return line;
    }));
  }
}
