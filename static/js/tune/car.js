/**
 * A small car from above: which motor is meant, and, where the car is simulated, what its wheels really do.
 *
 * A real car is looked at; a simulated one is behind the dialog, so its wheels are shown here, from its poses alone.
 */

import { wheelsOf } from "./finding.js";

const SVG = "http://www.w3.org/2000/svg";
/** Slower than this is at rest, m/s. */
const REST = 0.008;
/** Two poses that are closer than this in time tell no speed. */
const APART_S = 0.12;
const TRACK_M = 0.13;
const SHAPE = `
  <rect class="body" x="34" y="14" width="52" height="92" rx="14"/><path class="nose" d="M46 38q14-12 28 0l-4 12H50z"/>
  <g class="left"><rect x="14" y="20" width="16" height="34" rx="5"/><rect x="14" y="66" width="16" height="34" rx="5"/></g>
  <g class="right"><rect x="90" y="20" width="16" height="34" rx="5"/><rect x="90" y="66" width="16" height="34" rx="5"/></g>
  <path class="way left forward" d="M6 46V24m-5 6 5-7 5 7"/><path class="way left back" d="M6 74v22m-5-6 5 7 5-7"/>
  <path class="way right forward" d="M114 46V24m-5 6 5-7 5 7"/><path class="way right back" d="M114 74v22m-5-6 5 7 5-7"/>`;

export class TuneCar {
  #words;
  #text;
  #poses = /** @type {any[]} */ ([]);
  #start = /** @type {number|null} */ (null);
  /** The drawing. */
  element;

  /** @param {import("../preferences.js").Words} words @param {HTMLElement} text where a simulated car says what it does */
  constructor(words, text) {
    this.#words = words;
    this.#text = text;
    this.element = document.createElementNS(SVG, "svg");
    this.element.setAttribute("viewBox", "-2 8 124 104");
    this.element.setAttribute("aria-hidden", "true");
    this.element.id = "tune-car";
    this.element.innerHTML = SHAPE;
  }

  /** The straight drive begins here. */
  mark() {
    this.#start = this.#poses.at(-1)?.pose.heading ?? null;
  }

  /** Say nothing of the way any more. */
  unmark() {
    this.#start = null;
  }

  /** @param {any} state the newest, or null @param {number} now s */
  show(state, now) {
    const pose = state?.pose;
    this.#text.hidden = !pose;
    if (!pose) return;
    const last = this.#poses.at(-1);
    if (last && now - last.now < APART_S) return;
    this.#poses = [...this.#poses.slice(-1), { pose, now }];
    const [before, after] = this.#poses;
    if (!after) return;
    const speeds = wheelsOf(before.pose, after.pose, after.now - before.now, TRACK_M);
    const ways = { left: way(speeds.left), right: way(speeds.right) };
    Object.assign(/** @type {any} */ (this.element).dataset, ways);
    const text = this.#start === null ? this.#turning(ways) : this.#drifting(pose.heading - this.#start);
    if (this.#text.textContent !== text) this.#text.textContent = text;
  }

  #turning(ways) {
    const { say } = this.#words;
    return say("tune.sim", { left: say(`tune.way.${ways.left}`), right: say(`tune.way.${ways.right}`) });
  }

  #drifting(turned) {
    const degrees = Math.round((Math.abs(turned) * 1800) / Math.PI) / 10;
    const side = degrees < 0.1 ? "none" : turned > 0 ? "left" : "right";
    return this.#words.say(`tune.turned.${side}`, { degrees });
  }
}

const way = (speed) => (speed > REST ? "forward" : speed < -REST ? "back" : "rest");
