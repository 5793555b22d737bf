/**
 * The one state object that every input writes into, and the one sender that reads it.
 *
 * An input (pads, keys, arrows, gamepad, tilt) calls `hold` while a finger or key is down and `letGo` when it is up. It
 * passes `addInput` a function that drops the fingers or keys it holds. An input never sends anything itself.
 *
 * Laws:
 * - Without a held input nothing is sent; the last command of every press is one zero.
 * - `releaseAll` ends the press: a finger or key that is still down does nothing until it is pressed again.
 * - A press starts with a neutral command and drives only once the car reports `armed` and `mayDrive` allows it.
 * - Everything runs on timers of the main thread: a page that hangs sends nothing, and stays silent after the hang.
 *
 * Times are in seconds, sticks in [-1, 1], + is forward and right.
 */

/** Average time between two sends, except zero and STOP; the car accepts 100 messages a second. */
const PACE_S = 0.011;
/** Number of sends that may run ahead of that pace, so that a change is sent at once even when events come in bursts. */
const AHEAD = 6;
/** The held value is repeated at this interval unless a change was sent. */
const REPEAT_S = 0.033;
/** A press that cannot drive for this long ends. */
const PATIENCE_S = 1.0;
const NEUTRAL = { throttle: 0, steering: 0 };

/** @returns {number} monotonic time in s */
export const clock = () => performance.now() / 1000;

/** @param {number} value @returns {number} value within [-1, 1] */
export const clamp = (value) => Math.max(-1, Math.min(1, value));

/**
 * @param {number} value of a stick, in [-1, 1]
 * @param {{deadzone: number, expo: number}} curve both in [0, 1): size of the centre, softness around it
 * @returns {number} in [-1, 1]; zero stays zero, full stays full
 */
export function shape(value, { deadzone, expo }) {
  const size = Math.abs(value);
  if (size <= deadzone) return 0;
  const way = (size - deadzone) / (1 - deadzone);
  return Math.sign(value) * ((1 - expo) * way + expo * way ** 3);
}

/**
 * Call `letGo` whenever the driver may have left the page, or the end of a press may have been lost: browsers do not
 * report a key that comes up during a menu, a drag, an input method's composition or (macOS) under Meta.
 *
 * @param {() => void} letGo
 */
export function onLetGo(letGo) {
  const on = (target, capture, ...events) => {
    for (const event of events) target?.addEventListener?.(event, () => letGo(), capture);
  };
  on(globalThis, false, "blur", "pagehide", "beforeprint");
  on(document, false, "freeze", "visibilitychange", "fullscreenchange");
  on(document, true, "contextmenu", "dragstart", "dragenter", "compositionstart");
  on(screen.orientation, false, "change");
  on(matchMedia("(orientation: portrait)"), false, "change");
  const meta = ({ key }) => (key === "Meta" || key === "OS") && letGo();
  addEventListener("keydown", meta);
  addEventListener("keyup", meta);
}

/** @param {any} state the newest of the car, null without a link @returns {boolean} whether the garage holds the car */
export const held = (state) => state?.lesson?.mode === "hold";

/** Calls its listeners after each change. */
export class Changing {
  /** @type {((what?: any) => void)[]} */ #listeners = [];

  /** @param {(what?: any) => void} listener called after each change */
  listen(listener) {
    this.#listeners.push(listener);
  }

  /** @param {any} [what] has changed */
  changed(what) {
    for (const listener of this.#listeners) listener(what);
  }
}

/** The sum of all inputs. */
export class Sticks extends Changing {
  /** @type {Map<string, {throttle?: number, steering?: number, until?: number}>} */ #hands = new Map();
  /** @type {(() => void)[]} */ #inputs = [];

  /** Dead zone and expo of this phone. */
  curve = { deadzone: 0, expo: 0 };

  get held() {
    return this.#hands.size > 0;
  }

  /** @returns {{throttle: number, steering: number}} the sum of all inputs, each axis in [-1, 1] */
  get value() {
    let throttle = 0;
    let steering = 0;
    for (const hand of this.#hands.values()) {
      if (hand.until) return clock() > hand.until || this.#hands.size > 1 ? NEUTRAL : { throttle: hand.throttle ?? 0, steering: hand.steering ?? 0 };
      throttle += hand.throttle ?? 0;
      steering += hand.steering ?? 0;
    }
    return { throttle: shape(clamp(throttle), this.curve), steering: shape(clamp(steering), this.curve) };
  }

  /** @param {string} input name of the input @returns {boolean} whether it holds a stick */
  holds(input) {
    return this.#hands.has(input);
  }

  /** @param {() => void} forget drops the fingers or keys this input holds */
  addInput(forget) {
    this.#inputs.push(forget);
  }

  /** @param {string} input name of the input @returns {boolean} whether no other input holds a stick */
  free(input) {
    return this.#hands.size === Number(this.#hands.has(input));
  }

  /**
   * With `until`, the hand is not shaped, and neutral beside other inputs and after this time.
   *
   * @param {string} input its name @param {{throttle?: number, steering?: number, until?: number}} hand wanted, in [-1, 1]
   */
  hold(input, hand) {
    this.#hands.set(input, hand);
    this.changed();
  }

