/**
 * The settings: controls, look and language of this phone; the owner's speed cap; health of the car; secure links.
 *
 * A change takes effect at once and is stored on this phone only. The owner's speed cap alone is stored in the car.
 */

import { healthOf } from "../hud/facts.js";
import { allowed } from "../inputs/tilt.js";
import { LANGUAGES, PARTS, PREFERENCES } from "../shell/shell.js";
import { shape } from "../sticks.js";
import { Dialog, byId, digitsOf, get, post } from "./dialog.js";

const HEALTH_EVERY_MS = 1000;
const percent = (value) => `${Math.round(value * 100)}%`;

const LAYOUTS = [
  '<rect x="3" y="3" width="12" height="22" rx="4"/><rect x="33" y="3" width="12" height="22" rx="4"/><path d="M9 8v12M36 14h6"/>',
  '<circle cx="24" cy="14" r="11"/><circle cx="24" cy="14" r="4"/>',
  '<path d="M24 3v7m-3-4 3-3 3 3M24 25v-7m-3 4 3 3 3-3M12 14h7m-4-3-3 3 3 3M36 14h-7m4-3 3 3-3 3"/>',
  '<rect x="11" y="7" width="26" height="14" rx="3" transform="rotate(-16 24 14)"/><path d="M39 6q5 8 0 16m-3-3 3 3 4-2"/>',
].map((shape) => `<svg viewBox="0 0 48 28" aria-hidden="true">${shape}</svg>`);

const nameOf = (key) => key.split(".").find((part) => part in PREFERENCES) ?? "";
/** Radio buttons for the values of a preference: its title, a word for each value, perhaps a drawing for each. */
const choice = (title, words, drawings = []) => `<fieldset class="choice"><legend data-i18n="${title}"></legend>
  ${PREFERENCES[nameOf(title)].map((value, index) => {
    const language = LANGUAGES.includes(value) ? ` lang="${value}"` : "";
    return `<label><input type="radio" name="${nameOf(title)}" value="${value}">${drawings[index] ?? ""}
      <span${language} data-i18n="${words[index]}"></span></label>`;
  }).join("")}</fieldset>`;
const slider = (title, step) => {
  const { least, most } = PREFERENCES[nameOf(title)];
  return `<label class="row"><span data-i18n="${title}"></span><output></output>
    <input type="range" name="${nameOf(title)}" min="${least}" max="${most}" step="${step}"></label>`;
};
const toggle = (name, note = "") =>
  `<label class="row"><span data-i18n="${name}"></span>${note}<input type="checkbox" role="switch" name="${name}"></label>`;
const FIELDS = `<div class="fields" tabindex="-1">
  ${choice("layout.title", ["layout.thumbs", "layout.stick", "layout.arrows", "layout.tilt"], LAYOUTS)}
  <p id="tilt-note" class="note" role="status"></p>
  ${toggle("swap")}
  <fieldset class="feel"><legend data-i18n="feel.title"></legend>
    ${slider("feel.deadzone", 0.01)}
    ${slider("feel.expo", 0.05)}
    <svg id="curve" viewBox="0 0 100 100" role="img" data-i18n-label="feel.curve">
      <path class="axes" d="M50 0v100M0 50h100"/><path id="line"/></svg>
  </fieldset>
  ${choice("theme.title", ["theme.auto", "theme.light", "theme.dark", "theme.outdoor"])}
  ${choice("language.title", ["language.auto", "language.en", "language.zh"])}
  ${toggle("vibration", '<small id="vibration-note"></small>')}
  ${toggle("awake")}
  <button id="fullscreen" class="wide" type="button"></button>
  <p id="fullscreen-note" class="note"></p>
  <h3 data-i18n="phones.title"></h3>
  <form id="cap-form" class="feel" novalidate data-after="phones">
    <label class="row"><span data-i18n="cap.title"></span><output></output>
      <input id="cap-speed" type="range" min="0.1" max="1" step="0.05"></label>
    <label id="cap-lock" class="row" hidden><span data-i18n="cap.pin"></span>
      <input id="cap-pin" inputmode="numeric" autocomplete="off" maxlength="40" size="6"></label>
    <p class="note" data-i18n="cap.note"></p>
    <p id="cap-answer" class="note" role="status"></p>
    <button id="cap-save" class="wide" data-i18n="cap.save"></button>
  </form>
  <h3 data-i18n="health.title" data-after="car"></h3>
  <ul id="health"></ul>
  <h3 data-i18n="secure.title"></h3>
  <ul id="secure"></ul>
  <p id="secure-how" class="note"></p>
  <p id="about" class="note"></p>
</div>`;

/**
 * @param {{deadzone: number, expo: number}} curve
 * @returns {string} an SVG path in a square of 100: stick to the right, effect upwards
 */
export function curvePath(curve) {
  const points = Array.from({ length: 41 }, (_, index) => {
    const stick = index / 20 - 1;
    return `${(50 + stick * 50).toFixed(1)} ${(50 - shape(stick, curve) * 50).toFixed(1)}`;
  });
  return `M${points.join("L")}`;
}

export default class Settings {
  #dialog;
  #tools;
  #fields;

