/**
 * The keyboard: WASD and arrows drive, Space is STOP, [ and ] change the speed limit.
 *
 * By `event.code`, so that the place on the keyboard counts and not the letter on it; by `event.key` where there is no
 * code (remotes, on-screen keyboards, remote desktops). Space stops with any modifier, in dialogs too, and whatever
 * has the focus, except a text field. Other keys in a form field and shortcuts (Ctrl, Alt, Meta) are left alone; a
 * shortcut pressed while driving lets go, because macOS loses the keyup of a letter under Meta.
 */

/** What each drive key adds: [throttle, steering]. */
const DRIVE = new Map([
  ["KeyW", [1, 0]],
  ["ArrowUp", [1, 0]],
  ["KeyS", [-1, 0]],
  ["ArrowDown", [-1, 0]],
  ["KeyD", [0, 1]],
  ["ArrowRight", [0, 1]],
  ["KeyA", [0, -1]],
  ["ArrowLeft", [0, -1]],
]);
const LIMIT_STEP = new Map([
  ["BracketLeft", -0.05],
  ["BracketRight", 0.05],
]);

/** Keys by what they type. */
const TYPED = new Map([
  ["w", "KeyW"],
  ["s", "KeyS"],
  ["d", "KeyD"],
  ["a", "KeyA"],
  ["up", "ArrowUp"],
  ["down", "ArrowDown"],
  ["right", "ArrowRight"],
  ["left", "ArrowLeft"],
]);
const STOP_KEYS = [" ", "Spacebar"];
const BRACKETS = new Map([
  ["[", "BracketLeft"],
  ["]", "BracketRight"],
]);
/** Form fields that take text. */
const TEXT = ":read-write";

/** @param {string} code of a key event @returns {boolean} whether it names a key */
const isPlace = (code) => Boolean(code) && code !== "Unidentified";

/**
 * @param {{code?: string, key?: string}} event some events that a browser makes up for its own forms have neither
 * @returns {string} what a key is called here: its code, else after what it types; Space and brackets if they are
 *   either, and keys of the number pad by what they type (they are arrows or digits)
 */
export function nameOf({ code = "", key = "" }) {
  if (code === "Space" || STOP_KEYS.includes(key)) return "Space";
  if (BRACKETS.has(key)) return BRACKETS.get(key) ?? "";
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

  /**
   * @param {import("../sticks.js").Sticks} sticks
   * @param {{stop: () => void, limit: (step: number) => void}} actions
   */
  constructor(sticks, actions) {
    this.#sticks = sticks;
    this.#actions = actions;
    sticks.addInput(() => this.#down.clear());
    // Before any control hears of it.
    addEventListener("keydown", (event) => this.#press(event), true);
    addEventListener("keyup", (event) => this.#release(event), true);
  }

  #press(event) {
    const name = nameOf(event);
    if (name === "Space") return this.#stop(event);
    if (isOthers(event, name)) return this.#clear();
    if (event.target.closest?.("input, select, textarea, [contenteditable]")) return flip(event);
    if (!DRIVE.has(name) && !LIMIT_STEP.has(name)) return;
    if (document.querySelector("dialog[open]")) return;
    event.preventDefault(); // no scrolling
    if (event.repeat) return;
    if (LIMIT_STEP.has(name)) this.#actions.limit(LIMIT_STEP.get(name));
    else {
      this.#down.set(isPlace(event.code) ? event.code : name, name);
      this.#write();
    }
  }

  #stop(event) {
    if (event.target.matches?.(TEXT)) return;
    event.preventDefault(); // Space never presses what has the focus
    if (!event.repeat) this.#actions.stop();
  }

  #release(event) {
    const name = nameOf(event);
    if (name === "Space" && !event.target.matches?.(TEXT)) event.preventDefault();
    let known = isPlace(event.code);
    for (const [place, held] of this.#down) {
      if (place === event.code || held === name) known = this.#down.delete(place);
    }
    if (!known) this.#down.clear(); // it may be any of them: what a key types changes with Shift
    this.#write();
  }

  #clear() {
    this.#down.clear();
    this.#write();
  }

  #write() {
    if (this.#down.size) this.#sticks.hold("keys", sticksOf(this.#down.values()));
    else this.#sticks.letGo("keys");
  }
}

/** A shortcut, or a key that an input method takes; AltGr and Option are how some keyboards type a bracket. */
function isOthers({ ctrlKey, metaKey, altKey, isComposing, keyCode }, name) {
  return ctrlKey || metaKey || (altKey && !LIMIT_STEP.has(name)) || isComposing || keyCode === 229;
}

/** Enter flips a switch, which elsewhere is Space. */
function flip(event) {
  if (event.key !== "Enter" || event.target.type !== "checkbox") return;
  event.preventDefault();
  if (!event.repeat) event.target.click();
}
