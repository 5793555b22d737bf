/**
 * Tilt: the phone is a steering wheel while a thumb holds the throttle pad.
 *
 * The throttle pad is the dead-man's switch: without a thumb on it, tilting does nothing. The angle of "straight on" is
 * set when tilting is switched on, and again by a button. The sensors need a secure link (https), and on an iPhone a
 * permission that only a tap may request. A sensor that falls silent is no fault: browsers leave out unchanged readings.
 * Without any reading for two seconds there is no sensor, and the panel offers another control. Lifting the thumb stops
 * the car.
 */

import { byId, tap } from "../shell/shell.js";
import { clamp } from "../sticks.js";

/** Full steering, in rad from straight on. */
const FULL = (35 * Math.PI) / 180;
/** Dead zone around straight on, because a hand is never quite still. */
const STILL = 0.04;
/** A sensor sends its first reading within this time. */
const FIRST_READING_S = 2;

/**
 * Return the angle by which the screen is turned like a steering wheel.
 *
 * @param {number} beta @param {number} gamma in degrees, from DeviceOrientationEvent
 * @param {number} screenAngle in degrees, from screen.orientation.angle
 * @returns {number} rad, + is turned right (clockwise)
 */
export function turn(beta, gamma, screenAngle) {
  const [b, g, a] = [beta, gamma, screenAngle].map((degrees) => (degrees * Math.PI) / 180);
  // "Up" of the room along the edges of the device, then along the right edge of the picture on the screen.
  const x = -Math.cos(b) * Math.sin(g);
  const y = Math.sin(b);
  const sideways = x * Math.cos(a) - y * Math.sin(a);
  return Math.asin(clamp(-sideways));
}

/** @returns {Promise<"granted"|"insecure"|"refused"|"absent">} whether the sensors may be read; call it in a tap */
export async function allowed() {
  if (!isSecureContext) return "insecure";
  const Sensor = /** @type {any} */ (globalThis.DeviceOrientationEvent);
  if (!Sensor) return "absent";
  const answer = await Sensor.requestPermission?.().catch(() => "refused");
  return answer === undefined || answer === "granted" ? "granted" : "refused";
}

export default class Tilt {
  #panel = byId("tilt");
  #sticks;
  #on = false;
  #centre = /** @type {number|null} */ (null);
  #angle = 0;
  #steered = 0;
  #timer = 0;
  #words;

  /** @param {import("../shell/shell.js").Tools} tools */
  constructor({ sticks, words, preferences }) {
    this.#sticks = sticks;
    this.#words = words;
    sticks.listen(() => this.#write());
    tap("untilt", () => preferences.set("layout", "thumbs"));
    addEventListener("deviceorientation", (event) => this.#hear(event));
  }

  /** @param {boolean} on whether the sensors steer */
  use(on) {
    this.#on = on;
    this.#centre = null;
    this.#report("silent");
    clearTimeout(this.#timer);
    if (on) this.#expect();
    else this.#sticks.letGo("tilt");
  }

  /** Say why no reading comes: at once if the browser refuses the sensor, else after some time. */
  async #expect() {
    const answer = await allowed();
    const silent = () => this.#on && this.#panel.dataset.sensor === "silent";
    if (answer !== "granted") return silent() && this.#report(answer);
    this.#timer = setTimeout(() => silent() && this.#report("absent"), FIRST_READING_S * 1000);
  }

  /** @param {string} word "silent", or why the phone cannot be steered by tilting */
  #report(word) {
    this.#panel.dataset.sensor = word === "silent" ? word : "absent";
    const text = /** @type {HTMLElement} */ (this.#panel.querySelector("p"));
    text.dataset.i18n = `tilt.${word}`;
    text.textContent = this.#words.say(`tilt.${word}`);
  }

  /** Take the present angle as straight on. */
  centre() {
    this.#centre = this.#angle;
    this.#show(0);
    this.#write();
  }

  #hear({ beta, gamma }) {
    if (!this.#on || beta === null || gamma === null) return;
    this.#angle = turn(beta, gamma, screen.orientation?.angle ?? 0);
    this.#centre ??= this.#angle;
    clearTimeout(this.#timer);
    this.#panel.dataset.sensor = "live";
    this.#show(this.#steering());
    this.#write();
  }

  #steering() {
    const way = clamp((this.#angle - (this.#centre ?? 0)) / FULL);
    return Math.abs(way) < STILL ? 0 : way;
  }

  /** Steer while a thumb is on the throttle pad. */
  #write() {
    const live = this.#on && this.#panel.dataset.sensor === "live";
    if (!live || !this.#sticks.holds("throttle")) return this.#sticks.letGo("tilt");
    const steering = this.#steering();
    if (this.#sticks.holds("tilt") && steering === this.#steered) return;
    this.#steered = steering;
    this.#sticks.hold("tilt", { steering });
  }

  #show(steering) {
    this.#panel.style.setProperty("--turn", steering.toFixed(3));
  }
}
