/**
 * A gamepad: left stick or triggers for throttle, a stick or the cross for steering, B is STOP.
 *
 * Loaded when the first one says hello. It is read by a timer, never by requestAnimationFrame, and writes into
 * Sticks like every input. After it came, and after everything was let go, it counts for nothing until it was
 * seen at rest once. When it goes, or the browser stops telling of it, everything is let go.
 */

import { clamp } from "../sticks.js";

/** What counts as the centre of a stick, as a part of its way; the standard thumbsticks need about this much. */
const DEADZONE = 0.12;
const READ_EVERY_MS = 12;
/** Numbers of the standard mapping: https://w3c.github.io/gamepad/#remapping */
const BUTTON = { stop: 1, slower: 4, faster: 5, reverse: 6, forward: 7, up: 12, down: 13, left: 14, right: 15 };
const LIMIT_STEP = 0.05;

/**
 * @param {number} x @param {number} y of a thumbstick, in [-1, 1]
 * @returns {{x: number, y: number}} zero around the centre, and growing from there
 */
export function radial(x, y) {
  const size = Math.hypot(x, y);
  if (size <= DEADZONE) return { x: 0, y: 0 };
  const scale = (Math.min(1, size) - DEADZONE) / (1 - DEADZONE) / size;
  return { x: clamp(x * scale), y: clamp(y * scale) };
}

/**
 * @param {{axes: readonly number[], buttons: readonly {value: number}[]}} pad with the standard mapping
 * @returns {{throttle: number, steering: number}} each in [-1, 1]
 */
export function sticksOf({ axes, buttons }) {
  const press = (name) => buttons[BUTTON[name]]?.value ?? 0;
  const left = radial(axes[0] ?? 0, axes[1] ?? 0);
  const right = radial(axes[2] ?? 0, axes[3] ?? 0);
  const pull = press("forward") - press("reverse");
  const trigger = Math.abs(pull) > DEADZONE ? pull : 0;
  const cross = { x: press("right") - press("left"), y: press("up") - press("down") };
  return {
    throttle: clamp(trigger + cross.y - left.y),
    steering: clamp(cross.x + (Math.abs(left.x) >= Math.abs(right.x) ? left.x : right.x)),
  };
}

export class Gamepads {
  #sticks;
  #actions;
  #ready = false;
  #present = false;
  /** @type {Set<string>} */
  #pressed = new Set();

  /**
   * @param {import("../sticks.js").Sticks} sticks
   * @param {{stop: () => void, limit: (step: number) => void, letGo: () => void, note: (key: string) => void}} actions
   */
  constructor(sticks, actions) {
    this.#sticks = sticks;
    this.#actions = actions;
    sticks.addInput(() => (this.#ready = false));
    addEventListener("gamepaddisconnected", () => this.#read());
    setInterval(() => this.#read(), READ_EVERY_MS);
    this.#read();
  }

  #read() {
    const pad = navigator.getGamepads().find((each) => each?.connected && each.mapping === "standard");
    if (Boolean(pad) !== this.#present) this.#changed(Boolean(pad));
    if (!pad) return;
    this.#press("stop", pad, () => this.#actions.stop());
    if (document.hidden || document.querySelector("dialog[open]")) return;
    this.#press("slower", pad, () => this.#actions.limit(-LIMIT_STEP));
    this.#press("faster", pad, () => this.#actions.limit(LIMIT_STEP));
    this.#steer(sticksOf(pad));
  }

  #changed(present) {
    this.#present = present;
    this.#ready = false;
    if (!present) this.#actions.letGo();
    this.#actions.note(present ? "gamepad.here" : "gamepad.gone");
  }

  #steer(want) {
    const rests = want.throttle === 0 && want.steering === 0;
    if (rests) this.#sticks.letGo("gamepad");
    if (rests && !this.#ready) this.#ready = true;
    else if (!rests && this.#ready) this.#sticks.hold("gamepad", want);
  }

  #press(name, pad, act) {
    const down = pad.buttons[BUTTON[name]]?.pressed ?? false;
    if (down && !this.#pressed.has(name)) act();
    if (down) this.#pressed.add(name);
    else this.#pressed.delete(name);
  }
}
