/** What the garage page says about its cars, without a browser: `node --test tests/js`. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { FILTERS, conditionOf, inkOn, lineOf, missingOf, order, rowsIn, since, toneOf, wordOf } from "../../static/js/garage/rules.js";

const words = (name) => JSON.parse(readFileSync(new URL(`../../static/i18n/${name}.json`, import.meta.url), "utf-8"));
const english = { ...words("en"), ...words("garage.en") };
const say = (key, values = {}) => (english[key] ?? "").replace(/\{(\w+)\}/g, (_, name) => String(values[name])).replaceAll("\u00a0", " ");
const car = (changes) => ({ id: "a", name: "Red 7", number: 7, adopted: true, presence: "live", state: "disarmed", lesson: "drive", ...changes });

test("the line after STOP ALL counts answers, and never says that all have stopped", () => {
  assert.equal(lineOf({ stopped: 28, of: 30, missing: ["a", "b"], after_s: 0.2 }, say), "28 of 30 have stopped (0.2 s). Not heard:");
  assert.equal(lineOf({ stopped: 30, of: 30, missing: [], after_s: 1.04 }, say), "30 of 30 have stopped (1.0 s).");
  assert.equal(lineOf({ stopped: 30, of: 30, missing: [], after_s: 0.04 }, say), "30 of 30 have stopped (under 0.1 s).");
  assert.equal(lineOf({ stopped: 0, of: 0, missing: [], after_s: 0 }, say), "The garage knows no car that it could stop.");
});

test("a car that was not heard has its name and the reason", () => {
  assert.equal(missingOf("a", car({ presence: "lost", silent_s: 40 }), say), "Red 7, lost 40 s ago");
  assert.equal(missingOf("a", car({ presence: "silent", silent_s: 31 }), say), "Red 7, silent for 31 s");
  assert.equal(missingOf("a", car({}), say), "Red 7, no answer yet");
  assert.equal(missingOf("a", undefined, say), "a, no answer yet");
});

test("a car's condition is its presence, and its state only while it is live", () => {
  assert.equal(wordOf(car({}), say), "Ready");
  assert.equal(wordOf(car({ state: "armed" }), say), "Driving");
  assert.equal(wordOf(car({ state: "armed", presence: "silent", silent_s: 31 }), say), "Silent for 31 s");
  assert.equal(wordOf(car({ lesson: "hold" }), say), "Held");
  assert.equal(wordOf(car({ lesson: "hold", state: "stopped" }), say), "Stopped");
  assert.equal(wordOf(car({ state: "new to this page" }), say), "new to this page");
  assert.equal(conditionOf(car({ state: null })), "live");
  assert.equal(toneOf(car({ state: "armed", presence: "last" })), "");
  for (const presence of ["silent", "lost", "off", "last", "new", "apart"]) assert.ok(say(`garage.is.${presence}`));
});

test("times are short", () => {
  assert.deepEqual([0, 99, 100, 5999, 6000, null].map((seconds) => since(seconds, say)), ["0 s", "99 s", "1 min", "99 min", "1 h", "0 s"]);
});

test("filters show cars that were not heard, and low batteries", () => {
  const { all, unheard, low } = FILTERS;
  assert.ok(all(car({})));
  assert.deepEqual(["live", "silent", "lost", "off", "last", "apart"].map((presence) => unheard(car({ presence }))), [false, true, true, false, true, true]);
  assert.deepEqual([20, 21, null, undefined].map((battery_percent) => low(car({ battery_percent }))), [true, false, false, false]);
  assert.ok(low(car({ under_voltage: true, battery_percent: 90 })));
});

test("cars are in the order of their numbers, those without one at the end, by name", () => {
  const cars = [car({ id: "c", number: 0, name: "b" }), car({ id: "a", number: null, name: null }), car({ id: "e", number: 12 }), car({ id: "f", number: 2 })];
  assert.deepEqual(cars.sort(order).map(({ id }) => id), ["f", "e", "a", "c"]);
});

test("a number has at least a contrast of 4.5 to its colour", () => {
  const light = (colour) => {
    const parts = [0, 2, 4].map((at) => parseInt(colour.slice(at, at + 2), 16) / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  for (let value = 0; value < 0x1000; value += 1) {
    const colour = [...value.toString(16).padStart(3, "0")].map((digit) => digit + digit).join("");
    const [dark, bright] = [light(colour), light(inkOn(colour).slice(1))].sort((a, b) => a - b);
    assert.ok((bright + 0.05) / (dark + 0.05) >= 4.5, colour);
  }
});

test("a table draws the rows on the screen and a few beside them", () => {
  assert.deepEqual(rowsIn(0, 800, 80, 300), [0, 16]);
  assert.deepEqual(rowsIn(-8000, 800, 80, 300), [95, 116]);
  assert.deepEqual(rowsIn(-23200, 800, 80, 300), [285, 300]);
  assert.deepEqual(rowsIn(900, 800, 80, 4), [0, 4]);
});
