/**
 * The settings: a first page with controls, look and language, and four sections that open from it in the same dialog.
 *
 * A change takes effect at once and is stored on this phone only; the owner's speed cap and taking turns belong to the
 * car. A control that does not work now is disabled, with the reason beside it.
 */

import { healthOf, timeOf } from "../hud/bar.js";
import { allowed } from "../inputs/tilt.js";
import { LANGUAGES, PARTS, PREFERENCES } from "../shell/shell.js";
import { clock, shape } from "../sticks.js";
import { Dialog, byId, digitsOf, get, post } from "./dialog.js";

const LIVE_EVERY_MS = 500;
const TURNS_S = [0, 60, 120, 300];
/** A new length of the turns is shown for this long before the car must have confirmed it. */
const TURN_EXPECTED_S = 1;

const percent = (share) => `${Math.round(share * 100)}%`;

const drawing = (shape, box) => `<svg viewBox="0 0 ${box}" aria-hidden="true">${shape}</svg>`;
const LAYOUTS = [
  '<rect x="3" y="3" width="12" height="22" rx="4"/><rect x="33" y="3" width="12" height="22" rx="4"/><path d="M9 8v12M36 14h6"/>',
  '<circle cx="24" cy="14" r="11"/><circle cx="24" cy="14" r="4"/>',
  '<path d="M24 3v7m-3-4 3-3 3 3M24 25v-7m-3 4 3 3 3-3M12 14h7m-4-3-3 3 3 3M36 14h-7m4-3 3 3-3 3"/>',
  '<rect x="11" y="7" width="26" height="14" rx="3" transform="rotate(-16 24 14)"/><path d="M39 6q5 8 0 16m-3-3 3 3 4-2"/>',
].map((shape) => drawing(shape, "48 28"));
const HTTPS = (word) => `<a href="/help/https" target="_blank" data-i18n="${word}"></a>`;
LAYOUTS[3] += `<small>${HTTPS("tilt.https")}</small>`; // the style sheet shows it where the tile is disabled
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

/** Radio buttons with the words `<name>.title` and `<name>.<value>`, perhaps with drawings. */
function choice(name, values = PREFERENCES[name], drawings = /** @type {string[]} */ ([])) {
  const tiles = values.map((value, index) => {
    const language = LANGUAGES.includes(value) ? ` lang="${value}"` : "";
    return `<label><input type="radio" name="${name}" value="${value}">${drawings[index] ?? ""}
      <span${language} data-i18n="${name}.${value}"></span></label>`;
  });
  return `<fieldset id="choice-${name}" class="choice"><legend data-i18n="${name}.title"></legend>${tiles.join("")}</fieldset>`;
}
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
  ${choice("layout", PREFERENCES.layout, LAYOUTS)}
  <p id="tilt-note" class="note" role="status"></p>
  ${toggle("swap")}
  <fieldset id="feel"><legend data-i18n="feel.title"></legend>
    ${slider("expo", 0.05)}
    ${slider("deadzone", 0.01)}
    <svg id="curve" viewBox="0 0 100 100" role="img" data-i18n-label="feel.curve">
      <path class="axes" d="M50 0v100M0 50h100"/><path id="line"/></svg>
  </fieldset>
  ${choice("theme")}
  ${choice("language")}
</section>
<section data-page="phone" hidden>
  ${toggle("vibration", "vibrate" in navigator ? "" : '<small data-i18n="vibration.none"></small>')}
  ${toggle("awake")}
  ${choice("quality")}
  <button id="fullscreen" class="wide" type="button"${document.fullscreenEnabled ? "" : " hidden"}></button>
  ${document.fullscreenEnabled ? "" : '<p class="note" data-i18n="fullscreen.none"></p>'}
  <h3 data-i18n="secure.title"></h3>
  <ul id="secure">${Object.entries(SECURE).map(([name, works]) => `<li class="${works() ? "there" : ""}"><span
    ><span data-i18n="secure.${name}"></span><span data-i18n="colon"></span
    ><span data-i18n="secure.${works() ? "yes" : "no"}"></span></span></li>`).join("")}</ul>
  <p id="secure-how" class="note" data-i18n="secure.${isSecureContext ? "here" : "how"}"></p>
  ${isSecureContext ? "" : `<p class="note">${HTTPS("secure.help")}</p>`}
