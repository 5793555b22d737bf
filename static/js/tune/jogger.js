/**
 * Turns one motor, or drives straight on, while a button is held; and lets go of it like every other input.
 *
 * The pressing (take the wheel, neutral first, repeat, fall silent) is the page's own sender's; this gives it a link that
 * says `jog` instead of `drive`.
 */

import { Grip } from "../inputs/pads.js";
import { Sender, Sticks, clock, onLetGo } from "../sticks.js";

/** The rise is drawn and sent in steps of this. */
const STEP_S = 0.04;
/** How long a click without a pointer holds: a screen reader's. */
const NUDGE_S = 3.0;
const HAND = "tune";

export class Jogger {
  #link;
  #sender;
  #sticks = new Sticks();
  /** @type {import("./finding.js").Side|null} null drives straight on */
  #side = null;
  #value = (_held_s) => 0;
  #drivenSince = 0;
  #timer = 0;

  /** The newest value that the car may have followed, 0 before it could; and for how long it has. */
  duty = 0;
  held_s = 0;
  /** Called after each step and at the end. @type {() => void} */
  onchange = () => {};

  /** @param {import("../link.js").Link} link */
  constructor(link) {
    this.#link = link;
    const jogger = this;
    const asJogs = {
      get state() { return link.state; },
      get hello() { return link.hello; },
      get tick() { return link.tick; },
      quiet: (now) => link.quiet(now),
      weak: (now, driving) => link.weak(now, driving),
      say: (type, fields) => link.say(type, fields),
      drive: (value) => (jogger.#side ? link.jog(jogger.#side, value) : link.drive(value, 0)),
    }; // prettier-ignore
    this.#sender = new Sender(/** @type {any} */ (asJogs), this.#sticks);
    this.#sticks.addInput(() => this.#ended());
    onLetGo(() => this.letGo());
  }

  get holds() {
    return this.#sticks.held;
  }

  /**
   * @param {import("./finding.js").Side|null} side whose motor turns; null drives straight on
   * @param {(held_s: number) => number} value for the time that the car has followed
   */
  hold(side, value) {
    if (this.holds) return;
    this.#side = side;
    this.#value = value;
    this.#drivenSince = this.held_s = this.duty = 0;
    this.#step();
    this.#timer = setInterval(() => this.#step(), STEP_S * 1000);
  }

  letGo() {
    if (!this.holds) return;
    this.#follow();
    this.#sticks.letGo(HAND);
    this.#ended();
  }

  /** Note how far the car may have followed by now. */
  #follow() {
    if (!this.#sender.driving) return;
    this.#drivenSince ||= clock();
    this.held_s = clock() - this.#drivenSince;
    this.duty = this.#value(this.held_s);
  }

  #step() {
    this.#follow();
    this.#sticks.hold(HAND, { throttle: this.#value(this.held_s) });
    this.onchange();
  }

  #ended() {
    clearInterval(this.#timer);
    this.onchange();
  }
}

/** A button that acts while it is held: by a finger or by Enter (Space is STOP); a click without a pointer holds it for a while. */
export class HoldButton {
  /**
   * @param {HTMLElement} button @param {() => void} hold @param {() => void} letGo
   */
  constructor(button, hold, letGo) {
    let key = false;
    let nudge = 0;
    const end = () => {
      clearTimeout(nudge);
      key = false;
      letGo();
    };
    const grip = new Grip(button, (event) => event.type === "pointerdown" && hold(), end);
    button.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault(); // no click as well
      if (event.repeat || key) return;
      key = true;
      hold();
    });
    addEventListener("keyup", (event) => key && event.key === "Enter" && end());
    button.addEventListener("blur", () => key && end());
    button.addEventListener("click", (event) => {
      if (/** @type {MouseEvent} */ (event).detail !== 0 || grip.held) return;
      hold();
      nudge = setTimeout(end, NUDGE_S * 1000);
    });
    /** Drop the finger: what it held was ended by something else. */
    this.drop = () => grip.drop();
  }
}
