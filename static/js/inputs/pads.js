/**
 * Pads: one axis or both, on Pointer Events.
 *
 * A pad owns one pointer at a time and captures it; whatever ends that pointer (up, cancel, lost capture,
 * `releaseAll`) lets the stick go. A second pointer on the same pad is ignored. It writes into Sticks and
 * knows nothing of the car.
 */

import { clamp, clock } from "../sticks.js";

/** Full stick is reached at this part of the pad, from its centre. */
const TRAVEL = 0.36;
/** Screen readers hear at most four values a second. */
const SPOKEN_EVERY_S = 0.25;

/**
 * @param {number} position of the pointer, px
 * @param {number} start of the pad, px
 * @param {number} length of the pad, px
 * @returns {number} in [-1, 1], 0 in the middle; 0 on a pad without length
 */
export function deflection(position, start, length) {
  return length > 0 ? clamp((position - start - length / 2) / (length * TRAVEL)) : 0;
}

/** A pointer that holds an element: one at a time, captured, and forgotten by whatever ends it. */
export class Grip {
  #element;
  #follow;
  #forget;
  /** @type {number|null} */
  #pointer = null;

  /**
   * @param {HTMLElement} element
   * @param {(event: PointerEvent) => void} follow called when the pointer comes down and moves
   * @param {() => void} forget called once when it is gone
   */
  constructor(element, follow, forget) {
    this.#element = element;
    this.#follow = follow;
    this.#forget = forget;
    element.addEventListener("pointerdown", (event) => this.#down(event));
    element.addEventListener("pointermove", (event) => this.#move(event));
    element.addEventListener("lostpointercapture", (event) => this.#up(event));
    // On the window: without capture (it can fail) the end of a pointer happens elsewhere.
    addEventListener("pointerup", (event) => this.#up(event));
    addEventListener("pointercancel", (event) => this.#up(event));
    // iOS: no magnifier and no double-tap zoom under a resting thumb; pointer events still come.
    element.addEventListener("touchstart", (event) => event.preventDefault(), { passive: false });
  }

  get held() {
    return this.#pointer !== null;
  }

  /** Let the pointer go; it does nothing until it comes down again. */
  drop() {
    const pointer = this.#pointer;
    if (pointer === null) return;
    this.#pointer = null;
    if (this.#element.hasPointerCapture(pointer)) this.#element.releasePointerCapture(pointer);
    this.#element.classList.remove("held");
    this.#forget();
  }

  /** @param {PointerEvent} event */
  #down(event) {
    if (this.#pointer !== null || event.button !== 0) return;
    this.#pointer = event.pointerId;
    try {
      this.#element.setPointerCapture(event.pointerId);
    } catch {
      // The pointer is gone already; its pointerup or pointercancel follows.
    }
    this.#element.classList.add("held");
    this.#follow(event);
  }

  /** @param {PointerEvent} event */
  #move(event) {
    if (event.pointerId !== this.#pointer) return;
    if (event.buttons === 0) this.drop(); // the button came up where nobody saw it
    else this.#follow(event);
  }

  /** @param {PointerEvent} event */
  #up(event) {
    if (event.pointerId === this.#pointer) this.drop();
  }
}

export class Pad {
  #element;
  #name;
  #axes;
  #sticks;
  #words;
  #grip;
  /** @type {DOMRect} */
  #box = new DOMRect();
  #shown = "";
  #spokenAt = 0;
  #speaking = 0;

  /**
   * @param {HTMLElement} element its id is the name of the input
   * @param {("throttle"|"steering")[]} axes throttle is vertical, steering horizontal
   * @param {import("../sticks.js").Sticks} sticks
   * @param {import("../preferences.js").Words} words
   */
  constructor(element, axes, sticks, words) {
    this.#element = element;
    this.#name = element.id;
    this.#axes = axes;
    this.#sticks = sticks;
    this.#words = words;
    this.#grip = new Grip(
      element,
      (event) => this.#follow(event),
      () => this.#end(),
    );
    sticks.addInput(() => this.#grip.drop());
    sticks.listen(() => this.#mirror());
    words.listen(() => this.#speak());
    this.#speak();
  }

  /** @param {PointerEvent} event */
  #follow(event) {
    if (event.type === "pointerdown") this.#box = this.#element.getBoundingClientRect();
    const x = deflection(event.clientX, this.#box.left, this.#box.width);
    const y = deflection(event.clientY, this.#box.top, this.#box.height);
    const want = { throttle: -y, steering: x };
    this.#show(this.#has("steering") ? x : 0, this.#has("throttle") ? y : 0);
    this.#sticks.hold(this.#name, Object.fromEntries(this.#axes.map((axis) => [axis, want[axis]])));
  }

  #end() {
    this.#sticks.letGo(this.#name);
    this.#mirror();
  }

  /** Show what another input wants while no thumb is here. */
  #mirror() {
    if (this.#grip.held) return;
    const { throttle, steering } = this.#sticks.value;
    this.#show(this.#has("steering") ? steering : 0, this.#has("throttle") ? -throttle : 0);
  }

  /** @param {"throttle"|"steering"} axis */
  #has(axis) {
    return this.#axes.includes(axis);
  }

  /** @param {number} x @param {number} y where the knob is, in [-1, 1], + is right and down */
  #show(x, y) {
    const place = `${x.toFixed(3)} ${y.toFixed(3)}`;
    if (place === this.#shown) return;
    this.#shown = place;
    const style = this.#element.style;
    style.setProperty("--x", x.toFixed(3));
    style.setProperty("--y", y.toFixed(3));
    clearTimeout(this.#speaking);
    const wait_s = this.#spokenAt + SPOKEN_EVERY_S - clock();
    this.#speaking = setTimeout(() => this.#speak(), Math.max(0, wait_s * 1000));
  }

  #speak() {
    this.#spokenAt = clock();
    const { throttle, steering } = this.#sticks.value;
    const values = { throttle, steering };
    const spoken = this.#axes.map((axis) => spell(this.#words, axis, values[axis]));
    const text = spoken.join(this.#words.say("comma"));
    if (this.#axes.length === 1) {
      this.#element.setAttribute("aria-valuenow", String(Math.round(values[this.#axes[0]] * 100)));
      this.#element.setAttribute("aria-valuetext", text);
    } else {
      const colon = this.#words.say("colon");
      this.#element.setAttribute("aria-label", this.#words.say("stick.label") + colon + text);
    }
  }
}

/** @returns {string} what a stick wants, in words */
function spell(words, axis, value) {
  const percent = Math.round(value * 100);
  const side = percent > 0 ? "plus" : percent < 0 ? "minus" : "zero";
  return words.say(`${axis}.${side}`, { percent: Math.abs(percent) });
}
