/** Which keys stop and drive, with and without a code, and that none stays down. `node --test tests/js`. */

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { Keys, nameOf } from "../../static/js/inputs/hands.js";
import { Sticks } from "../../static/js/sticks.js";

/** @type {Record<string, (event: any) => void>} */
const heard = {};
let stops = 0;
let steps = [];
let sticks = new Sticks();

beforeEach(() => {
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
