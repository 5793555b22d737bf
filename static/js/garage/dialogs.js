/**
 * The dialogs of the garage page: adopting a car by its PIN, and giving the wheel away, here or on a phone by a QR code.
 */

import { attribute, byId, hide, write } from "../shell/shell.js";
import { Dialog, digitsOf, post } from "../panels/dialog.js";

const PIN = /^\d{6}$/;
const GUEST_S = 3600;

const ADOPT = `<form class="fields" novalidate>
  <p data-i18n="garage.adopt.how"></p>
  <label id="adopt-where"><span data-i18n="garage.address"></span>
    <input id="adopt-address" maxlength="200" autocomplete="off" placeholder="192.168.1.23:8000"></label>
  <label><span data-i18n="pair.pin"></span><input id="adopt-pin" inputmode="numeric" autocomplete="off" maxlength="40"></label>
  <p id="adopt-error" role="alert"></p>
  <button id="adopt-go" class="wide" data-i18n="garage.adopt"></button>
</form>`;

const GUEST = `<form class="fields" novalidate>
  <p id="guest-how"></p>
  <label><span data-i18n="garage.name"></span><input id="guest-name" maxlength="32" autocomplete="off"></label>
  <button id="guest-go" class="wide"></button>
  <img id="guest-qr" hidden>
  <a id="guest-link" hidden></a>
  <p id="guest-error" role="alert"></p>
</form>`;

/** A dialog with one form. */
class Form extends Dialog {
  /** @param {string} id @param {any} tools @param {string} fields */
  constructor(id, tools, fields) {
    super(id, tools, fields, { close: "close" });
    this.tools = tools;
    this.say = tools.words.say;
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      this.enter();
    });
  }

  enter() {}

  /** @param {{status: number, answer: any, wait_s: number}} reply @returns {string} the reason of a refusal, or "" */
  reasonOf({ status, answer, wait_s }) {
    if (status === 200) return "";
    return this.say(`pair.${answer.error?.code}`, { wait: wait_s }) || answer.error?.message || this.say("pair.error");
  }
}

/** Adopting a car that mDNS has found, or one by its address. */
export class Adopt extends Form {
  #id = "";

  /** @param {any} tools */
  constructor(tools) {
    super("adopt", tools, ADOPT);
  }

  /** @param {string} id of a card, or "" to ask for an address */
  async open(id) {
    this.#id = id;
    hide("adopt-where", Boolean(id));
    byId("adopt-pin").value = byId("adopt-error").textContent = "";
    await this.show();
    byId(id ? "adopt-pin" : "adopt-address").focus();
  }

  async enter() {
    const pin = digitsOf(byId("adopt-pin").value);
    if (!PIN.test(pin)) return write(byId("adopt-error"), this.say("pair.digits")); // this costs no try
    byId("adopt-go").disabled = true;
    const reply = await post("/api/v1/adopt", { car: this.#id || byId("adopt-address").value.trim(), pin });
    byId("adopt-go").disabled = false;
    write(byId("adopt-error"), this.reasonOf(reply));
    if (reply.status !== 200) return;
    this.element.close();
    this.tools.note("garage.adopted", reply.answer);
  }
}

/** The wheel of a car for a guest: its page opens here, or on the phone that scans the QR code. */
export class Guest extends Form {
  #car = { id: "", name: "" };
  #coded = false;

  /** @param {any} tools */
  constructor(tools) {
    super("guest", tools, GUEST);
  }

  /** @param {any} car its card @param {boolean} coded whether to show a QR code */
  async open(car, coded) {
    [this.#car, this.#coded] = [car, coded];
    write(byId("guest-how"), this.say(coded ? "garage.guest.code" : "garage.guest.drive", car));
    write(byId("guest-go"), this.say(coded ? "garage.code.new" : "garage.drive.one"));
    attribute(byId("guest-qr"), "alt", this.say("garage.code", car));
    this.#draw({});
    await this.show();
    byId("guest-name").focus();
    if (coded) this.enter();
  }

  async enter() {
    const { id } = this.#car;
    const name = byId("guest-name").value.trim();
    if (!this.#coded) return this.tools.go(`/drive/${encodeURIComponent(id)}?name=${encodeURIComponent(name)}`);
    const reply = await post(`/api/v1/cars/${encodeURIComponent(id)}/invite`, { name, for_s: GUEST_S });
    if (id === this.#car.id) this.#draw(reply.answer, this.reasonOf(reply));
  }

  #draw({ link = "", qr = "" }, why = "") {
    hide("guest-qr", !qr);
    byId("guest-qr").src = qr;
    hide("guest-link", !link);
    attribute(byId("guest-link"), "href", link);
    write(byId("guest-link"), link.replace(/#.*/, ""));
    write(byId("guest-error"), why);
  }
}
