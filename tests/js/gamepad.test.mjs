/** Which gamepad drives, which stops, and when one is believed no longer; on a clock of its own. `node --test tests/js`. */

import assert from "node:assert/strict";
import { test } from "node:test";

import Gamepads from "../../static/js/inputs/gamepad.js";
import { Sticks } from "../../static/js/sticks.js";

const READING_S = 0.012;
const CENTRE = [0, 0, 0, 0];
const UP = [0, -1, 0, 0];

// The tests read the pads themselves, at their own times.
Object.assign(globalThis, { addEventListener: () => {}, setInterval: () => 0, document: { querySelector: () => null } });
Object.defineProperty(globalThis, "navigator", { value: { getGamepads: () => [] } });

/** A page with pads: `told` has STOPs, notes and releases in order. */
class Page {
  now = 100;
  /** @type {any[]} */
  pads = [];
  told = [];
  sticks = new Sticks();
  gamepads = new Gamepads({
    sticks: this.sticks,
    stop: () => this.#release("stop"),
    letGo: () => this.#release("letGo"),
    lifted: () => this.told.push("lifted"),
    limit: (step) => this.told.push(step),
    note: (key, values) => this.told.push(values ? `${key} ${values.name}` : key),
  });

  #release(word) {
    this.told.push(word);
    this.sticks.releaseAll();
  }

  /** A report of a pad; other pads stay as they are. */
  report(index, axes = CENTRE, pressed = [], { mapping = "standard", id = "Pad" } = {}) {
    const buttons = Array.from({ length: 17 }, (_, n) => ({ value: Number(pressed.includes(n)), pressed: pressed.includes(n) }));
    this.pads[index] = { index, id, mapping, axes, buttons, connected: true, timestamp: this.now };
    return this.pass(READING_S);
  }

  /** Read on for a while. @param {number} time_s @param {(pads: any[], reading: number) => void} change @param {boolean} idle */
  pass(time_s, change = () => {}, idle = false) {
    for (let reading = 0; reading < Math.round(time_s / READING_S); reading += 1) {
      this.now += READING_S;
      change(this.pads, reading);
      this.gamepads.read(this.pads, this.now, idle);
    }
    return this;
  }

  get value() {
    return this.sticks.value;
  }
}

const page = (curve = { deadzone: 0, expo: 0 }) => {
  const made = new Page();
  made.sticks.curve = curve;
  return made;
};
const driving = () => page().report(0).report(0, UP);

test("a pad that reports nothing while its stick is up is slow after 1.5 s and let go after 4 s, until it rested", () => {
  const car = driving().pass(1.4);
  assert.equal(car.value.throttle, 1);
  car.pass(0.2);
  assert.ok(car.value.throttle <= 0.3 && car.value.throttle > 0.29, `${car.value.throttle}`);
  assert.equal(car.told.at(-1), "gamepad.move");
  car.pass(2.3);
  assert.ok(car.sticks.held, "3.9 s");
  car.pass(0.2);
  assert.equal(car.sticks.held, false);
  assert.deepEqual(car.told.slice(-2), ["letGo", "gamepad.silent"]);
  car.report(0, [0, -0.9, 0, 0]).pass(5);
  assert.equal(car.sticks.held, false, "in reach again, but not seen at rest");
  car.report(0).report(0, UP);
  assert.equal(car.value.throttle, 1);
});

test("a curve at 0.3 keeps its radius, and a slow stick is not made faster", () => {
  const turning = page().report(0).report(0, [0.6, -0.8, 0, 0]).pass(2);
  const { throttle, steering } = turning.value;
  assert.ok(Math.abs(throttle + steering - 0.3) < 1e-6 && Math.abs(throttle / steering - 4 / 3) < 1e-6);
  const slow = page().report(0).report(0, [0, -0.2, 0, 0]);
  const before = slow.value.throttle;
  assert.equal(slow.pass(2).value.throttle, before);
});

test("any axis, any button and a timestamp that moves now and then are signs of life", () => {
  for (const [name, change] of Object.entries({
    "another axis": (pads, reading) => (pads[0].axes = [0, -1, 0, (reading % 2) / 100]),
    "a button": (pads, reading) => (pads[0].buttons[3] = { value: (reading >> 6) & 1, pressed: false }),
    "a timestamp twice a second": (pads, reading) => (pads[0].timestamp = 1000 + Math.floor(reading / 40)),
  })) {
    const car = driving();
    assert.equal(car.pass(6, change).value.throttle, 1, name);
  }
});

test("a timestamp that moves with every reading is the browser's own, and no sign of life", () => {
  for (const every of [1, 2]) {
    const car = driving().pass(5, (pads, reading) => (pads[0].timestamp = 1000 + Math.floor(reading / every)));
    assert.equal(car.sticks.held, false, `every ${every} readings`);
  }
});

