/**
 * Turns the observations of a person into directions, minimum duty, trim and pulses; and draws the car that is being tuned.
 *
 * The arithmetic is pure. Duty cycles and trims are in [0, 1], times in seconds.
 */

import { byId, write } from "../shell/shell.js";
import { held } from "../sticks.js";

/** A slower wheel counts as at rest, m/s. */
const REST = 0.008;
/** Two poses that are closer in time give no usable speed. */
const APART_S = 0.12;
const TRACK_M = 0.13;
/** The markup of the drawing. */
export const CAR = `<svg id="tune-car" viewBox="-2 8 124 104" aria-hidden="true">
  <rect class="body" x="34" y="14" width="52" height="92" rx="14"/><path class="nose" d="M46 38q14-12 28 0l-4 12H50z"/>
  <g><rect class="left front_left steer" x="14" y="20" width="16" height="34" rx="5"/><rect class="left rear_left drive" x="14" y="66" width="16" height="34" rx="5"/>
  <rect class="right front_right steer" x="90" y="20" width="16" height="34" rx="5"/><rect class="right rear_right drive" x="90" y="66" width="16" height="34" rx="5"/></g>
  <path class="way left forward" d="M6 46V24m-5 6 5-7 5 7"/><path class="way left back" d="M6 74v22m-5-6 5 7 5-7"/>
  <path class="way right forward" d="M114 46V24m-5 6 5-7 5 7"/><path class="way right back" d="M114 74v22m-5-6 5 7 5-7"/></svg>`;

/** The rise of a jog: its first duty cycle and its growth per second. The car limits it to `jog_duty`. */
const LOOK = { from: 0.12, per_s: 0.1 };
const BEGIN = { from: 0, per_s: 0.05 };
export const RISES = { which: LOOK, least: BEGIN };
/** Limits of the car for trims and for the minimum duty. */
const TRIM_LEAST = 0.5;
const DUTY_MOST = 0.8;
const START_MOST_US = 140;
const LEAST_WAY_US = 50; // from the middle of a servo to an end
/** The steps that adjust a pulse: its name, µs a press, the steering. @type {Record<string, {name: string, by: number, steering: number}>} */
export const PULSES = {
  neutral: { name: "esc_neutral_us", by: 5, steering: 0 },
  center: { name: "steering_center_us", by: 10, steering: 0 },
  left: { name: "steering_left_us", by: 10, steering: -1 },
  right: { name: "steering_right_us", by: 10, steering: 1 },
};
/** The first correction, as a ratio between both sides, and the smallest useful one. */
const STEP = { first: 0.06, last: 0.004 };

/**
 * `swap`, `min_duty`, for each motor of the car `<motor>_invert` and `<motor>_trim`, in the order of the motors, and the pulses
 * of a servo and of an ESC.
 *
 * @typedef {Record<string, any>} Calibration
 */
/** @typedef {"left"|"right"} Side */
/** @typedef {{wheel: string, forward: boolean}} Seen the wheel has the name of the motor that should turn it; front wheels that turn to the right are "forward" */
export const SIDES = /** @type {Side[]} */ (["left", "right"]);

/** @param {Calibration} calibration @returns {string[]} the names of the motors, in the order of the car */
export const motorsOf = (calibration) =>
  Object.keys(calibration).flatMap((key) => (key.endsWith("_invert") ? [key.slice(0, -"_invert".length)] : []));

/** @param {string[]} motors @returns {boolean} whether the car has steering, and no sides */
export const steers = (motors) => motors.includes("drive");

/** @returns {string[]} the motors that `swap` exchanges with these, one by one */
const partnersOf = (motors) => [...motors.slice(motors.length / 2), ...motors.slice(0, motors.length / 2)];

/** @param {Calibration} calibration @param {Side} side @returns {string[]} the keys of the trims of its motors */
const trimsOf = (calibration, side) => Object.keys(calibration).filter((key) => key.endsWith(`${side}_trim`));

/** @param {Calibration} calibration @returns {number} the trim of the left side, divided by that of the right side */
const ratioOf = (calibration) => calibration[trimsOf(calibration, "left")[0]] / calibration[trimsOf(calibration, "right")[0]];

/**
 * @param {{from: number, per_s: number}} rise @param {number} held_s time for which the button has been held
 * @param {number} most limit of the car
 * @returns {number} duty cycle
 */
export function riseTo({ from, per_s }, held_s, most) {
  return Math.min(most, from + per_s * held_s);
}

