/**
 * The distance sensor: why the car is slow or stands, and the button that drives past the sensor.
 *
 * Only a car with a sensor loads this part. The override belongs to the motor process: it is slow, and ends by itself.
 */

import { attribute, buzz, byId, hide, text } from "../shell/shell.js";

/** The button acts when it was held for this long. */
const HOLD_S = 1;
/** As of the motor process: an override would not be faster than this. */
const SLOW_CAP = 0.3;

/** @param {{m: number|null, cap: number, override: boolean}} seen the sensor in a state @returns {string} key of the reason, "" when the way is free */
export function reasonOf({ m, cap, override }) {
  if (override) return "obstacle.override";
  if (cap === 1) return "";
  if (m !== null) return "obstacle";
  return cap ? "obstacle.unknown" : "obstacle.touched";
}

export default class Obstacle {
  #tools;
  #stops = false;
  #timer = 0;
  #button;

  /** @param {import("../shell/shell.js").Tools} tools */
  constructor(tools) {
    this.#tools = tools;
    byId("cap").insertAdjacentHTML("beforebegin", '<span id="obstacle"></span> ');
    byId("news").insertAdjacentHTML("beforeend", '<button id="past" type="button" data-i18n="obstacle.past" hidden></button>');
    tools.words.fill(byId("news"));
    this.#button = byId("past");
    this.#button.addEventListener("pointerdown", () => this.#hold());
    this.#button.addEventListener("keydown", ({ key, repeat }) => key === "Enter" && !repeat && this.#hold());
    for (const event of ["pointerup", "pointercancel", "keyup"]) addEventListener(event, () => this.#letGo());
    tools.onLetGo(() => this.#letGo());
    tools.words.listen(() => this.show());
  }

  /** Show the newest state. */
  show() {
    const { link, words, note, preferences } = this.#tools;
    const seen = link.state?.obstacle;
    const reason = seen ? reasonOf(seen) : "";
    const cm = Math.round((seen?.m ?? 0) * 100);
    text("obstacle", reason && words.say(reason, { cm }));
    const stops = seen?.cap === 0;
    if (stops && !this.#stops && link.drives && link.state.wanted.throttle > 0) {
      buzz("obstacle", preferences);
      note(reason === "obstacle" ? "obstacle.stops" : "obstacle.stops.touched", { cm });
    }
    this.#stops = stops;
    const may = link.hello?.car.range?.override && link.drives && link.state.state !== "stopped";
    const drives = link.state?.battery?.level !== "stop"; // an empty battery: the car refuses to drive
    const offers = may && drives && seen && !seen.override && seen.cap < SLOW_CAP;
    hide("past", !offers);
    if (!offers) this.#letGo();
  }

  #hold() {
    attribute(this.#button, "data-held", "true");
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#tools.link.request("override"), HOLD_S * 1000);
  }

  #letGo() {
    clearTimeout(this.#timer);
    this.#button.removeAttribute("data-held");
  }
}
