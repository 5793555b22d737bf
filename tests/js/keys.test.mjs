/** Which keys stop and drive, with and without a code, and that none stays down. `node --test tests/js`. */

import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

import { Keys, nameOf } from "../../static/js/inputs/hands.js";
import { Sticks } from "../../static/js/sticks.js";

/** @type {Record<string, (event: any) => void>} */
const heard = {};
let stops = 0;
let steps = [];
let sticks = new Sticks();
/** The timers that run. @type {Map<number, () => void>} */
let running = new Map();
let timers = 0;
mock.method(globalThis, "setInterval", (act, ms) => {
  assert.equal(ms, STEP_MS);
  running.set((timers += 1), act);
  return timers;
});
mock.method(globalThis, "clearInterval", (timer) => running.delete(timer));
const STEP_MS = 33;
/** Let this many ms pass. */
function pass(ms) {
  for (let step = 0; step < Math.floor(ms / STEP_MS); step += 1) for (const act of [...running.values()]) act();
}

beforeEach(() => {
  running = new Map();
  globalThis.addEventListener = (event, act) => (heard[event] = act);
  globalThis.document = { querySelector: () => null };
  stops = 0;
  steps = [];
  sticks = new Sticks();
  new Keys(sticks, { stop: () => (stops += 1), limit: (step) => steps.push(step) });
});

/** Something that has the focus. @param {boolean} text whether it takes text */
const focus = (text = false) => ({ matches: () => text, closest: () => (text ? {} : null) });
const send = (kind, fields) => {
  const event = { target: focus(), kept: true, preventDefault: () => (event.kept = false), ...fields };
  heard[kind](event);
  return event;
};
const down = (fields) => send("keydown", fields);
const up = (fields) => send("keyup", fields);

test("a key is what its code says, without a code what it types", () => {
  for (const [event, name] of [
    [{ code: "KeyW", key: "z" }, "KeyW"], // AZERTY
    [{ code: "KeyZ", key: "w" }, "KeyZ"],
    [{ code: "", key: "w" }, "KeyW"],
    [{ code: "", key: "W" }, "KeyW"],
    [{ code: "Unidentified", key: "a" }, "KeyA"],
    [{ code: "", key: "ArrowUp" }, "ArrowUp"],
    [{ key: "Up" }, "ArrowUp"],
    [{ code: "Numpad8", key: "ArrowUp" }, "ArrowUp"],
    [{ code: "Numpad8", key: "8" }, "8"],
    [{ code: "Space", key: "Process" }, "Space"],
    [{ code: "", key: " " }, "Space"],
    [{ key: "Spacebar" }, "Space"],
    [{ code: "BracketLeft", key: "ü" }, "BracketLeft"],
    [{ code: "Digit8", key: "[" }, "BracketLeft"],
    [{ code: "BracketRight", key: "[" }, "BracketLeft"], // ABNT2
    [{ code: "BracketLeft", key: "Dead" }, "BracketLeft"],
    [{}, ""],
  ]) {
    assert.equal(nameOf(event), name, JSON.stringify(event));
  }
});

test("Space stops with any modifier, while a key is held, and is kept from what has the focus", () => {
  down({ code: "KeyW", key: "w" });
  let expected = 0;
  for (const space of [{ code: "Space", key: " " }, { code: "", key: " " }, { key: "Spacebar" }, { code: "Space", key: "Process", keyCode: 229 }]) {
    for (const modifier of ["", "ctrlKey", "altKey", "shiftKey", "metaKey"]) {
      assert.equal(down({ ...space, [modifier]: true }).kept, false);
      assert.equal(up({ ...space, [modifier]: true }).kept, false);
      assert.equal(stops, (expected += 1), `${JSON.stringify(space)} ${modifier}`);
    }
  }
  down({ code: "Space", key: " ", repeat: true });
  assert.equal(stops, expected);
});

test("Space in a text field is a blank", () => {
  assert.equal(down({ code: "Space", key: " ", target: focus(true) }).kept, true);
  assert.equal(up({ code: "Space", key: " ", target: focus(true) }).kept, true);
  assert.equal(stops, 0);
});

test("a key comes up by its code, by what it typed, and without either when nothing fits", () => {
  for (const [pressed, released] of [
    [{ code: "KeyW", key: "w" }, { code: "KeyW", key: "W" }],
    [{ code: "Numpad8", key: "ArrowUp" }, { code: "Numpad8", key: "8" }], // Shift came up first
    [{ code: "", key: "w" }, { code: "", key: "W" }],
    [{ code: "", key: "w" }, { code: "", key: "ω" }],
    [{ code: "", key: "w" }, { code: "KeyW", key: "w" }],
    [{ code: "KeyW", key: "w" }, { code: "", key: "w" }],
    [{ code: "KeyW", key: "w" }, { code: "", key: "Unidentified" }],
  ]) {
    down(pressed);
    assert.deepEqual(sticks.value, { throttle: 1, steering: 0 });
    up(released);
    assert.equal(sticks.held, false, JSON.stringify([pressed, released]));
  }
  down({ code: "KeyW", key: "w" });
  up({ code: "ShiftLeft", key: "Shift" });
  assert.equal(sticks.held, true, "another key with a code came up");
});

