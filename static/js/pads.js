/**
 * Thumb pads: one axis each, on Pointer Events.
 *
 * A pad owns one pointer at a time and captures it; whatever ends that pointer (up, cancel, lost capture,
 * `releaseAll`) lets the stick go. A second pointer on the same pad is ignored. It writes into Sticks and
 * knows nothing of the car.
 */

import { clamp, clock } from "./sticks.js";

/** Full stick is reached at this part of the pad, from its centre. */
const TRAVEL = 0.36;
/** Screen readers hear at most four values a second. */
const SPOKEN_EVERY_S = 0.25;

/**
 * @param {number} position of the pointer, px
 * @param {number} start of the pad, px
 * @param {number} length of the pad, px
 * @returns {number} in [-1, 1], 0 in the middle
 */
export function deflection(position, start, length) {
  return clamp((position - start - length / 2) / (length * TRAVEL));
}

export class Pad {
  #element;
  #axis;
  #sticks;
  #words;
  #pointer = null;
  #box = null;
  #shown = 0;
  #spokenAt = 0;
  #speaking = 0;

  /**
   * @param {HTMLElement} element with role=slider
   * @param {"throttle"|"steering"} axis throttle is vertical, steering horizontal
   * @param {import("./sticks.js").Sticks} sticks
   * @param {(key: string, values?: object) => string} words
   */
  constructor(element, axis, sticks, words) {
    this.#element = element;
    this.#axis = axis;
    this.#sticks = sticks;
    this.#words = words;
    sticks.addInput(() => this.#forget());
    sticks.listen(() => this.#mirror());
    element.addEventListener("pointerdown", (event) => this.#down(event));
    element.addEventListener("pointermove", (event) => this.#move(event));
    element.addEventListener("lostpointercapture", (event) => this.#up(event));
    // On the window: without capture (it can fail) the end of a pointer happens elsewhere.
    addEventListener("pointerup", (event) => this.#up(event));
    addEventListener("pointercancel", (event) => this.#up(event));
    // iOS: no magnifier and no double-tap zoom under a resting thumb; pointer events still come.
    element.addEventListener("touchstart", (event) => event.preventDefault(), { passive: false });
  }

  #down(event) {
    if (this.#pointer !== null || event.button !== 0) return;
    this.#pointer = event.pointerId;
    this.#box = this.#element.getBoundingClientRect();
    try {
      this.#element.setPointerCapture(event.pointerId);
    } catch {
      // The pointer is gone already; its pointerup or pointercancel follows.
    }
    this.#element.classList.add("held");
    this.#follow(event);
  }

  #move(event) {
    if (event.pointerId !== this.#pointer) return;
    if (event.buttons === 0) this.#up(event); // the button came up where nobody saw it
    else this.#follow(event);
  }

  #up(event) {
    if (event.pointerId !== this.#pointer) return;
    this.#forget();
    this.#sticks.letGo(this.#axis);
  }

  #follow(event) {
    const x = deflection(event.clientX, this.#box.left, this.#box.width);
    const y = deflection(event.clientY, this.#box.top, this.#box.height);
    const value = this.#axis === "throttle" ? -y : x;
    this.#show(x, y, value);
    this.#sticks.hold(this.#axis, { [this.#axis]: value });
  }

  #forget() {
    const pointer = this.#pointer;
    if (pointer === null) return;
    this.#pointer = null;
    if (this.#element.hasPointerCapture(pointer)) this.#element.releasePointerCapture(pointer);
    this.#element.classList.remove("held");
    this.#show(0, 0, 0);
  }

  /** Show what another input wants while no thumb is here. */
  #mirror() {
    if (this.#pointer !== null) return;
    const value = this.#sticks.value[this.#axis];
    if (value === this.#shown) return;
    if (this.#axis === "throttle") this.#show(0, -value, value);
    else this.#show(value, 0, value);
  }

  #show(x, y, value) {
    this.#shown = value;
    const style = this.#element.style;
    style.setProperty("--x", x.toFixed(3));
    style.setProperty("--y", y.toFixed(3));
    style.setProperty("--value", value.toFixed(3));
    clearTimeout(this.#speaking);
    const wait_s = this.#spokenAt + SPOKEN_EVERY_S - clock();
    this.#speaking = setTimeout(() => this.#speak(value), Math.max(0, wait_s * 1000));
  }

  #speak(value) {
    this.#spokenAt = clock();
    const percent = Math.round(value * 100);
    const side = percent > 0 ? "plus" : percent < 0 ? "minus" : "zero";
    this.#element.setAttribute("aria-valuenow", String(percent));
    const words = this.#words(`${this.#axis}.${side}`, { percent: Math.abs(percent) });
    this.#element.setAttribute("aria-valuetext", words);
  }
}
