/**
 * The dialogs of the garage page: adopting a car by its PIN, and the QR code with which a guest drives a car.
 */

import { Dialog, byId, digitsOf, post } from "../panels/dialog.js";
import { attribute, hide, write } from "../shell/shell.js";
import { nameOf } from "./rules.js";

const PIN = /^\d{6}$/;

const ADOPT = `<form class="fields" novalidate>
  <p data-i18n="garage.adopt.how"></p>
  <label id="adopt-where"><span data-i18n="garage.address"></span>
    <input id="adopt-address" maxlength="200" autocomplete="off" placeholder="192.168.1.23:8000"></label>
  <label><span data-i18n="pair.pin"></span><input id="adopt-pin" inputmode="numeric" autocomplete="off" maxlength="40"></label>
  <p id="adopt-error" role="alert"></p>
  <button class="done" data-i18n="garage.adopt"></button>
</form>`;

const GUEST = `<form class="fields" novalidate>
  <p id="guest-how"></p>
  <label><span data-i18n="garage.name"></span><input id="guest-name" maxlength="32" autocomplete="off"></label>
  <button data-i18n="garage.code.new"></button>
  <p id="guest-error" role="alert"></p>
  <img id="guest-qr" hidden>
  <a id="guest-link" target="_blank" hidden></a>
</form>`;

/** A dialog with one form. @param {string} id @param {any} tools @param {string} fields @param {() => void} enter @returns {Dialog} */
function formOf(id, tools, fields, enter) {
  const dialog = new Dialog(id, tools, fields, { close: "close" });
  dialog.element.addEventListener("submit", (event) => {
    event.preventDefault();
    enter();
  });
  return dialog;
}

/** Send a request, and write the reason of a refusal. @returns {Promise<any>} the answer, null if it was refused */
async function ask(path, body, error, say) {
  const { status, answer, wait_s } = await post(path, body);
  const { code = "error", message } = answer.error ?? {};
  write(byId(error), status === 200 ? "" : say(`garage.problem.${code}`) || say(`pair.${code}`, { wait: wait_s }) || message);
  return status === 200 ? answer : null;
}

/** @param {any} tools @returns {(id: string) => Promise<void>} opens the dialog for the car of a card; with "" it asks for an address */
export function adoption(tools) {
  const { say } = tools.words;
  let car = "";
  const dialog = formOf("adopt", tools, ADOPT, async () => {
    const pin = digitsOf(byId("adopt-pin").value);
    if (!PIN.test(pin)) return write(byId("adopt-error"), say("pair.digits")); // this costs no try
    const adopted = await ask("/api/v1/adopt", { car: car || byId("adopt-address").value.trim(), pin }, "adopt-error", say);
    if (!adopted) return;
    dialog.element.close();
    tools.note("garage.adopted", adopted);
  });
  return async (id) => {
    car = id;
    hide("adopt-where", Boolean(id));
    byId("adopt-pin").value = byId("adopt-error").textContent = "";
    await dialog.show();
    byId(id ? "adopt-pin" : "adopt-address").focus();
  };
}

/** @param {any} tools @returns {(car: any) => Promise<void>} opens the dialog for a card, with a code for a guest without a name */
export function invitation(tools) {
  const { say } = tools.words;
  let car = { id: "" };
  const draw = ({ link = "", qr = "" }) => {
    hide("guest-qr", !qr);
    byId("guest-qr").src = qr;
    hide("guest-link", !link);
    attribute(byId("guest-link"), "href", link);
    write(byId("guest-link"), link.replace(/#.*/, ""));
  };
  const enter = async () => {
    const asked = car;
    const answer = await ask(`/api/v1/cars/${car.id}/invite`, { name: byId("guest-name").value.trim() }, "guest-error", say);
    if (asked === car) draw(answer ?? {});
  };
  const dialog = formOf("guest", tools, GUEST, enter);
  return async (card) => {
    car = card;
    write(byId("guest-how"), say("garage.guest.how", { name: nameOf(car) }));
    attribute(byId("guest-qr"), "alt", say("garage.code"));
    draw({});
    await dialog.show();
    enter();
  };
}
