/**
 * What a person saw becomes numbers: directions, minimum duty and trim. Arithmetic only; the panel asks, the car is told.
 *
 * Duty cycles and trims are in [0, 1], times in seconds.
 */

/** The rise of a jog: it begins here, grows by so much a second, and the car allows no more than its `jog_duty`. */
const LOOK = { from: 0.12, per_s: 0.1 };
const BEGIN = { from: 0, per_s: 0.05 };
export const RISES = { which: LOOK, least: BEGIN };
/** Trims and the minimum duty have these ranges in the car. */
const TRIM_LEAST = 0.5;
const DUTY_MOST = 0.8;
/** The first correction, as a ratio between both sides, and the last one worth making. */
const STEP = { first: 0.06, last: 0.004 };

/** @typedef {{swap: boolean, left_invert: boolean, right_invert: boolean, left_trim: number, right_trim: number, min_duty: number}} Calibration */
/** @typedef {"left"|"right"} Side */
/** @typedef {{wheel: Side, forward: boolean}} Seen */

/**
 * @param {{from: number, per_s: number}} rise @param {number} held_s for how long the button has been held
 * @param {number} most the car allows
 * @returns {number} duty cycle
 */
export function riseTo({ from, per_s }, held_s, most) {
  return Math.min(most, from + per_s * held_s);
}

/**
 * Which motor is which, and which way it turns.
 *
 * @param {Calibration} now what the car follows while both sides are jogged forward
 * @param {Record<Side, Seen>} seen what turned when the left and when the right side was jogged
 * @returns {Calibration|null} what makes both right; null when the same wheel was seen twice
 */
export function directions(now, seen) {
  if (seen.left.wheel === seen.right.wheel) return null;
  const found = { ...now, swap: now.swap !== (seen.left.wheel === "right") };
  for (const side of /** @type {Side[]} */ (["left", "right"])) {
    const { wheel, forward } = seen[side];
    found[`${wheel}_invert`] = now[`${side}_invert`] !== !forward;
    found[`${wheel}_trim`] = now[`${side}_trim`];
  }
  return found;
}

/**
 * @param {Calibration} now @param {Record<Side, number>} began the duty cycles at which each wheel was seen to begin
 * @returns {Calibration} with a minimum duty at which both wheels turn
 */
export function minimum(now, began) {
  const duty = Math.max(began.left, began.right);
  return { ...now, min_duty: Math.min(DUTY_MOST, Math.round(duty * 100) / 100) };
}

/** Finds the trim in ever smaller steps: a step is halved when the car drifts the other way than before. */
export class Balance {
  #step = STEP.first;
  /** @type {Side|null} */
  #before = null;

  /** @returns {boolean} whether another step would be too small to be seen */
  get fine() {
    return this.#step < STEP.last;
  }

  /**
   * @param {Calibration} now @param {Side} drift the side that the car drifts to: the other one is too fast
   * @returns {Calibration} with other trims; the faster side of the two is always at 1
   */
  correct(now, drift) {
    if (this.#before && this.#before !== drift) this.#step /= 2;
    this.#before = drift;
    const change = drift === "left" ? 1 + this.#step : 1 / (1 + this.#step);
    const ratio = (now.left_trim / now.right_trim) * change; // left to right
    const trim = (value) => Math.max(TRIM_LEAST, Math.round(Math.min(1, value) * 1000) / 1000);
    return { ...now, left_trim: trim(ratio), right_trim: trim(1 / ratio) };
  }
}

/**
 * How fast the two wheels of the simulated car turn, from two of its poses: what a person would see of a real one.
 *
 * @param {{x: number, y: number, heading: number}} before @param {{x: number, y: number, heading: number}} after
 * @param {number} dt between them
 * @param {number} track between the wheels, m
 * @returns {Record<Side, number>} m/s, + is forward
 */
export function wheelsOf(before, after, dt, track) {
  const middle = (before.heading + after.heading) / 2;
  const way = (after.x - before.x) * Math.cos(middle) + (after.y - before.y) * Math.sin(middle);
  const turn = ((after.heading - before.heading) * track) / 2;
  return { left: (way - turn) / dt, right: (way + turn) / dt };
}
