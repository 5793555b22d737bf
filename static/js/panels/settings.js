/**
 * The settings: a first page with controls, look and language, and four sections that open from it in the same dialog.
 *
 * A change takes effect at once and is stored on this phone only; the owner's speed cap and taking turns belong to the
 * car. A control that does not work now is disabled, with the reason beside it.
 */

import { healthOf } from "../hud/facts.js";
import { allowed } from "../inputs/tilt.js";
import { PARTS, PREFERENCES } from "../shell/shell.js";
import { shape } from "../sticks.js";
import { Dialog, byId, choice, get, percent, whyNot } from "./dialog.js";
import { RULES, Rules } from "./rules.js";

const LIVE_EVERY_MS = 500;

const drawing = (shape, box) => `<svg viewBox="0 0 ${box}" aria-hidden="true">${shape}</svg>`;
const LAYOUTS = [
  '<rect x="3" y="3" width="12" height="22" rx="4"/><rect x="33" y="3" width="12" height="22" rx="4"/><path d="M9 8v12M36 14h6"/>',
  '<circle cx="24" cy="14" r="11"/><circle cx="24" cy="14" r="4"/>',
  '<path d="M24 3v7m-3-4 3-3 3 3M24 25v-7m-3 4 3 3 3-3M12 14h7m-4-3-3 3 3 3M36 14h-7m4-3 3 3-3 3"/>',
  '<rect x="11" y="7" width="26" height="14" rx="3" transform="rotate(-16 24 14)"/><path d="M39 6q5 8 0 16m-3-3 3 3 4-2"/>',
].map((shape) => drawing(shape, "48 28"));
LAYOUTS[3] += '<small data-i18n="tilt.https"></small>'; // the style sheet shows it where the tile is disabled
const BACK = `<button id="settings-back" class="round" type="button" data-i18n-label="back">
  ${drawing('<path d="M15 5l-7 7 7 7"/>', "24 24")}</button>`;
const SECTIONS = {
  phone: '<rect x="6.500" y="2" width="11" height="20" rx="2.500"/><path d="M11 18.500h2"/>',
  car: '<rect x="7" y="3" width="10" height="18" rx="3.500"/><path d="M4 5v4m16-4v4M4 15v4m16-4v4M9.500 9h5"/>',
  health: '<path d="M2 13h5l3-8 4 14 3-6h5"/>',
  help: '<circle cx="12" cy="12" r="9.500"/><path d="M9 9.500a3 3 0 1 1 4 2.800q-1 .5-1 1.700M12 17.300v0"/>',
};
/** The entries of the section "Help": name of the text, word for its title. */
const HELP = { touch: "help.touch.title", keys: "help.keys.title", gamepad: "secure.gamepad", stop: "stop", reset: "reset", lost: "state.failsafe" };

const preference = (name, drawings = /** @type {string[]} */ ([])) => choice(name, PREFERENCES[name], drawings);
const slider = (name, step) => {
  const { least, most } = PREFERENCES[name];
  return `<label class="row"><span data-i18n="feel.${name}"></span><output></output>
    <input type="range" name="${name}" min="${least}" max="${most}" step="${step}"></label>`;
};
const toggle = (name, note = "") =>
  `<label class="row"><span data-i18n="${name}"></span>${note}<input type="checkbox" role="switch" name="${name}"></label>`;
const OFFERED = Object.entries(PARTS).map(([name, { needs }]) => needs
  ? `<button id="${name}-open" type="button" data-opens="${name}" data-needs="${needs}">
    <span data-i18n="${name}.title"></span><small></small></button>` : "").join("");
const WIRING = `<a href="/wiring" target="_blank" data-needs="link"><span data-i18n="wiring"></span><small></small></a>`;

/** The features that need a secure link, and whether they work here. */
const SECURE = {
  tilt: () => isSecureContext && "DeviceOrientationEvent" in globalThis,
  awake: () => "wakeLock" in navigator,
  gamepad: () => "getGamepads" in navigator,
  install: () => isSecureContext,
};