/**
 * Find out which motor is which, and which way each turns.
 *
 * @param {Calibration} now the calibration of the car while each motor was jogged forward
 * @param {Record<string, Seen>} seen the wheel that turned when each motor was jogged
 * @returns {Calibration|null} the right one; null if neither `swap` nor `invert` explains the answers
 */
export function directions(now, seen) {
  const motors = motorsOf(now);
  const wheels = motors.map((motor) => seen[motor].wheel);
  const right = `${wheels}` === `${motors}`;
  const crossed = !right && `${wheels}` === `${partnersOf(motors)}`;
  if (!crossed && !right) return null;
  const found = { ...now, swap: now.swap !== crossed };
  for (const motor of motors) {
    const { wheel, forward } = seen[motor];
    found[`${wheel}_invert`] = now[`${motor}_invert`] !== !forward;
    found[`${wheel}_trim`] = now[`${motor}_trim`];
  }
  return found;
}

/**
 * Find out which wires are wrong where `directions` finds no calibration.
 *
 * @param {Calibration} now @param {Record<string, Seen>} seen as for `directions`
 * @returns {string[]|null} two motors whose pins have to be exchanged in the configuration: one wheel more is then right,
 *   with the present `swap` or the other one; null if two answers name the same wheel
 */
export function exchanged(now, seen) {
  const motors = motorsOf(now);
  const wheels = motors.map((motor) => seen[motor].wheel);
  if (new Set(wheels).size < motors.length) return null;
  const wrong = (goal) => motors.filter((_, place) => wheels[place] !== goal[place]);
  const [goal] = [motors, partnersOf(motors)].sort((one, other) => wrong(one).length - wrong(other).length);
  const [motor] = wrong(goal);
  const pins = now.swap ? partnersOf(motors) : motors;
  return [motor, motors[goal.indexOf(seen[motor].wheel)]].map((each) => pins[motors.indexOf(each)]);
}

/**
 * @param {Calibration} now @param {Record<string, number>} began the duty cycles at which each wheel began to turn
 * @param {number} full_us distance of an ESC's highest pulse from neutral
 * @returns {Calibration} with a minimum duty at which all of them turn
 */
export function minimum(now, began, full_us = 0) {
  const duty = Math.max(...Object.values(began));
  if ("esc_start_us" in now) return { ...now, esc_start_us: Math.min(START_MOST_US, Math.round(duty * full_us)) };
  return { ...now, min_duty: Math.min(DUTY_MOST, Math.round(duty * 100) / 100) };
}

/**
 * @param {Calibration} now @param {string} step of PULSES @param {number} way 1 for the button "more", -1 for "less"
 * @returns {Calibration} with the pulse of this step changed: up; the middle of a servo to the right; an end away from the middle
 */
export function nudged(now, step, way) {
  const { name, by } = PULSES[step];
  const [left, middle, right] = [now.steering_left_us, now.steering_center_us, now.steering_right_us];
  const sign = step === "neutral" ? 1 : Math.sign(step === "center" ? right - left : now[name] - middle);
  const between = [Math.max(1000, Math.min(left, right) + LEAST_WAY_US), Math.min(2000, Math.max(left, right) - LEAST_WAY_US)];
  const beside = sign < 0 ? [500, middle - LEAST_WAY_US] : [middle + LEAST_WAY_US, 2500];
  const [least, most] = { neutral: [1400, 1600], center: between }[step] ?? beside;
  return { ...now, [name]: Math.max(least, Math.min(most, now[name] + sign * way * by)) };
}

/** @param {Calibration} now @returns {Calibration} with the ends of the servo exchanged */
export const mirrored = (now) => ({ ...now, steering_left_us: now.steering_right_us, steering_right_us: now.steering_left_us });

/**
 * @param {Calibration} found
 * @returns {({key: string, side?: string} & Record<string, any>)[]} facts about it: the words `tune.result.<key>` and their values
 */
