/**
 * Gamepads: left stick or triggers for throttle, a stick or the cross for steering, B is STOP. On a car with pan and tilt the
 * right stick moves them, and does not steer.
 *
 * They are read by a timer, never by requestAnimationFrame, and write into Sticks like every input.
 *
 * Laws:
 * - STOP works on every pad, also on one that does not drive; the pad that was moved last drives.
 * - A pad drives only after it was at rest: after it was connected, after a release of every input, after a dialog.
 * - A deflected pad without reports is slowed and then released: a browser keeps the last stick of a pad out of reach.
 */

import { clamp, clock, shape } from "../sticks.js";

/** Radius of the centre of a stick, as a part of its travel; standard thumbsticks need about this much. */
const DEADZONE = 0.12;
const READ_EVERY_MS = 12;
/** Numbers of the standard mapping: https://w3c.github.io/gamepad/#remapping */
const BUTTON = { stop: 1, slower: 4, faster: 5, reverse: 6, forward: 7, up: 12, down: 13, left: 14, right: 15 };
/** On a pad of unknown layout these may be the large buttons. */
const UNKNOWN_STOPS = [0, 1, 2, 3];
const LIMIT_STEP = 0.05;
/** A stick held at its end may send no reports either, hence slow first, and release later. */
const SLOW_AFTER_S = 1.5;
const GONE_AFTER_S = 4;
/** Fastest wheel of a slowed pad, as a share of the speed limit. */
const SLOW = 0.3;
/**
 * Some browsers put a timestamp on their own readings, not on the pad's reports (Chromium: XInput, Windows.Gaming.Input,
 * GameController). A new timestamp alone is a report only if the old one was the same in this many readings.
 */
const SAME_READINGS = 8;
/** A stick that rests off its centre stays within `steady`, and no farther out than `farthest`, for `time_s`. */
const REST = { time_s: 1, farthest: 0.3, steady: 0.03, margin: 0.05 };
/** Time until the page shows which stick does not rest. */
const SAY_AFTER_S = 1.5;
/** Deflection from which on a pad takes over from the one that drives. */
const TAKES_OVER = 0.1;
const HAND = "gamepad";

/**
 * @param {number} x @param {number} y of a thumbstick, in [-1, 1] @param {number} deadzone in [0, 1)
 * @returns {{x: number, y: number}} zero in the centre, growing steadily outside it
 */
export function radial(x, y, deadzone = DEADZONE) {
  const size = Math.hypot(x, y);
  if (size <= deadzone) return { x: 0, y: 0 };
  const scale = (Math.min(1, size) - deadzone) / (1 - deadzone) / size;
  return { x: clamp(x * scale), y: clamp(y * scale) };
}

/** Return the positions of sticks and triggers; a missing or invalid one is at rest. */
function placesOf({ axes, buttons }) {
  const axis = (number) => axes[number] || 0;
  const press = (name) => buttons[BUTTON[name]]?.value || 0;
  return {
    left: { x: axis(0), y: axis(1) },
    right: { x: axis(2), y: axis(3) },
    triggers: { x: 0, y: press("reverse") - press("forward") },
    cross: { x: press("right") - press("left"), y: press("down") - press("up") },
  };
}

/** @returns {Record<string, {throttle: number, steering: number}>} the value of each part of a pad; with `looks` the right stick moves a camera */
function partsOf(pad, rest, looks = false) {
  const { left, right, triggers, cross } = placesOf(pad);
  const centre = (part) => Math.max(DEADZONE, part in rest ? rest[part] + REST.margin : 0);
  const one = radial(left.x, left.y, centre("left"));
  const other = radial(right.x, right.y, centre("right"));
  return {
    left: { throttle: 0 - one.y, steering: one.x },
    right: { throttle: 0, steering: looks ? 0 : other.x },
    triggers: { throttle: Math.abs(triggers.y) > centre("triggers") ? 0 - triggers.y : 0, steering: 0 },
    cross: { throttle: 0 - cross.y, steering: cross.x },
  };
}

/**
 * @param {{axes: readonly number[], buttons: readonly {value: number}[]}} pad with the standard mapping
 * @param {Record<string, number>} rest distance from the centre at which a part rests, in [0, 1]
 * @param {boolean} looks whether the right stick moves a camera, and does not steer
 * @returns {{throttle: number, steering: number}} each in [-1, 1]
 */