test("STOP acts from a pad that does not drive, once for each press, also in a dialog", () => {
  const car = page().report(0).report(1).report(0, UP).report(1, CENTRE, [1]).pass(1);
  assert.equal(car.told.filter((word) => word === "stop").length, 1);
  assert.equal(car.sticks.held, false);
  car.report(1);
  car.pads[1].buttons[1] = { value: 1, pressed: true };
  car.pass(0.1, undefined, true);
  assert.equal(car.told.filter((word) => word === "stop").length, 2);
});

test("the pad that was moved last drives, and the other one has to rest before it drives again", () => {
  const car = page().report(0).report(1).report(0, UP).report(1, [0, 1, 0, 0]);
  assert.equal(car.value.throttle, -1);
  car.report(0, [0, -0.8, 0, 0]);
  assert.equal(car.value.throttle, -1, "the first was never let go");
  car.report(1);
  assert.equal(car.sticks.held, false);
  car.report(0, UP);
  assert.equal(car.sticks.held, false);
  car.report(0).report(0, UP);
  assert.equal(car.value.throttle, 1);
});

test("a pad that trembles around its dead zone does not take over", () => {
  const car = page().report(0).report(1).report(0, UP).report(1, [0.13, 0, 0, 0]);
  assert.deepEqual(car.value, { throttle: 1, steering: 0 });
});

test("a pad that goes is let go, and what it had pressed does not keep the next pad at its place from stopping", () => {
  const car = driving();
  car.report(0, UP, [1]);
  car.pads = [null];
  car.pass(READING_S);
  assert.equal(car.told.at(-1), "gamepad.gone");
  assert.equal(car.sticks.held, false);
  car.report(0, CENTRE, [1], { id: "Another" });
  assert.equal(car.told.filter((word) => word === "stop").length, 2);
});

test("another pad at the same place has to rest before it drives", () => {
  const car = driving().report(0, UP, [], { id: "Another" }).pass(0.5);
  assert.equal(car.sticks.held, false);
  assert.deepEqual(car.told.slice(-4), ["letGo", "lifted", "gamepad.gone", "gamepad.here"]);
});

test("a stick that is pushed while a dialog is open does not drive when it closes", () => {
  const car = page().report(0);
  car.pads[0].axes = UP;
  car.pass(0.5, undefined, true).pass(0.5);
  assert.equal(car.sticks.held, false);
});

test("a drifting stick is believed to rest where it stays, and then needs more to drive", () => {
  for (const drift of [0.13, 0.15, 0.3]) {
    const car = page().report(0, [drift, 0, 0, 0]).pass(1.1);
    assert.equal(car.sticks.held, false, `${drift}`);
    car.report(0, [drift, -1, 0, 0]);
    assert.ok(car.value.throttle > 0.8, `${drift}`);
    car.report(0);
    assert.equal(car.sticks.held, false, `${drift}: at the centre too`);
    car.report(0, [-drift, 0, 0, 0]);
    assert.equal(car.sticks.held, false, `${drift}: on the other side too`);
  }
});

test("a stick that does not rest is named, and the dead zone of this phone decides what rest is", () => {
  const shaky = (pads, reading) => (pads[0].axes = [0.18 + (reading % 5) / 50, 0, 0, 0]);
  const car = page().report(0, [0.2, 0, 0, 0]).pass(3, shaky);
  assert.deepEqual(car.told, ["gamepad.here", "gamepad.rest.left"]);
  const patient = page({ deadzone: 0.3, expo: 0 }).report(0, [0.2, 0, 0, 0]).pass(3, shaky);
  assert.deepEqual(patient.told, ["gamepad.here"]);
  assert.equal(patient.report(0, UP).value.throttle, 1);
  for (const [part, axes, pressed] of [["left", [0, 1, 0, 0], []], ["right", [0, 0, 1, 0], []], ["triggers", CENTRE, [7]], ["cross", CENTRE, [14]]]) {
    assert.equal(page().report(0, axes, pressed).pass(2).told.at(-1), `gamepad.rest.${part}`);
  }
});

test("a pad of an unknown layout is named, never drives, and its buttons 1 to 4 stop", () => {
  const odd = { mapping: "", id: "Odd Pad (Vendor: 1234 Product: 5678)" };
  const car = page().report(0, UP, [], odd).pass(2);
  assert.deepEqual([car.told, car.sticks.held], [["gamepad.unknown Odd Pad"], false]);
  for (const button of [0, 1, 2, 3]) car.report(0, CENTRE, [button], odd).report(0, CENTRE, [], odd);
  assert.equal(car.told.filter((word) => word === "stop").length, 4);
  car.report(0, CENTRE, [4, 5, 9], odd);
  assert.equal(car.told.filter((word) => word === "stop").length, 4);
});

test("values that are no numbers are at rest", () => {
  assert.equal(page().report(0).report(0, [NaN, undefined, NaN, 0]).sticks.held, false);
});