  /** @param {import("../shell/shell.js").Tools} tools */
  constructor(tools) {
    this.#tools = tools;
    this.#dialog = new Dialog("settings", tools, FIELDS);
    for (const [name, { under }] of Object.entries(PARTS)) if (under) this.#offer(name, under);
    byId("power-open").hidden = true; // until the car offers it
    tools.words.fill(this.#dialog.element);
    this.#fields = [...this.#dialog.element.querySelectorAll("input[name]")];
    for (const field of this.#fields) field.addEventListener("input", () => this.#changed(field));
    byId("fullscreen").addEventListener("click", () => this.#toggleFullscreen());
    document.addEventListener("fullscreenchange", () => this.#show());
    byId("cap-speed").addEventListener("input", () => this.#showCap());
    byId("cap-form").addEventListener("submit", (event) => this.#saveCap(event));
    tools.words.listen(() => this.#show());
    setInterval(() => this.#dialog.element.open && this.#showHealth(), HEALTH_EVERY_MS);
  }

  /** Add the button that opens another dialog. @param {any} name of PARTS @param {string} heading that it belongs to */
  #offer(name, heading) {
    const button = document.createElement("button");
    button.id = `${name}-open`;
    button.className = "wide";
    button.type = "button";
    button.dataset.i18n = `${name}.title`;
    button.addEventListener("click", () => {
      this.#dialog.element.close();
      this.#tools.open(name);
    });
    this.#dialog.element.querySelector(`[data-after=${heading}]`)?.before(button);
  }

  open() {
    byId("cap-speed").value = this.#tools.hud.ownersCap;
    byId("cap-pin").value = "";
    byId("cap-answer").textContent = "";
    byId("tilt-note").textContent = "";
    this.#show();
    this.#dialog.show();
    this.#offerPower();
  }

  /** Show the button only if the car can switch its computer off: a laptop, or a system that forbids it, cannot. */
  async #offerPower() {
    byId("power-open").hidden = (await get("/api/v1/power"))?.available !== true;
  }

  #show() {
    const { preferences, words, link } = this.#tools;
    for (const field of this.#fields) {
      const value = preferences.get(field.name);
      if (field.type === "radio") field.checked = field.value === value;
      else if (field.type === "checkbox") field.checked = value;
      else {
        field.value = value;
        field.parentElement.querySelector("output").textContent = percent(value);
      }
    }
    byId("line").setAttribute("d", curvePath({ deadzone: preferences.get("deadzone"), expo: preferences.get("expo") }));
    byId("vibration-note").textContent = "vibrate" in navigator ? "" : words.say("vibration.none");
    this.#showFullscreen();
    this.#showSecure();
    this.#showCap();
    this.#showHealth();
    const car = link.hello?.car;
    byId("about").textContent = car ? words.say("about", car) : "";
  }

  #showFullscreen() {
    const { words } = this.#tools;
    const able = document.fullscreenEnabled ?? false;
    byId("fullscreen").hidden = !able;
    byId("fullscreen").textContent = words.say(document.fullscreenElement ? "fullscreen.leave" : "fullscreen.enter");
    byId("fullscreen-note").textContent = able ? "" : words.say("fullscreen.none");
  }

  #showSecure() {
    const { words } = this.#tools;
    const features = {
      tilt: isSecureContext && "DeviceOrientationEvent" in globalThis,
      awake: "wakeLock" in navigator,
      gamepad: "getGamepads" in navigator,
      install: isSecureContext,
    };
    const lines = Object.entries(features).map(([name, there]) => {
      const line = document.createElement("li");
      line.className = there ? "there" : "";
      line.textContent = words.say(`secure.${name}`) + words.say("colon") + words.say(there ? "secure.yes" : "secure.no");
      return line;
    });
    byId("secure").replaceChildren(...lines);
    byId("secure-how").textContent = words.say(isSecureContext ? "secure.here" : "secure.how");
  }

  #showHealth() {
    const { words, link } = this.#tools;
    const lines = healthOf(link.state?.host ?? {}, words.say).map(({ name, value, grade }) => {
      const line = document.createElement("li");
      line.className = grade;
      const told = document.createElement("b");
      told.textContent = value;
      line.append(name, told);
      return line;
    });
    byId("health").replaceChildren(...lines);
  }

  async #changed({ name, type, value, checked }) {
    const { preferences, words } = this.#tools;
    const wanted = type === "checkbox" ? checked : type === "range" ? Number(value) : value;
    const answer = wanted === "tilt" ? await allowed() : "granted";
    if (name === "layout") byId("tilt-note").textContent = answer === "granted" ? "" : words.say(`tilt.${answer}`);
    if (answer === "granted") preferences.set(name, wanted);
    this.#show();
  }

  #toggleFullscreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else document.documentElement.requestFullscreen({ navigationUI: "hide" }).catch(() => {});
  }

  #showCap() {
    const { hud, link } = this.#tools;
    const speed = Number(byId("cap-speed").value);
    byId("cap-form").querySelector("output").textContent = percent(speed);
    byId("cap-speed").setAttribute("aria-valuetext", percent(speed));
    byId("cap-lock").hidden = speed <= hud.ownersCap;
    byId("cap-save").disabled = !link.state || Math.abs(speed - hud.ownersCap) < 0.001;
    byId("cap-form").hidden = byId("invite-open").hidden = !link.state || !("speed_cap" in link.state);
  }

  async #saveCap(event) {
    event.preventDefault();
    const { hud, words } = this.#tools;
    const speed = Number(byId("cap-speed").value);
    const pin = digitsOf(byId("cap-pin").value);
    if (speed > hud.ownersCap && !/^\d{6}$/.test(pin)) {
      byId("cap-answer").textContent = words.say("pair.digits"); // this costs no try
      return;
    }
    const { status, answer, wait_s } = await post("/api/v1/speed-cap", speed > hud.ownersCap ? { speed, pin } : { speed });
    const code = status === 200 ? "saved" : (answer.error?.code ?? "error");
    byId("cap-answer").textContent =
      words.say(`cap.${code}`, { cap: percent(speed) }) || words.say(`pair.${code}`, { wait: wait_s }) || words.say("pair.error");
    byId("cap-pin").value = "";
    setTimeout(() => this.#showCap(), 400); // by then the new cap is in the state
  }
}