  /** @param {string} input name of the input */
  letGo(input) {
    if (this.#hands.delete(input)) this.changed();
  }

  /** Release every input at once. */
  releaseAll() {
    if (!this.held) return;
    this.#hands.clear();
    for (const forget of this.#inputs) forget();
    this.changed();
  }
}

/** Decides which command is sent and when; a press is `idle`, `starting` (take the wheel, then neutral) or `driving`. */
export class Sender {
  #link;
  #sticks;
  #transmit;
  #phase = "idle";
  #pressedAt = 0;
  #asked = false;
  #neutral = false;
  #sent = NEUTRAL;
  #sentAt = 0;
  #paidUntil = 0;
  #aliveAt = clock();
  #timer = 0;
  #sawStopped = false;

  /** True after the page ended a press whose finger or key may still be down. */
  pressAgain = false;
  /** Asked with the wheel in hand before each command of a press that does not drive yet. @type {() => boolean} */
  mayDrive = () => true;
  /** True while the car is stopped by this page: its STOP was sent before the car was stopped. */
  stopped = false;

  /**
   * @param {import("./link.js").Link} link @param {Sticks} sticks
   * @param {(throttle: number, steering: number) => boolean} drive sends a command; returns whether it was sent
   */
  constructor(link, sticks, drive = (throttle, steering) => link.drive(throttle, steering)) {
    this.#link = link;
    this.#sticks = sticks;
    this.#transmit = drive;
    sticks.listen(() => this.#changed());
    setInterval(() => this.#beat(), REPEAT_S * 1000);
  }

  /** A finger or a key came up. */
  lifted() {
    this.pressAgain = false;
  }

  get driving() {
    return this.#phase === "driving";
  }

  /** Send the latched stop at once, with or without the wheel. @returns {boolean} whether it was sent */
  stop() {
    this.#phase = "idle";
    const sent = this.#link.say("stop");
    if (sent && this.#link.state?.state !== "stopped") this.stopped = true;
    this.letGo();
    return sent;
  }

  /** Release every input; the driver has to press again. */
  letGo() {
    if (!this.#sticks.held) return;
    this.pressAgain = true;
    this.#sticks.releaseAll();
  }

  /** Act on a new state, or on a change that had to wait. */
  heard() {
    const now = clock();
    if (this.#link.state?.you !== "driver") this.#neutral = false;
    const stopped = this.#link.state?.state === "stopped";
    if (this.#sawStopped && !stopped) this.stopped = false;
    this.#sawStopped = stopped;
    this.#notice(now);
    this.#step(now, false);
  }

  /** @param {string} code of the car's error message */
  refused(code) {
    if (code === "stale") this.#asked = false; // the tick was too old: the next beat asks again
    if (!["not_neutral", "arming", "held", "picture_old", "battery_low"].includes(code)) return;
    this.#neutral = false;
    this.letGo();
  }

  #beat() {
    const now = clock();
    this.#notice(now);
    this.#aliveAt = now;
    this.#step(now, true);
  }

  /** Release after a gap in the page's own timer (hang, alert, debugger): a finger that came up in it was not reported. */
  #notice(now) {
    if (now - this.#aliveAt > (this.#link.hello?.command_timeout_s ?? PATIENCE_S)) this.letGo();
  }

  #changed() {
    const now = clock();
    if (this.#sticks.held) this.#notice(now);
    if (!this.#sticks.held) return this.#finish(now);
    if (this.#phase === "idle") {
      this.#phase = "starting";
      this.#pressedAt = now;
      this.#asked = false;
      this.pressAgain = false;
    }
    this.#step(now, false);
  }

  #finish(now) {
    const started = this.#phase !== "idle";
    this.#phase = "idle";
    if (started && this.#link.state?.you === "driver") this.#send(now, NEUTRAL);
  }

  #step(now, repeat) {
    if (this.#phase === "idle") return;
    const car = this.#link.state;
    if (!car || car.state === "stopped" || held(car) || this.#link.quiet(now) > PATIENCE_S) return this.letGo();
    if (this.#phase === "starting") this.#start(now, car, repeat);
    if (this.#phase === "driving") this.#drive(now, car, repeat);
  }

  #start(now, car, repeat) {
    if (now - this.#pressedAt > PATIENCE_S) return this.letGo();
    if (car.you !== "driver") {
      if (car.driver || this.#asked) return; // only the button asks a driver for the wheel
      this.#link.say("take", { tick: this.#link.tick });
      this.#asked = true;
      return;
    }
    const may = this.mayDrive();
    if (!this.#neutral || (repeat && car.state !== "armed")) this.#neutral = this.#send(now, NEUTRAL);
    if (may && this.#neutral && car.state === "armed") this.#phase = "driving";
  }

  #drive(now, car, repeat) {
    if (car.you !== "driver" || car.state === "disarmed") return this.letGo();
    if (this.#link.weak(now, true)) return;
    const value = this.#sticks.value;
    const changed = value.throttle !== this.#sent.throttle || value.steering !== this.#sent.steering;
    const zero = value.throttle === 0 && value.steering === 0;
    const wait_s = this.#paidUntil - AHEAD * PACE_S - now;
    if (changed && (zero || wait_s <= 0)) this.#send(now, value);
    else if (changed) this.#soon(wait_s);
    else if (repeat && now - this.#sentAt > REPEAT_S / 2) this.#send(now, value);
  }

  /** Send a change that came too early as soon as the pace allows, not with the next beat. */
  #soon(wait_s) {
    this.#timer ||= setTimeout(() => {
      this.#timer = 0;
      this.heard();
    }, wait_s * 1000);
  }

  /** @returns {boolean} whether the command was sent */
  #send(now, value) {
    this.#sent = value;
    this.#sentAt = now;
    this.#paidUntil = Math.max(now, this.#paidUntil) + PACE_S;
    return this.#transmit(value.throttle, value.steering);
  }
}
