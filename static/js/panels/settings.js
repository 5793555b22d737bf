/**
 * The settings sheet: how this phone drives, looks and speaks; what needs a secure link; other phones.
 *
 * What is changed counts at once, and is kept on this phone only. The owner's speed cap alone is the car's.
 */

import { shape } from "../sticks.js";
import { allowed } from "../inputs/tilt.js";
import { Dialog, byId, digitsOf, post } from "./dialog.js";
import { healthOf } from "./health.js";

const HEALTH_EVERY_MS = 1000;
const percent = (value) => `${Math.round(value * 100)}%`;

/**
 * @param {{deadzone: number, expo: number}} curve
 * @returns {string} an SVG path in a square of 100: stick to the right, what counts upwards
 */
export function curvePath(curve) {
  const points = Array.from({ length: 41 }, (_, index) => {
    const stick = index / 20 - 1;
    return `${(50 + stick * 50).toFixed(1)} ${(50 - shape(stick, curve) * 50).toFixed(1)}`;
  });
  return `M${points.join("L")}`;
}

class Settings {
  #dialog;
  #tools;
  #fields;

  constructor(tools) {
    this.#tools = tools;
    this.#dialog = new Dialog("settings", tools);
    this.#fields = [...this.#dialog.element.querySelectorAll("input[name]")];
    for (const field of this.#fields) field.addEventListener("input", () => this.#changed(field));
    byId("fullscreen").addEventListener("click", () => this.#toggleFullscreen());
    document.addEventListener("fullscreenchange", () => this.#show());
    byId("invite-open").addEventListener("click", () => {
      this.#dialog.element.close();
      tools.panel("invite");
    });
    byId("tune-open").addEventListener("click", () => {
      this.#dialog.element.close();
      tools.panel("tune");
    });
    byId("power-open").addEventListener("click", () => {
      this.#dialog.element.close();
      tools.panel("power");
    });
    byId("cap-speed").addEventListener("input", () => this.#showCap());
    byId("cap-form").addEventListener("submit", (event) => this.#saveCap(event));
    tools.words.listen(() => this.#show());
    setInterval(() => this.#dialog.element.open && this.#showHealth(), HEALTH_EVERY_MS);
  }

  open() {
    byId("cap-speed").value = this.#tools.hud.ownersCap;
    byId("cap-pin").value = "";
    byId("cap-answer").textContent = "";
    byId("tilt-note").textContent = "";
    this.#show();
    this.#dialog.show();
    this.#offerSwitch();
  }

  /** A car on somebody's laptop has no switch, nor has one whose machine does not let it. */
  async #offerSwitch() {
    const response = await fetch("/api/v1/power").catch(() => null);
    const answer = response?.ok ? await response.json().catch(() => null) : null;
    byId("power-open").hidden = answer?.available !== true;
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

  async #changed(field) {
    const { preferences, words } = this.#tools;
    if (field.type === "checkbox") preferences.set(field.name, field.checked);
    else if (field.type === "range") preferences.set(field.name, Number(field.value));
    else if (field.name === "layout") {
      const answer = field.value === "tilt" ? await allowed() : "granted";
      byId("tilt-note").textContent = answer === "granted" ? "" : words.say(`tilt.${answer}`);
      if (answer === "granted") preferences.set("layout", field.value);
    } else preferences.set(field.name, field.value);
    this.#show();
  }

  #toggleFullscreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else document.documentElement.requestFullscreen({ navigationUI: "hide" }).catch(() => {});
  }

  #showCap() {
    const { hud, words, link } = this.#tools;
    const speed = Number(byId("cap-speed").value);
    byId("cap-form").querySelector("output").textContent = percent(speed);
    byId("cap-speed").setAttribute("aria-valuetext", percent(speed));
    byId("cap-lock").hidden = speed <= hud.ownersCap;
    byId("cap-save").disabled = !link.state || Math.abs(speed - hud.ownersCap) < 0.001;
    byId("cap-form").hidden = byId("invite-open").hidden = !link.state || !("speed_cap" in link.state);
    byId("cap-save").textContent = words.say("cap.save");
  }

  async #saveCap(event) {
    event.preventDefault();
    const { hud, words } = this.#tools;
    const speed = Number(byId("cap-speed").value);
    const pin = digitsOf(byId("cap-pin").value);
    if (speed > hud.ownersCap && !/^\d{6}$/.test(pin)) {
      byId("cap-answer").textContent = words.say("pair.digits"); // no try is spent on it
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

/** @param {any} tools of the page @returns {Settings} */
export const make = (tools) => new Settings(tools);
