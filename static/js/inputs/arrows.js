/**
 * Press-and-hold arrows: eight directions on a three-by-three grid, for driving without dragging.
 *
 * One pointer holds the grid; sliding to another arrow changes the direction, the middle is neutral. With a
 * keyboard an arrow drives while Enter is down; a screen reader's click drives for a moment.
 */

import { Grip } from "./pads.js";

/**
 * [name, throttle, steering], row by row. A diagonal steers by half, or it would nearly spin; backwards the car
 * goes where the arrow points, which takes the other steering.
 */
const ARROWS = /** @type {[string, number, number][]} */ ([
  ["forwardleft", 1, -0.5],
  ["forward", 1, 0],
  ["forwardright", 1, 0.5],
  ["spinleft", 0, -1],
  ["middle", 0, 0],
  ["spinright", 0, 1],
  ["backleft", -1, 0.5],
  ["back", -1, 0],
  ["backright", -1, -0.5],
]);
/** How long a click without a pointer drives. */
const NUDGE_S = 0.4;

/**
 * @param {number} x @param {number} y of the pointer in the grid, each in [0, 1]; outside counts as the edge, NaN as the middle
 * @returns {number} index of an arrow
 */
export function arrowAt(x, y) {
  const third = (part) => (Number.isNaN(part) ? 1 : Math.max(0, Math.min(2, Math.floor(part * 3))));
  return third(y) * 3 + third(x);
}

export class Arrows {
  #grid;
  #sticks;
  #grip;
  /** @type {HTMLElement[]} */
  #buttons = [];
  #shown = -1;
  /** Whether Enter holds an arrow. */
  #key = false;
  #nudge = 0;

  /**
   * @param {HTMLElement} grid
   * @param {import("../sticks.js").Sticks} sticks
   * @param {import("../preferences.js").Words} words
   */
  constructor(grid, sticks, words) {
    this.#grid = grid;
    this.#sticks = sticks;
    ARROWS.forEach(([name], index) => this.#add(name, index));
    this.#grip = new Grip(
      grid,
      (event) => this.#follow(event),
      () => this.#letGo(),
    );
    sticks.addInput(() => this.#drop());
    addEventListener("keyup", (event) => this.#keyUp(event));
    words.listen(() => this.#label(words));
    this.#label(words);
  }

  #add(name, index) {
    const middle = name === "middle";
    const button = document.createElement(middle ? "i" : "button");
    button.className = `arrow ${name}`;
    this.#grid.append(button);
    this.#buttons.push(button);
    if (middle) return;
    button.setAttribute("type", "button");
    button.addEventListener("keydown", (event) => this.#keyDown(event, index));
    button.addEventListener("blur", () => this.#key && this.#letGo());
    button.addEventListener("click", (event) => /** @type {MouseEvent} */ (event).detail === 0 && this.#nudgeBy(index));
  }

  #label(words) {
    ARROWS.forEach(([name], index) => {
      if (name !== "middle") this.#buttons[index].setAttribute("aria-label", words.say(`arrow.${name}`));
    });
  }

  #follow(event) {
    const box = this.#grid.getBoundingClientRect();
    this.#hold(arrowAt((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height));
  }

  #keyDown(event, index) {
    if (event.key !== "Enter") return;
    event.preventDefault(); // no click as well
    if (event.repeat) return;
    this.#key = true;
    this.#hold(index);
  }

  #keyUp(event) {
    if (this.#key && event.key === "Enter") this.#letGo();
  }

  #nudgeBy(index) {
    if (this.#grip.held) return;
    this.#hold(index);
    this.#nudge = setTimeout(() => this.#letGo(), NUDGE_S * 1000);
  }

  #hold(index) {
    clearTimeout(this.#nudge);
    const [, throttle, steering] = ARROWS[index];
    this.#show(index);
    this.#sticks.hold("arrows", { throttle, steering });
  }

  #letGo() {
    this.#clear();
    this.#sticks.letGo("arrows");
  }

  #drop() {
    this.#grip.drop();
    this.#clear();
  }

  #clear() {
    clearTimeout(this.#nudge);
    this.#key = false;
    this.#show(-1);
  }

  #show(index) {
    if (index === this.#shown) return;
    this.#buttons[this.#shown]?.classList.remove("down");
    this.#buttons[index]?.classList.add("down");
    this.#shown = index;
  }
}
