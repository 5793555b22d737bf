/**
 * What tuning sends to the car: `jog` messages while a button is held, and a calibration.
 *
 * A jog turns one motor, or drives straight on, or holds the steering. A second `Sender` handles the press (take the wheel, neutral first,
 * repeat, fall silent) as for every input; it sends `jog` instead of `drive`. A calibration goes over the link,
 * because only the driver may send it, and is read back over HTTP.
 */

import { Grip, holdWithoutPointer } from "../inputs/hands.js";
import { get } from "../panels/dialog.js";
import { Sender, Sticks, clock } from "../sticks.js";

/** Interval at which a rising duty cycle is sent and shown. */
const STEP_S = 0.04;
/** Duration of a press by a click without a pointer: of a screen reader. A button that repeats gets less. */
const NUDGE_S = 3.0;
const HAND = "tune";
/** Time for the car to come to a standstill, which it must before it adopts a calibration. */
const PATIENCE_S = 4.0;
const PAUSE_MS = 200;

export class Jogger {
  #sender;
  #sticks = new Sticks();
  /** The motor that turns; "" drives. */ #motor = "";
  #value = (_held_s) => 0;
  #steering = 0;
  #drivenSince = 0;
  #timer = 0;

  /** The newest value that the car may have applied, 0 before; and the time for which it has applied values. */
  duty = 0;
  held_s = 0;
  /** Called after each step and at the end. @type {() => void} */
  onchange = () => {};

  /** @param {import("../link.js").Link} link */
  constructor(link) {
    this.#sender = new Sender(link, this.#sticks, (value, steering) =>
      this.#motor ? link.jog(this.#motor, value) : link.drive(value, steering),
    );
    this.#sticks.addInput(() => this.#ended());
  }

  get holds() {
    return this.#sticks.held;
  }

  /**
   * @param {string} motor that turns; "" drives
   * @param {(held_s: number) => number} value for the time that the car has applied values
   * @param {number} steering of a drive, in [-1, 1]
   */
  hold(motor, value, steering = 0) {
    if (this.holds) return;
    this.#motor = motor;
    this.#value = value;
    this.#steering = steering;
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

  /** Update `duty` and `held_s`. */
  #follow() {
    if (!this.#sender.driving) return;
    this.#drivenSince ||= clock();
    this.held_s = clock() - this.#drivenSince;
    this.duty = this.#value(this.held_s);
  }

  #step() {
    this.#follow();
    this.#sticks.hold(HAND, { throttle: this.#value(this.held_s), steering: this.#steering });
    this.onchange();
  }

  #ended() {
    clearInterval(this.#timer);
    this.onchange();
  }
}

/**
 * Make a button act while it is held.
 *
 * @param {HTMLElement} button @param {() => void} hold @param {() => void} letGo @param {number} nudge_s duration of a click without a pointer
 * @returns {() => void} releases the finger or key: the page ended the press
 */
export function holdable(button, hold, letGo, nudge_s = NUDGE_S) {
  const grip = new Grip(button, (event) => event.type === "pointerdown" && hold(), letGo);
  const forget = holdWithoutPointer(button, nudge_s, grip, hold, letGo);
  return () => {
    forget();
    grip.drop();
  };
}

export const pause = (ms = PAUSE_MS) => new Promise((done) => setTimeout(done, ms));
const same = (a, b) => Object.keys(a).every((key) => Math.abs(Number(a[key]) - Number(b[key])) < 1e-6);

/** @returns {Promise<any>} the calibration of the car and its origin; null without an answer */
export const readCalibration = () => get("/api/v1/calibration");

/**
 * @param {import("../link.js").Link} link
 * @param {import("./finding.js").Calibration|null} calibration null returns to the configuration
 * @returns {Promise<any>} the answer of `readCalibration` once the car has adopted it; null if it does not within seconds
 */
export async function calibrate(link, calibration) {
  const giveUpAt = clock() + PATIENCE_S;
  while (clock() < giveUpAt) {
    if (!link.drives) link.request("take");
    else link.request(calibration ? "calibrate" : "uncalibrate", calibration ?? {});
    await pause();
    const known = await readCalibration();
    if (known && (calibration ? same(calibration, known.calibration) : known.origin === "configuration")) return known;
  }
  return null;
}
