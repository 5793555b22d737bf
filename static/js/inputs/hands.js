/**
 * The two inputs of every visit: pads for the thumbs, and the keyboard. They write into Sticks and use nothing of the car.
 *
 * Pads (one axis or both) use Pointer Events. A pad owns one pointer at a time and captures it; every end of that pointer
 * (up, cancel, lost capture, `releaseAll`) releases the stick. A second pointer on the same pad is ignored.
 * A pad is relative: the touch point is neutral, and the distance from it deflects the stick. Neutral stays there until
 * the thumb is lifted, however far the thumb goes: a thumb that comes back to its place must not find reverse there.
 *
 * Keyboard: WASD and arrows drive, Space is STOP, [ and ] change the speed limit, R records. A tap of a steering key is a small
 * correction, and while the key is held the steering rises to full; Shift halves both axes. A released key is zero at
 * once. The place of a key counts, not its letter (`event.code`); `event.key` counts where there is no code (remotes,
 * on-screen keyboards, remote desktops). Space stops with any modifier, in dialogs too, and with the focus anywhere but
 * in a text field. Other keys in a form field and shortcuts (Ctrl, Alt, Meta) are left alone; a shortcut pressed while
 * driving releases the keys, because macOS loses the keyup of a letter under Meta.
 */

import { clock } from "../sticks.js";

/** Distance from the touch point to full stick in px: shorter on a small pad and near an edge of the screen. */
const TRAVEL = { least: 40, most: 90 };
/** A thumb that moves less than this, in px, only rests; full stick is this far before the edge of the screen. */
const SLACK = 8;
/** Screen readers get at most four values a second. */
const SPOKEN_EVERY_S = 0.25;
/** [throttle, steering] of each drive key. */
const DRIVE = new Map(
  Object.entries({
    ...{ KeyW: [1, 0], KeyS: [-1, 0], KeyD: [0, 1], KeyA: [0, -1] },
    ...{ ArrowUp: [1, 0], ArrowDown: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] },
  }),
);
/** Steering of a key that has just come down, and its rise to 1 in 0.4 s while it is held. */
const STEERING = { first: 0.25, step: 0.0625, every_ms: 33 };
const RECORD = "KeyR";
const LIMIT_STEP = new Map(Object.entries({ BracketLeft: -0.05, BracketRight: 0.05 }));
/** Keys by the character they type, with or without a code. */
const ALWAYS = new Map(Object.entries({ " ": "Space", Spacebar: "Space", "[": "BracketLeft", "]": "BracketRight" }));
/** The same for keys without a code. */
const TYPED = new Map(
  Object.entries({
    ...{ w: "KeyW", s: "KeyS", d: "KeyD", a: "KeyA" },
    ...{ up: "ArrowUp", down: "ArrowDown", right: "ArrowRight", left: "ArrowLeft" },
  }),
);
/** Form fields that accept text. */
const TEXT = ":read-write";

/**
 * @param {number} length of the pad, px @param {number} room from the touch point to the edge of the screen, px
 * @returns {number} distance to full stick, px
 */
export function travelOf(length, room) {
  return Math.max(TRAVEL.least, Math.min(TRAVEL.most, length / 2, room - SLACK));
}

/** @param {number} moved px @param {number[]} travels px, for either sign @returns {number} in [-1, 1] */
export function deflection(moved, travels) {
  const size = Math.max(0, Math.abs(moved) - SLACK) / (travels[moved < 0 ? 0 : 1] - SLACK);
  return moved < 0 ? 0 - Math.min(1, size) : Math.min(1, size);
}

/** The pointer that holds an element: one at a time, captured. */
export class Grip {
  #element;
  #follow;
  #forget;
  /** @type {number|null} */ #pointer = null;