export function sticksOf(pad, rest = {}, looks = false) {
  const { left, right, triggers, cross } = partsOf(pad, rest, looks);
  const stick = Math.abs(left.steering) >= Math.abs(right.steering) ? left : right;
  return {
    throttle: clamp(triggers.throttle + cross.throttle + left.throttle),
    steering: clamp(cross.steering + stick.steering),
  };
}

/** @returns {{throttle: number, steering: number}} the same direction, with no wheel faster than SLOW */
function slowed({ throttle, steering }) {
  const share = Math.min(1, SLOW / (Math.abs(throttle) + Math.abs(steering)));
  return { throttle: throttle * share, steering: steering * share };
}

/** The state of one pad. Times in s. */
class Seen {
  id;
  standard;
  ready = false;
  /** Distance from the centre at which a part rests; learned until the pad is ready for the first time. @type {Record<string, number>} */
  rest = {};
  reportAt = 0;
  /** @type {number|null} time at which it was first seen deflected without being ready */ waitsSince = null;
  told = "";
  /** @type {Set<number>} */ #pressed = new Set();
  #values = "";
  #timestamp = 0;
  #same = 0;
  /** @type {Record<string, {low: number, high: number, since: number}>|null} */ #still = {};

  constructor({ id, mapping }) {
    this.id = id;
    this.standard = mapping === "standard";
  }

