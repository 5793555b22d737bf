/**
 * Press-and-hold arrows: eight directions on a three-by-three grid, for driving without dragging.
 *
 * One pointer holds the grid. Sliding it to another arrow changes the direction; the middle is neutral. With a keyboard
 * an arrow drives while Enter is down; a click of a screen reader drives for a moment.
 */

import { byId } from "../shell/shell.js";
import { Grip, holdWithoutPointer } from "./hands.js";

/**
 * [name, throttle, steering], row by row. A diagonal steers by half: full steering would nearly spin the car. The
 * backward diagonals steer the other way, so that the car goes where the arrow points. A car with steering turns its front
 * wheels to the side of the arrow, and cannot spin.
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
/** Duration of a drive by a click without a pointer. */
const NUDGE_S = 0.4;

const markup = (name) => `<button type="button" class="arrow ${name}" data-i18n-label="arrow.${name}"></button>`;

/**
 * @param {number} x @param {number} y of the pointer in the grid, each in [0, 1]; outside is the edge, NaN is the middle
 * @returns {number} index of an arrow
 */
export function arrowAt(x, y) {
  const third = (part) => (Number.isNaN(part) ? 1 : Math.max(0, Math.min(2, Math.floor(part * 3))));
  return third(y) * 3 + third(x);
}

export default class Arrows {
  #grid = byId("arrows");
  #sticks;
  #grip;
  #shown = -1;
  #buttons;
  /** Each of these forgets a key or click. @type {(() => void)[]} */
  #forgets = [];

  /** @param {import("../shell/shell.js").Tools} tools */
  constructor({ sticks, words }) {
    this.#sticks = sticks;
    this.#grip = new Grip(
      this.#grid,
      (event) => this.#follow(event),
      () => this.#letGo(),
    );
    const arrows = ARROWS.map(([name]) => (name === "middle" ? '<i class="arrow middle"></i>' : markup(name)));
    this.#grid.innerHTML = arrows.join("");
    words.fill(this.#grid);
    this.#buttons = [...this.#grid.children];
    this.#buttons.forEach((button, index) => {
      if (button.localName !== "button") return;
      const hold = () => this.#hold(index);
      this.#forgets.push(holdWithoutPointer(button, NUDGE_S, this.#grip, hold, () => this.#letGo()));
    });
    sticks.addInput(() => this.#drop());
  }

  #follow(event) {
    const box = this.#grid.getBoundingClientRect();
    this.#hold(arrowAt((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height));
  }

  #hold(index) {
    for (const forget of this.#forgets) forget();
    const [, throttle, steering] = ARROWS[index];
    this.#show(index);
    const steers = document.body.dataset.steers === "true";
    this.#sticks.hold("arrows", { throttle, steering: steers ? (index % 3) - 1 : steering });
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
    for (const forget of this.#forgets) forget();
    this.#show(-1);
  }

  #show(index) {
    if (index === this.#shown) return;
    this.#buttons[this.#shown]?.classList.remove("down");
    this.#buttons[index]?.classList.add("down");
    this.#shown = index;
  }
}