const fields = () => `<div class="fields" tabindex="-1">
<section data-page="">
  <nav>${Object.entries(SECTIONS).map(([name, shape]) => `<button id="settings-${name}" type="button">
    ${drawing(shape, "24 24")}<span data-i18n="settings.${name}"></span></button>`).join("")}</nav>
  ${preference("layout", LAYOUTS)}
  <p id="tilt-note" class="note" role="status"></p>
  ${toggle("swap")}
  <fieldset id="feel"><legend data-i18n="feel.title"></legend>
    ${slider("expo", 0.05)}
    ${slider("deadzone", 0.01)}
    <svg id="curve" viewBox="0 0 100 100" role="img" data-i18n-label="feel.curve">
      <path class="axes" d="M50 0v100M0 50h100"/><path id="line"/></svg>
  </fieldset>
  ${preference("theme")}
  ${preference("language")}
</section>
<section data-page="phone" hidden>
  ${toggle("vibration", "vibrate" in navigator ? "" : '<small data-i18n="vibration.none"></small>')}
  ${toggle("awake")}
  <button id="fullscreen" class="wide" type="button"${document.fullscreenEnabled ? "" : " hidden"}></button>
  ${document.fullscreenEnabled ? "" : '<p class="note" data-i18n="fullscreen.none"></p>'}
  <h3 data-i18n="secure.title"></h3>
  <ul id="secure">${Object.entries(SECURE).map(([name, works]) => `<li class="${works() ? "there" : ""}"><span
    ><span data-i18n="secure.${name}"></span><span data-i18n="colon"></span
    ><span data-i18n="secure.${works() ? "yes" : "no"}"></span></span></li>`).join("")}</ul>
  <p id="secure-how" class="note" data-i18n="secure.${isSecureContext ? "here" : "how"}"></p>
</section>
<section data-page="car" hidden>
  <div class="list">${OFFERED}${WIRING}</div>
  ${RULES}
</section>
<section data-page="health" hidden>
  <ul id="health"></ul>
  <p id="health-note"></p>
</section>
<section data-page="help" hidden>
  <dl>${Object.entries(HELP).map(([name, title]) =>
    `<div><dt data-i18n="${title}"></dt><dd data-i18n="help.${name}"></dd></div>`).join("")}</dl>
  <div class="list">${WIRING}</div>
  <p id="about" class="note"></p>
</section>
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
  #element;
  #tools;
  #fields;
  #rules;
  #page = "";

  /** @param {import("../shell/shell.js").Tools} tools */
  constructor(tools) {
    this.#tools = tools;
    this.#dialog = new Dialog("settings", tools, fields(), { before: BACK });
    this.#element = this.#dialog.element;
    this.#fields = [...this.#element.querySelectorAll("input[name]")].filter(({ name }) => name in PREFERENCES);
    this.#rules = new Rules(tools);
    this.#addBack();
    if (!isSecureContext) this.#element.querySelector("[value=tilt]").disabled = true;
    for (const name of Object.keys(SECTIONS)) byId(`settings-${name}`).addEventListener("click", () => this.#go(name));
    for (const opener of this.#element.querySelectorAll("[data-needs]")) {
      opener.addEventListener("click", (event) => this.#leave(event, opener));
    }
    for (const field of this.#fields) field.addEventListener("input", () => this.#changed(field));
    byId("fullscreen").addEventListener("click", () => this.#toggleFullscreen());
    document.addEventListener("fullscreenchange", () => this.#show());
    tools.words.listen(() => this.#show());
    setInterval(() => this.#element.open && this.#showLive(), LIVE_EVERY_MS);
  }

  /** Escape and the back gesture of a phone return from a section to the first page. */
  #addBack() {
    byId("settings-title").tabIndex = -1;
    byId("settings-back").addEventListener("click", () => this.#go(""));
    const back = (event) => {
      if (!this.#page || !event.cancelable) return; // a browser lets a page prevent only some of the cancel events
      event.preventDefault();
      this.#go("");
    };
    this.#element.addEventListener("cancel", back);
    this.#element.addEventListener("keydown", (event) => event.key === "Escape" && back(event));
  }

  async open() {
    byId("tilt-note").textContent = "";
    this.#rules.open();
    byId("power-open").hidden = true; // a laptop, or a system that forbids it, cannot switch itself off
    this.#turnTo("");
    this.#show();
    this.#dialog.show();
    byId("power-open").hidden = (await get("/api/v1/power"))?.available !== true;
  }

  /** Go to a section, or back to the first page; the focus goes to the title, or back to the button. */
  #go(page) {
    const button = byId(`settings-${this.#page}`);
    this.#turnTo(page);
    (page ? byId("settings-title") : button).focus();
  }

  #turnTo(page) {
    this.#page = page;
    for (const each of /** @type {NodeListOf<HTMLElement>} */ (this.#element.querySelectorAll("[data-page]"))) {
      each.hidden = each.dataset.page !== page;
    }
    byId("settings-back").hidden = !page;
    byId("settings-title").dataset.i18n = `settings.${page || "title"}`;
    byId("settings-title").textContent = this.#tools.words.say(`settings.${page || "title"}`);
    for (const each of [this.#element, this.#element.querySelector(".fields")]) each?.scrollTo(0, 0);
  }

  /** Open another dialog, or follow a link, unless something is missing. */
  #leave(event, opener) {
    if (whyNot(this.#tools, opener.dataset.needs)) return event.preventDefault();
    opener.focus(); // Safari does not focus a pressed button; the focus returns to it when the dialog closes
    return opener.dataset.opens && this.#tools.open(opener.dataset.opens);
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
    byId("fullscreen").textContent = words.say(document.fullscreenElement ? "fullscreen.leave" : "fullscreen.enter");
    this.#showLive();
    const car = link.hello?.car;
    byId("about").textContent = car ? words.say("about", car) : "";
  }

  /** Show everything that follows the newest state. */
  #showLive() {
    for (const opener of /** @type {NodeListOf<HTMLElement>} */ (this.#element.querySelectorAll("[data-needs]"))) {
      const why = whyNot(this.#tools, opener.dataset.needs ?? "");
      opener.setAttribute("aria-disabled", String(why !== "")); // unlike `disabled` it keeps the focus
      /** @type {Element} */ (opener.lastElementChild).textContent = why;
    }
    this.#rules.show();
    this.#showHealth();
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
    byId("health-note").textContent = lines.length ? "" : whyNot(this.#tools, "link") || words.say("health.none");
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
}