export function resultOf(found) {
  const motors = motorsOf(found);
  const reversed = motors.filter((motor) => found[`${motor}_invert`]).map((side) => ({ key: "reversed", side }));
  const wiring = [...(found.swap ? [{ key: "swap" }] : []), ...reversed];
  const least = { key: "least", percent: Math.round(found.min_duty * 100) };
  const esc = [{ key: "neutral", us: found.esc_neutral_us }, { key: "start", us: found.esc_start_us }];
  const facts = esc[0].us ? [...wiring, ...esc] : [...(wiring.length ? wiring : [{ key: "wired" }]), least];
  const [left, center, right] = [found.steering_left_us, found.steering_center_us, found.steering_right_us];
  if (center) facts.push({ key: "steering", left, center, right });
  if (steers(motors)) return facts;
  const ratio = ratioOf(found);
  const percent = Math.round((1 - Math.min(ratio, 1 / ratio)) * 100);
  return [...facts, percent ? { key: "slower", side: SIDES[Number(ratio > 1)], percent } : { key: "even" }];
}

/**
 * Find out why this page may not turn a motor now.
 *
 * @param {any} state the newest of the car; null without a link @param {boolean} busy the car adopts a calibration
 * @returns {{why: string, fix: string}} the words `tune.<why>`, "" if it may; the word on the button that helps, "" without one
 */
export function hindrance(state, busy) {
  if (busy) return { why: "telling", fix: "" };
  if (!state) return { why: "gone", fix: "" };
  if (state.reason === "arming") return { why: "arming", fix: "" };
  const stopped = state.state === "stopped";
  if (held(state) && !stopped) return { why: "held", fix: "" };
  if (state.you === "driver") return stopped ? { why: "stopped", fix: "reset" } : { why: "", fix: "" };
  if (state.waiting) return { why: "waiting", fix: "ask.waiting" };
  if (state.driver) return { why: stopped ? "stopped.other" : "other", fix: "ask.other" };
  return stopped ? { why: "stopped.free", fix: "ask.take" } : { why: "", fix: "" };
}

/** Finds the trim in ever smaller steps: a step is halved when the car drifts the other way than before. */
export class Balance {
  #step = STEP.first;
  /** @type {Side|null} */ #before = null;

  /** @returns {boolean} whether another step would be too small to notice */
  get fine() {
    return this.#step < STEP.last;
  }

  /**
   * @param {Calibration} now @param {Side} drift the side to which the car drifts: the other one is too fast
   * @returns {Calibration} with new trims for the motors of each side, those of one side 1
   */
  correct(now, drift) {
    if (this.#before && this.#before !== drift) this.#step /= 2;
    this.#before = drift;
    const change = drift === "left" ? 1 + this.#step : 1 / (1 + this.#step);
    const ratio = ratioOf(now) * change; // left to right
    const trim = (value) => Math.max(TRIM_LEAST, Math.round(Math.min(1, value) * 1000) / 1000);
    const trims = (side, value) => Object.fromEntries(trimsOf(now, side).map((key) => [key, trim(value)]));
    return { ...now, ...trims("left", ratio), ...trims("right", 1 / ratio) };
  }
}

/** @typedef {import("../sim/view.js").Pose} Pose */
/**
 * Compute the speeds of the two wheels of the simulated car from two of its poses.
 *
 * @param {Pose} before @param {Pose} after @param {number} dt time between them @param {number} track between the wheels, m
 * @returns {Record<Side, number>} m/s, + is forward
 */
export function wheelsOf(before, after, dt, track) {
  const middle = (before.heading + after.heading) / 2;
  const way = (after.x - before.x) * Math.cos(middle) + (after.y - before.y) * Math.sin(middle);
  const turn = ((after.heading - before.heading) * track) / 2;
  return { left: (way - turn) / dt, right: (way + turn) / dt };
}

/**
 * A small car from above. It marks the motor of the present step; of a simulated car, which is hidden behind the dialog,
 * it also shows how the wheels turn, computed from its poses alone.
 */
export class TuneCar {
  #words;
  #text = byId("tune-sim");
  #drawing = byId("tune-car");
  #poses = /** @type {any[]} */ ([]);
  #start = /** @type {number|null} */ (null);

  /** @param {import("../shell/shell.js").Words} words */
  constructor(words) {
    this.#words = words;
  }

  /** Mark the wheels of a motor. @param {string} motor "" for none */
  light(motor) {
    for (const wheel of this.#drawing.querySelectorAll("g rect")) wheel.classList.toggle("on", wheel.classList.contains(motor || "none"));
  }

  /** Begin to measure the turn of a straight drive. */
  mark() {
    this.#start = this.#poses.at(-1)?.pose.heading ?? null;
  }

  /** End the measurement. */
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
    Object.assign(this.#drawing.dataset, ways);
    const text = this.#start === null ? this.#turning(ways) : this.#drifting(pose.heading - this.#start);
    write(this.#text, text);
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