</section>
<section data-page="car" hidden>
  <div class="list">${OFFERED}${WIRING}</div>
  ${choice("turn", TURNS_S)}
  <p id="turn-note" class="note"></p>
  <form id="cap-form" novalidate>
    <label class="row"><span data-i18n="cap.title"></span><output></output>
      <input id="cap-speed" type="range" aria-describedby="cap-note" min="0.1" max="1" step="0.05"></label>
    <p id="cap-note" class="note"></p>
    <label id="cap-lock" class="row" hidden><span data-i18n="cap.pin"></span>
      <input id="cap-pin" inputmode="numeric" autocomplete="off" maxlength="40" size="6"></label>
    <p id="cap-answer" class="note" role="status"></p>
    <button id="cap-save" class="wide" data-i18n="cap.save" hidden></button>
  </form>
</section>
<section data-page="health" hidden>
  <p id="health-hazard" hidden><span data-i18n="hazard"></span><span data-i18n="gap"></span><span data-i18n="hazard.oe"></span></p>
  <p id="health-moved" hidden><span data-i18n="health.moved"></span></p>
  <ul id="health"></ul>
  <p id="health-note"></p>
</section>
<section data-page="help" hidden>
  <dl>${Object.entries(HELP).map(([name, title]) =>
    `<div><dt data-i18n="${title}"></dt><dd data-i18n="help.${name}"></dd>${
    name === "stop" ? '<dd id="help-rest"></dd>' : ""}</div>`).join("")}</dl>
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
  #turn = { for_s: 0, at: -Infinity };
  #capMoved = false;
  #page = "";

  /** @param {import("../shell/shell.js").Tools} tools */
  constructor(tools) {
    this.#tools = tools;
    this.#dialog = new Dialog("settings", tools, fields(), { before: BACK });
    this.#element = this.#dialog.element;
    this.#fields = [...this.#element.querySelectorAll("input[name]")].filter(({ name }) => name in PREFERENCES);
    this.#addBack();
    if (!isSecureContext) this.#element.querySelector("[value=tilt]").disabled = true;
    for (const name of Object.keys(SECTIONS)) byId(`settings-${name}`).addEventListener("click", () => this.#go(name));
    for (const opener of this.#element.querySelectorAll("[data-needs]")) {
      opener.addEventListener("click", (event) => this.#leave(event, opener));
    }
    for (const field of this.#fields) field.addEventListener("input", () => this.#changed(field));
    byId("choice-turn").setAttribute("aria-describedby", "turn-note");
    byId("choice-turn").addEventListener("input", ({ target }) => this.#setTurn(Number(target.value)));
    byId("cap-speed").addEventListener("input", () => this.#moveCap());
    byId("cap-form").addEventListener("submit", (event) => this.#saveCap(event));
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

  /** @param {{section?: string}} options "" for the first page */
  async open({ section = "" } = {}) {
    byId("tilt-note").textContent = "";
    this.#capMoved = false;
    byId("cap-pin").value = byId("cap-answer").textContent = "";
    byId("power-open").hidden = true; // a laptop, or a system that forbids it, cannot switch itself off
    this.#turnTo(section);
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
    const { hotspot, recording } = this.#tools.link.hello?.car ?? {};
    byId("wifi-open").hidden = !hotspot;
    byId("recordings-open").hidden = !recording;
  }

  /** Open another dialog, or follow a link, unless something is missing. */
  #leave(event, opener) {
    if (this.#whyNot(opener.dataset.needs)) return event.preventDefault();
    opener.focus(); // Safari does not focus a pressed button; the focus returns to it when the dialog closes
    return opener.dataset.opens && this.#tools.open(opener.dataset.opens);
  }

  /**
   * @param {string} need "link"; "free": nobody else drives, and the car is not stopped; "wheel": this page drives
   * @returns {string} the reason why a control that needs this does not work now, "" if it does
   */
  #whyNot(need) {
    const { hud, link, words } = this.#tools;
    const { state } = link;
    if (!state) return words.say(hud.trouble === "barred" ? "needs.pairing" : "needs.link");
    if (need === "link" || (need === "wheel" && link.drives)) return "";
    if (state.driver && !link.drives) return words.say("needs.other", { client: hud.name(state.driver) });
    if (need === "wheel") return words.say("needs.wheel");
    return state.state === "stopped" ? words.say("needs.reset") : "";
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
    byId("choice-quality").hidden = !car?.camera;
    byId("help-rest").textContent = car ? words.say(car.board.rolls_at_rest ? "help.rolls" : "help.brakes") : "";
    byId("about").textContent = car ? words.say("about", car) : "";
  }

  /** Show everything that follows the newest state. */
  #showLive() {
    for (const opener of /** @type {NodeListOf<HTMLElement>} */ (this.#element.querySelectorAll("[data-needs]"))) {
      const why = this.#whyNot(opener.dataset.needs ?? "");
      opener.setAttribute("aria-disabled", String(why !== "")); // unlike `disabled` it keeps the focus
      /** @type {Element} */ (opener.lastElementChild).textContent = why;
    }
    this.#showTurn();
    this.#showCap();
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
    byId("health-hazard").hidden = !link.hello?.car.board.keeps_driving;
    byId("health-moved").hidden = !link.hello?.car.moved;
    byId("health-note").textContent = lines.length ? "" : this.#whyNot("link") || words.say("health.none");
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

  #setTurn(for_s) {
    this.#turn = { for_s, at: clock() };
    this.#tools.link.request("turn", { for_s });
  }

  #showTurn() {
    const { link, words } = this.#tools;
    const turn = link.state?.turn;
    const for_s = clock() - this.#turn.at < TURN_EXPECTED_S ? this.#turn.for_s : (turn?.for_s ?? 0);
    const awaited = turn && link.state.requests.length ? words.say("turn.awaited") : "";
    const why = this.#whyNot("wheel") || awaited;
    byId("choice-turn").disabled = why !== "";
    for (const field of byId("choice-turn").elements) field.checked = Number(field.value) === for_s;
    const runs = turn && link.state.driver;
    const told = runs ? words.say(turn.left_s ? "turn.left" : "turn.over", { time: timeOf(turn.left_s) }) : words.say("turn.how");
    byId("turn-note").textContent = [why, told].filter(Boolean).join(words.say("gap"));
  }

  #moveCap() {
    this.#capMoved = true;
    byId("cap-answer").textContent = "";
    this.#showCap();
  }

  /** The slider follows the car until it is moved here. */
  #showCap() {
    const { hud, words } = this.#tools;
    const why = this.#whyNot("link");
    if (!this.#capMoved && !why) byId("cap-speed").value = hud.ownersCap;
    const speed = Number(byId("cap-speed").value);
    byId("cap-form").querySelector("output").textContent = percent(speed);
    byId("cap-speed").setAttribute("aria-valuetext", percent(speed));
    byId("cap-speed").disabled = why !== "";
    byId("cap-note").textContent = why || words.say("cap.note");
    byId("cap-lock").hidden = why !== "" || speed <= hud.ownersCap;
    byId("cap-save").hidden = why !== "" || Math.abs(speed - hud.ownersCap) < 0.001;
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
    if (status === 200) byId("cap-speed").focus(); // the button disappears
  }
}