test("a key that an input method or a shortcut takes drives nothing and ends what is held", () => {
  for (const taken of [{ isComposing: true }, { keyCode: 229 }, { ctrlKey: true }, { metaKey: true }, { altKey: true }]) {
    down({ code: "KeyW", key: "w" });
    down({ code: "KeyD", key: "d", ...taken });
    assert.equal(sticks.held, false, JSON.stringify(taken));
  }
});

test("brackets change the speed limit, also where they are typed with AltGr or Option", () => {
  down({ code: "BracketLeft", key: "ü" });
  down({ code: "Digit9", key: "]", altKey: true });
  down({ code: "", key: "[" });
  assert.deepEqual(steps, [-0.05, 0.05, -0.05]);
  down({ code: "BracketLeft", key: "[", metaKey: true }); // the browser's own
  assert.equal(steps.length, 3);
});

test("a tap of a steering key is a small correction, holding it rises to full in 0.4 s, and its end is zero at once", () => {
  const seen = [];
  down({ code: "KeyD", key: "d" });
  for (let ms = 0; ms < 400; ms += 33) {
    seen.push(sticks.value.steering);
    pass(33);
  }
  assert.equal(seen[0], 0.25);
  assert.ok(seen.every((value, index) => index === 0 || value > seen[index - 1]), seen.join());
  assert.equal(sticks.value.steering, 1);
  assert.equal(running.size, 0, "no timer runs at full steering");
  down({ code: "KeyW", key: "w" });
  up({ code: "KeyD", key: "d" });
  assert.deepEqual(sticks.value, { throttle: 1, steering: 0 });
  pass(1000);
  assert.deepEqual(sticks.value, { throttle: 1, steering: 0 });
});

test("the other side begins with the small correction, also while the first key is still down", () => {
  down({ code: "KeyD", key: "d" });
  pass(1000);
  down({ code: "KeyA", key: "a" });
  assert.equal(sticks.value.steering, 0);
  up({ code: "KeyD", key: "d" });
  assert.equal(sticks.value.steering, -0.25);
  up({ code: "KeyA", key: "a" });
  down({ code: "KeyD", key: "d" });
  assert.equal(sticks.value.steering, 0.25);
});

test("a released page does not steer on, and the steering does not jump after a hang", () => {
  down({ code: "KeyD", key: "d" });
  sticks.releaseAll();
  pass(1000);
  assert.deepEqual([sticks.held, sticks.value.steering], [false, 0]);
  down({ code: "KeyD", key: "d", repeat: true });
  assert.equal(sticks.held, false);
  down({ code: "KeyA", key: "a" });
  assert.equal(sticks.value.steering, -0.25);
  pass(33); // however long the browser needed for it
  assert.equal(sticks.value.steering, -0.3125);
});

test("Shift halves both axes, and takes effect at once during a hold, with and without codes", () => {
  for (const [forward, right, shift] of [
    [{ code: "KeyW", key: "w" }, { code: "KeyD", key: "d" }, { code: "ShiftLeft", key: "Shift" }],
    [{ code: "", key: "w" }, { code: "", key: "d" }, { code: "", key: "Shift" }],
  ]) {
    down(forward);
    down(right);
    pass(500);
    assert.deepEqual(sticks.value, { throttle: 1, steering: 1 });
    down({ ...shift, shiftKey: true });
    assert.deepEqual(sticks.value, { throttle: 0.5, steering: 0.5 });
    up({ ...right, key: "D", shiftKey: true });
    assert.deepEqual(sticks.value, { throttle: 0.5, steering: 0 });
    up({ ...shift, shiftKey: false });
    assert.deepEqual(sticks.value, { throttle: 1, steering: 0 });
    down({ ...shift, shiftKey: true });
    up({ ...forward, key: "W", shiftKey: true });
    assert.equal(sticks.held, false);
    down({ ...forward, key: "W", shiftKey: true });
    assert.deepEqual(sticks.value, { throttle: 0.5, steering: 0 });
    down({ ...forward, repeat: true, shiftKey: false }); // the keyup of Shift was lost
    assert.deepEqual(sticks.value, { throttle: 1, steering: 0 });
    up(forward);
    assert.equal(sticks.held, false);
  }
});