  /** Detect a report of the pad: a changed value or timestamp. @param {any} pad @param {number} now */
  hear({ axes, buttons, timestamp }, now) {
    const values = [...axes, ...buttons.map(({ value, pressed }) => `${value}${pressed}`)].join();
    const stamped = timestamp !== this.#timestamp;
    if (values !== this.#values || (stamped && this.#same >= SAME_READINGS)) this.reportAt = now;
    this.#same = stamped ? 0 : this.#same + 1;
    this.#values = values;
    this.#timestamp = timestamp;
  }

  /** @param {any} pad @param {number} number of a button @returns {boolean} whether it has just come down */
  comesDown({ buttons }, number) {
    const down = buttons[number]?.pressed ?? false;
    const before = this.#pressed.has(number);
    if (down) this.#pressed.add(number);
    else this.#pressed.delete(number);
    return down && !before;
  }

  /** Mark the pad as ready; learning ends. */
  settle() {
    this.ready = true;
    this.#still = null;
    this.waitsSince = null;
    this.told = "";
  }

  /** Learn the rest position of each part that was never seen at its centre. */
  learn(pad, now) {
    if (!this.#still) return;
    for (const [part, { x, y }] of Object.entries(placesOf(pad))) {
      const size = Math.hypot(x, y);
      const still = (this.#still[part] ??= { low: size, high: size, since: now });
      still.low = Math.min(still.low, size);
      still.high = Math.max(still.high, size);
      if (still.high - still.low > REST.steady) delete this.#still[part];
      else if (now - still.since >= REST.time_s && still.high <= REST.farthest) this.rest[part] = still.high;
    }
  }
}

export default class Gamepads {
  #sticks;
  #actions;
  /** @type {Map<number, Seen>} by the pad's index */ #seen = new Map();
  /** @type {Seen|null} the pad that drives */ #driver = null;
  /** @type {Seen|null} the pad whose press was ended by the page */ #dropped = null;

  /** @param {import("../shell/shell.js").Tools} tools */
  constructor(tools) {
    this.#sticks = tools.sticks;
    this.#actions = tools;
    tools.sticks.addInput(() => this.#drop());
    this.#start();
  }

  /** Start reading the browser's pads. */
  #start() {
    const read = () => {
      const idle = document.hidden || document.querySelector("dialog[open]") !== null;
      this.read([...navigator.getGamepads()], clock(), idle);
    };
    for (const event of ["gamepadconnected", "gamepaddisconnected"]) {
      addEventListener(event, (/** @type {any} */ { gamepad }) => {
        if (gamepad) this.#forget(gamepad.index); // another pad may get its index at once
        read();
      });
    }
    setInterval(read, READ_EVERY_MS);
    read();
  }

  /**
   * @param {readonly (any|null)[]} pads as the browser lists them
   * @param {number} now s
   * @param {boolean} idle whether driving is off now; STOP always works
   */
  read(pads, now, idle) {
    const here = pads.filter((pad) => pad?.connected);
    for (const [index, { id }] of this.#seen) {
      if (!here.some((pad) => pad.index === index && pad.id === id)) this.#forget(index);
    }
    if (idle && this.#driver) this.#actions.letGo();
    if (idle) this.#drop();
    for (const pad of here) this.#look(pad, this.#seen.get(pad.index) ?? this.#meet(pad), now, idle);
  }

  #meet(pad) {
    const seen = new Seen(pad);
    this.#seen.set(pad.index, seen);
    const name = pad.id.replace(/ *\(.*/, "").slice(0, 40) || "?";
    if (seen.standard) this.#actions.note("gamepad.here");
    else if (pad.buttons.length) this.#actions.note("gamepad.unknown", { name }); // an entry without buttons is a motion sensor
    return seen;
  }

  #forget(index) {
    const seen = this.#seen.get(index);
    if (!seen) return;
    if (seen === this.#driver) this.#actions.letGo();
    this.#lift(seen);
    this.#seen.delete(index);
    this.#actions.aux?.letGo();
    if (seen.standard) this.#actions.note("gamepad.gone");
  }

  #look(pad, seen, now, idle) {
    seen.hear(pad, now);
    const stops = seen.standard ? [BUTTON.stop] : UNKNOWN_STOPS;
    if (stops.filter((number) => seen.comesDown(pad, number)).length) this.#actions.stop();
    const slower = seen.comesDown(pad, BUTTON.slower);
    const faster = seen.comesDown(pad, BUTTON.faster);
    if (seen.standard) this.#actions.aux?.pad(pad, idle);
    if (idle || !seen.standard) return;
    if (slower) this.#actions.limit(-LIMIT_STEP);
    if (faster) this.#actions.limit(LIMIT_STEP);
    this.#steer(pad, seen, now);
  }

  #steer(pad, seen, now) {
    const want = sticksOf(pad, seen.rest, this.#actions.aux?.looks);
    if (this.#isCentre(want)) return this.#rest(seen);
    if (!seen.ready) return this.#wait(pad, seen, now);
    if (seen !== this.#driver) {
      if (this.#driver && Math.max(Math.abs(want.throttle), Math.abs(want.steering)) < TAKES_OVER) return;
      if (this.#driver) this.#driver.ready = false;
      this.#driver = seen;
    }
    this.#drive(want, seen, now - seen.reportAt);
  }

  /** The dead zone of this phone counts as well. */
  #isCentre({ throttle, steering }) {
    return shape(throttle, this.#sticks.curve) === 0 && shape(steering, this.#sticks.curve) === 0;
  }

  #drive(want, seen, quiet_s) {
    if (quiet_s > GONE_AFTER_S) {
      this.#actions.letGo();
      return this.#tell(seen, "gamepad.silent");
    }
    const slow = quiet_s > SLOW_AFTER_S;
    if (slow) this.#tell(seen, "gamepad.move");
    else seen.told = "";
    this.#sticks.hold(HAND, slow ? slowed(want) : want);
  }

  #rest(seen) {
    if (seen === this.#driver) {
      this.#driver = null;
      this.#sticks.letGo(HAND);
    }
    if (!seen.ready) seen.settle();
    this.#lift(seen);
  }

  #lift(seen) {
    if (seen !== this.#dropped) return;
    this.#dropped = null;
    this.#actions.lifted();
  }

  #wait(pad, seen, now) {
    seen.learn(pad, now);
    seen.waitsSince ??= now;
    if (now - seen.waitsSince < SAY_AFTER_S || seen.told) return;
    const part = Object.entries(partsOf(pad, seen.rest, this.#actions.aux?.looks)).find(([, want]) => !this.#isCentre(want))?.[0];
    if (part) this.#tell(seen, `gamepad.rest.${part}`);
  }

  #tell(seen, key) {
    if (seen.told !== key) this.#actions.note(key);
    seen.told = key;
  }

  /** Require every pad to rest before it drives. */
  #drop() {
    if (this.#driver) this.#dropped = this.#driver;
    this.#driver = null;
    for (const seen of this.#seen.values()) seen.ready = false;
  }
}
