/**
 * The keyboard: WASD and arrows drive, Space is STOP, [ and ] change the speed limit.
 *
 * By `event.code`, so that the place on the keyboard counts and not the letter on it. Letters typed into a
 * form field and shortcuts (Ctrl, Alt, Meta) are left alone; a shortcut pressed while driving lets go,
 * because macOS loses the keyup of a letter under Meta. Over an open dialog only Space counts.
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
  /** @type {Set<string>} */
  #down = new Set();
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
    addEventListener("keydown", (event) => this.#press(event));
    addEventListener("keyup", (event) => this.#release(event));
  }

  #press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return this.#clear();
    if (event.target.closest?.("input, select, textarea, [contenteditable]")) return;
    const { code } = event;
    if (code !== "Space" && !DRIVE.has(code) && !LIMIT_STEP.has(code)) return;
    if (code !== "Space" && document.querySelector("dialog[open]")) return;
    event.preventDefault(); // no scrolling, and Space never presses the focused button
    if (event.repeat) return;
    if (code === "Space") this.#actions.stop();
    else if (LIMIT_STEP.has(code)) this.#actions.limit(LIMIT_STEP.get(code));
    else {
      this.#down.add(code);
      this.#write();
    }
  }

  #release(event) {
    if (event.code === "Space" && event.target.matches?.("button")) event.preventDefault();
    if (this.#down.delete(event.code)) this.#write();
  }

  #clear() {
    this.#down.clear();
    this.#write();
  }

  #write() {
    if (this.#down.size) this.#sticks.hold("keys", sticksOf(this.#down));
    else this.#sticks.letGo("keys");
  }
}