  /**
   * @param {HTMLElement} element
   * @param {(event: PointerEvent) => void} follow called when the pointer comes down and moves
   * @param {() => void} forget called once at its end
   */
  constructor(element, follow, forget) {
    this.#element = element;
    this.#follow = follow;
    this.#forget = forget;
    element.addEventListener("pointerdown", (event) => this.#down(event));
    element.addEventListener("pointermove", (event) => this.#move(event));
    element.addEventListener("lostpointercapture", (event) => this.#up(event));
    // On the window: without capture (which can fail) the end of a pointer may happen outside the element.
    addEventListener("pointerup", (event) => this.#up(event));
    addEventListener("pointercancel", (event) => this.#up(event));
    // iOS: no magnifier and no double-tap zoom under a resting thumb; pointer events are still sent.
    element.addEventListener("touchstart", (event) => event.preventDefault(), { passive: false });
  }

  get held() {
    return this.#pointer !== null;
  }

  /** Release the pointer; it does nothing until it comes down again. */
  drop() {
    const pointer = this.#pointer;
    if (pointer === null) return;
    this.#pointer = null;
    if (this.#element.hasPointerCapture(pointer)) this.#element.releasePointerCapture(pointer);
    this.#element.classList.remove("held");
    this.#forget();
  }

  #down(event) {
    if (this.#pointer !== null || event.button !== 0) return;
    this.#pointer = event.pointerId;
    try {
      this.#element.setPointerCapture(event.pointerId);
    } catch {
      // The pointer has ended already; its pointerup or pointercancel follows.
    }
    this.#element.classList.add("held");
    this.#follow(event);
  }

  #move(event) {
    if (event.pointerId !== this.#pointer) return;
    if (event.buttons === 0) this.drop(); // the button came up outside the page
    else this.#follow(event);
  }

  #up(event) {
    if (event.pointerId === this.#pointer) this.drop();
  }
}

/**
 * Hold a button without a pointer: while Enter is down (Space is STOP), or for a moment by the click of a screen reader.
 *
 * @param {HTMLElement} button @param {number} nudge_s duration of the hold by a click
 * @param {Grip} grip while it is held, a click does nothing
 * @param {() => void} hold @param {() => void} letGo
 * @returns {() => void} forgets key and click without a call of `letGo`
 */
export function holdWithoutPointer(button, nudge_s, grip, hold, letGo) {
  let key = false;
  let nudge = 0;
  const forget = () => {
    clearTimeout(nudge);
    key = false;
  };
  const end = () => {
    forget();
    letGo();
  };
  button.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault(); // no click as well
    if (event.repeat || key) return;
    hold();
    key = true;
  });
  addEventListener("keyup", (event) => key && event.key === "Enter" && end());
  button.addEventListener("blur", () => key && end());
  button.addEventListener("click", (event) => {
    if (event.detail !== 0 || grip.held) return;
    hold();
    nudge = setTimeout(end, nudge_s * 1000);
  });
  return forget;
}

export class Pad {
  #element;
  #axes;
  #sticks;
  #words;
  #grip;
  /** The touch point, its offset from the centre of the pad, and the travels up or left and down or right; px. */
  #touched = { x: 0, y: 0, right: 0, down: 0, travels: [1, 1] };
  #shown = "";
  #spokenAt = 0;
  #speaking = 0;

  /**
   * @param {HTMLElement} element its id is the name of the input
   * @param {("throttle"|"steering")[]} axes throttle is vertical, steering horizontal
   * @param {import("../sticks.js").Sticks} sticks
   * @param {import("../shell/shell.js").Words} words
   */
  constructor(element, axes, sticks, words) {
    this.#element = element;
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

  #follow(event) {
    if (event.type === "pointerdown") this.#touch(event);
    const { x, y, travels } = this.#touched;
    const want = { throttle: 0 - deflection(event.clientY - y, travels), steering: deflection(event.clientX - x, travels) };
    this.#show(want);
    this.#sticks.hold(this.#element.id, Object.fromEntries(this.#axes.map((axis) => [axis, want[axis]])));
  }

  /** Make the touch point neutral. A pad of both axes has one travel: its diagonals stay diagonals. */
  #touch({ clientX: x, clientY: y }) {
    const { left, top, width, height } = this.#element.getBoundingClientRect();
    const length = Math.min(...this.#axes.map((axis) => (axis === "throttle" ? height : width)));
    const rooms = this.#axes.map((axis) => (axis === "throttle" ? [y, innerHeight - y] : [x, innerWidth - x]));
    const least = rooms.length > 1 ? Math.min(...rooms.flat()) : Infinity;
    const travels = rooms[0].map((room) => travelOf(length, Math.min(room, least)));
    this.#touched = { x, y, right: x - left - width / 2, down: y - top - height / 2, travels };
  }

  #end() {
    this.#sticks.letGo(this.#element.id);
    this.#mirror();
  }

  /** Show the value of other inputs while no thumb is on this pad. */
  #mirror() {
    if (!this.#grip.held) this.#show(this.#sticks.value);
  }

  /** Place the knob; on the page, + is right and down. */
  #show({ throttle, steering }) {
    const x = this.#axes.includes("steering") ? steering : 0;
    const y = this.#axes.includes("throttle") ? 0 - throttle : 0;
    const { right, down, travels } = this.#touched;
    const zoom = /** @type {any} */ (this.#element).currentCSSZoom ?? 1;
    const lengths = [right, down, travels[x + y < 0 ? 0 : 1]].map((px) => (this.#grip.held ? `${px / zoom}px` : ""));
    const places = [x.toFixed(3), y.toFixed(3), ...lengths];
    if (places.join() === this.#shown) return;
    this.#shown = places.join();
    ["--x", "--y", "--ox", "--oy", "--travel"].forEach((name, index) => this.#element.style.setProperty(name, places[index]));
    clearTimeout(this.#speaking);
    const wait_s = this.#spokenAt + SPOKEN_EVERY_S - clock();
    this.#speaking = setTimeout(() => this.#speak(), Math.max(0, wait_s * 1000));
  }

  #speak() {
    this.#spokenAt = clock();
    const values = this.#sticks.value;
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

/** @returns {string} the value of a stick in words */
function spell(words, axis, value) {
  const percent = Math.round(value * 100);
  const side = percent > 0 ? "plus" : percent < 0 ? "minus" : "zero";
  return words.say(`${axis}.${side}`, { percent: Math.abs(percent) });
}

/** @param {string} code of a key event @returns {boolean} whether it identifies a key */
const isPlace = (code) => Boolean(code) && code !== "Unidentified";

/**
 * @param {{code?: string, key?: string}} event some events that a browser sends for its own forms have neither
 * @returns {string} the name of a key: its code, else one by the character it types; Space and brackets by either, keys
 *   of the number pad by the character (they are arrows or digits)
 */
export function nameOf({ code = "", key = "" }) {
  const typed = ALWAYS.get(key);
  if (typed && code !== "Space") return typed;
  if (isPlace(code) && !code.startsWith("Numpad")) return code;
  return TYPED.get(key.toLowerCase()) ?? key;
}

/**
 * @param {Iterable<string>} codes of the keys that are down
 * @returns {{throttle: number, steering: number}} each -1, 0 or 1
 */
export function sticksOf(codes) {
  const sum = [0, 0];
  for (const code of codes) DRIVE.get(code)?.forEach((value, axis) => (sum[axis] += value));
  return { throttle: Math.sign(sum[0]), steering: Math.sign(sum[1]) };
}

export class Keys {
  /** @type {Map<string, string>} the names of the keys that are down, by their code where they have one */
  #down = new Map();
  #sticks;
  #actions;
  #share = 1;
  #side = 0;
  #steering = 0;
  #timer = 0;

  /** @param {import("../sticks.js").Sticks} sticks @param {{stop: () => void, record: () => void, limit: (step: number) => void}} actions */
  constructor(sticks, actions) {
    this.#sticks = sticks;
    this.#actions = actions;
    sticks.addInput(() => this.#clear());
    // In the capture phase: before any control receives it.
    addEventListener("keydown", (event) => this.#press(event), true);
    addEventListener("keyup", (event) => this.#release(event), true);
  }

  #press(event) {
    const name = nameOf(event);
    if (name === "Space") return this.#stop(event);
    if (isOthers(event, name)) return this.#clear();
    this.#halve(event.shiftKey);
    if (event.target.closest?.("input, select, textarea, [contenteditable]")) return flip(event);
    if (!DRIVE.has(name) && !LIMIT_STEP.has(name) && name !== RECORD) return;
    if (document.querySelector("dialog[open]")) return;
    event.preventDefault(); // no scrolling
    if (event.repeat) return;
    if (name === RECORD) this.#actions.record();
    else if (LIMIT_STEP.has(name)) this.#actions.limit(LIMIT_STEP.get(name));
    else {
      this.#down.set(isPlace(event.code) ? event.code : name, name);
      this.#write();
    }
  }

  #stop(event) {
    if (event.target.matches?.(TEXT)) return;
    event.preventDefault(); // Space never presses the focused button
    if (!event.repeat) this.#actions.stop();
  }

  #release(event) {
    const name = nameOf(event);
    if (name === "Space" && !event.target.matches?.(TEXT)) event.preventDefault();
    this.#halve(event.shiftKey);
    let known = isPlace(event.code) || event.key === "Shift";
    for (const [place, held] of this.#down) {
      if (place === event.code || held === name) known = this.#down.delete(place);
    }
    if (!known) this.#down.clear(); // it may be any of them: the character of a key changes with Shift
    this.#write();
  }

  #clear() {
    this.#down.clear();
    this.#write();
  }

  /** @param {boolean} shift whether Shift is down */
  #halve(shift) {
    const share = shift ? 0.5 : 1;
    if (share === this.#share) return;
    this.#share = share;
    this.#write();
  }

  #write() {
    const { throttle, steering } = sticksOf(this.#down.values());
    this.#steer(steering);
    if (!this.#down.size) return this.#sticks.letGo("keys");
    this.#sticks.hold("keys", { throttle: throttle * this.#share, steering: steering * this.#steering * this.#share });
  }

  /** Begin again with the small correction when the side changes. @param {number} side -1, 0 or 1 */
  #steer(side) {
    if (side === this.#side) return;
    this.#side = side;
    this.#steering = STEERING.first;
    clearInterval(this.#timer);
    if (side) this.#timer = setInterval(() => this.#rise(), STEERING.every_ms);
  }

  /** A page that hangs misses steps: the steering does not jump after the hang. */
  #rise() {
    this.#steering = Math.min(1, this.#steering + STEERING.step);
    if (this.#steering === 1) clearInterval(this.#timer);
    this.#write();
  }
}

/** A shortcut, or a key for an input method. Some keyboards type a bracket with AltGr or Option. */
function isOthers({ ctrlKey, metaKey, altKey, isComposing, keyCode }, name) {
  return ctrlKey || metaKey || (altKey && !LIMIT_STEP.has(name)) || isComposing || keyCode === 229;
}

/** Enter flips a switch, because Space is STOP. */
function flip(event) {
  if (event.key !== "Enter" || event.target.type !== "checkbox") return;
  event.preventDefault();
  if (!event.repeat) event.target.click();
}
