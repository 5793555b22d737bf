/** The page's arithmetic, without a browser: `node --test tests/js`. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { FACTS, batteryOf, capOf, healthOf, wordOf } from "../../static/js/hud/bar.js";
import { topic } from "../../static/js/hud/hud.js";
import { reasonOf } from "../../static/js/hud/obstacle.js";
import { arrowAt } from "../../static/js/inputs/arrows.js";
import { radial, sticksOf as padSticks } from "../../static/js/inputs/gamepad.js";
import { deflection, sticksOf as keySticks, travelOf } from "../../static/js/inputs/hands.js";
import { turn } from "../../static/js/inputs/tilt.js";
import { socketAddress } from "../../static/js/link.js";
import { curvePath } from "../../static/js/panels/settings.js";
import { Preferences, chooseLanguage } from "../../static/js/shell/shell.js";
import { aim, between } from "../../static/js/sim/view.js";
import { Sticks, shape } from "../../static/js/sticks.js";
import { FAULTS, commandOf, sentenceOf } from "../../static/js/video/faults.js";

const near = (actual, expected) => assert.ok(Math.abs(actual - expected) < 1e-6, `${actual} is not ${expected}`);
const pressed = (numbers) => Array.from({ length: 17 }, (_, n) => ({ value: numbers.includes(n) ? 1 : 0 }));

test("the curve keeps zero, full and the sign, and never falls", () => {
  for (const deadzone of [0, 0.1, 0.3]) {
    for (const expo of [0, 0.5, 0.9]) {
      const curve = { deadzone, expo };
      assert.equal(shape(0, curve), 0);
      near(shape(1, curve), 1);
      let last = -1;
      for (let stick = -1; stick <= 1; stick += 0.01) {
        const value = shape(stick, curve);
        near(value, -shape(-stick, curve));
        assert.ok(value >= last - 1e-9);
        last = value;
      }
      assert.equal(shape(deadzone, curve), 0);
    }
  }
});

test("hands add up, stay within full, and all are let go at once", () => {
  const sticks = new Sticks();
  let forgotten = 0;
  sticks.addInput(() => (forgotten += 1));
  sticks.hold("throttle", { throttle: 0.8 });
  sticks.hold("keys", { throttle: 1, steering: -0.5 });
  assert.deepEqual(sticks.value, { throttle: 1, steering: -0.5 });
  sticks.releaseAll();
  assert.equal(sticks.held, false);
  assert.equal(forgotten, 1);
});

test("the card is about what is most urgent", () => {
  const state = { state: "armed", driver: "c1", you: "driver", requests: [], reason: null };
  const seen = { quality: "good", trouble: "", state, asked: false, restarted: false };
  const about = (change) => topic({ ...seen, ...change, state: { ...state, ...change.state } });
  assert.equal(about({}), "");
  assert.equal(topic({ ...seen, quality: "gone", state: null }), "gone");
  assert.equal(topic({ ...seen, quality: "gone", trouble: "barred", state: null }), "barred");
  assert.equal(about({ asked: true, quality: "weak", state: { state: "stopped" } }), "stopped");
  assert.equal(about({ asked: true, quality: "weak" }), "asked");
  assert.equal(about({ quality: "slow" }), "slow");
  assert.equal(about({ state: { you: "spectator" } }), "watching");
  assert.equal(about({ state: { driver: null, you: "spectator", requests: ["c2"] } }), "handover");
  assert.equal(about({ state: { state: "failsafe", reason: "commands_stale" } }), "failsafe");
  assert.equal(about({ restarted: true, state: { state: "disarmed", reason: "started" } }), "restarted");
  assert.equal(about({ restarted: true, state: { state: "disarmed", reason: "arming" } }), "ready");
  assert.equal(about({ state: { state: "disarmed", reason: "reset" } }), "ready");
  const empty = { level: "stop", off_in_s: null };
  assert.equal(about({ state: { battery: { level: "slow", off_in_s: null } } }), "");
  assert.equal(about({ state: { state: "disarmed", battery: empty, you: "spectator" } }), "battery");
  assert.equal(about({ state: { state: "stopped", battery: empty } }), "stopped");
  const hold = { mode: "hold", cap: 1 };
  assert.equal(about({ asked: true, quality: "weak", state: { lesson: hold } }), "held");
  assert.equal(about({ state: { you: "spectator", lesson: hold, battery: empty } }), "held");
  assert.equal(about({ state: { state: "stopped", lesson: hold } }), "stopped");
  assert.equal(about({ state: { lesson: { mode: "drive", cap: 0.5 } } }), "");
  assert.equal(about({ quality: "gone", state: { lesson: hold } }), "gone");
  assert.equal(about({ state: { state: "stopped", battery: { ...empty, off_in_s: 0 } } }), "battery");
});

test("the state is one word, and never an old one", () => {
  const seen = { quality: "good", trouble: "", state: { state: "armed", driver: "c1", you: "driver" }, met: true };
  const word = (change) => wordOf({ ...seen, ...change, state: { ...seen.state, ...change.state } });
  assert.equal(word({}), "armed");
  assert.equal(word({ state: { driver: null, state: "disarmed" } }), "disarmed");
  assert.equal(word({ state: { you: "spectator" } }), "other");
  assert.equal(word({ state: { you: "spectator", state: "stopped" } }), "stopped");
  assert.equal(word({ quality: "gone", state: { state: "stopped" } }), "gone");
  assert.equal(word({ quality: "gone", met: false }), "connecting");
  assert.equal(word({ state: { driver: null, state: "disarmed", reason: "arming" } }), "arming");
  assert.equal(word({ state: { you: "spectator", state: "disarmed", reason: "arming" } }), "other");
  assert.equal(word({ quality: "gone", trouble: "barred" }), "barred");
  const lesson = { mode: "hold", cap: 1 };
  assert.equal(word({ state: { you: "spectator", state: "disarmed", reason: "held", lesson } }), "held");
  assert.equal(word({ state: { lesson } }), "armed", "it still rolls");
  assert.equal(word({ state: { state: "stopped", lesson } }), "stopped");
  assert.equal(word({ state: { state: "disarmed", reason: "held", lesson: null } }), "disarmed");
  assert.equal(word({ state: { state: "disarmed", battery: { level: "stop" } } }), "battery");
});

test("a thumb that rests moves nothing, and one that moves rises without a jump to full", () => {
  const travels = [90, 50];
  for (let moved = -8; moved <= 8; moved += 0.5) assert.equal(deflection(moved, travels), 0);
  for (const [sign, travel] of [[-1, 90], [1, 50]]) {
    let last = 0;
    for (let moved = 8.5; moved <= travel; moved += 0.5) {
      const value = sign * deflection(sign * moved, travels);
      assert.ok(value > last && value - last < 0.013, `${moved} px: ${last} to ${value}`);
      last = value;
    }
    assert.equal(last, 1);
    assert.equal(deflection(sign * 5000, travels), sign);
  }
});

test("the way to full stick is 90 px, less on a small pad and towards an edge, and never less than 40", () => {
  for (const [length, room, travel] of [[400, 300, 90], [120, 300, 60], [400, 70, 62], [400, 5, 40], [0, 300, 40]]) {
    assert.equal(travelOf(length, room), travel);
  }
});

test("every place of the grid is an arrow, also beside it", () => {
  assert.equal(arrowAt(0, 0), 0);
  assert.equal(arrowAt(0.5, 0.5), 4);
  assert.equal(arrowAt(1, 1), 8);
  assert.equal(arrowAt(-3, 9), 6);
});

test("keys that contradict each other cancel out", () => {
  assert.deepEqual(keySticks(["KeyW", "ArrowDown", "KeyD"]), { throttle: 0, steering: 1 });
  assert.deepEqual(keySticks(["KeyW", "ArrowUp"]), { throttle: 1, steering: 0 });
});

test("a gamepad's centre is still, its edge is full, triggers and sticks both drive", () => {
  assert.deepEqual(radial(0.08, -0.08), { x: 0, y: 0 });
  near(radial(1, 0).x, 1);
  assert.ok(Math.hypot(...Object.values(radial(1, 1))) <= 1.0001);
  const axes = [0, 0, 0, 0];
  assert.deepEqual(padSticks({ axes, buttons: pressed([7]) }), { throttle: 1, steering: 0 });
  assert.deepEqual(padSticks({ axes, buttons: pressed([6, 7]) }), { throttle: 0, steering: 0 });
  assert.deepEqual(padSticks({ axes, buttons: pressed([13, 14]) }), { throttle: -1, steering: -1 });
  near(padSticks({ axes: [0, -1, 0, 0], buttons: [] }).throttle, 1);
  near(padSticks({ axes: [0, 0, 1, 0], buttons: [] }).steering, 1);
});

test("turning the phone like a wheel steers, however it is held", () => {
  near(turn(0, 0, 0), 0);
  near(turn(60, 0, 0), 0); // tipped towards the driver: not turned
  near(turn(0, 30, 0), Math.PI / 6); // flat, the right edge down
  near(turn(0, -30, 0), -Math.PI / 6);
  near(turn(30, 0, 90), Math.PI / 6); // landscape: the right edge of the screen is the phone's lower one
  near(turn(30, 0, 270), -Math.PI / 6);
});

test("the way between two poses is the short way round", () => {
  const half = between({ x: 0, y: 0, heading: 3 }, { x: 1, y: 2, heading: -3 }, 0.5);
  near(half.x, 0.5);
  near(half.y, 1);
  near(Math.cos(half.heading), -1);
});

test("the camera follows the car, or shows every wall", () => {
  const walls = [[-3, -2, 3, -1.9], [2, -2, 3, 2]];
  const free = { width: 400, height: 200 };
  assert.equal(aim("follow", { x: 1, y: 1 }, walls, free).x, 1);
  const all = aim("fit", { x: 1, y: 1 }, walls, free);
  assert.deepEqual([all.x, all.y], [0, 0]);
  assert.ok(all.zoom * 6 <= 400 && all.zoom * 4 <= 200);
  assert.equal(aim("fit", { x: 1, y: 1 }, [], free).x, 1);
});

test("preferences that are none count as the usual ones, and are kept when they change", () => {
  const kept = new Map([["picar", JSON.stringify({ layout: "wheel", swap: true, deadzone: 7, expo: 0.5 })]]);
  const storage = { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value) };
  const preferences = new Preferences(() => storage);
  assert.deepEqual(["layout", "swap", "deadzone", "expo"].map((name) => preferences.get(name)), ["thumbs", true, 0, 0.5]);
  const told = [];
  preferences.listen((name) => told.push(name));
  preferences.set("layout", "stick");
  preferences.set("layout", "stick");
  preferences.set("layout", "sail");
  assert.deepEqual(told, ["layout"]);
  assert.equal(JSON.parse(kept.get("picar")).layout, "stick");
});

test("the first language that the user reads is spoken, else English", () => {
  assert.equal(chooseLanguage(["fi", "zh-TW", "en"]), "zh-CN");
  assert.equal(chooseLanguage(["EN-gb"]), "en");
  assert.equal(chooseLanguage([]), "en");
});

test("a secure page has a secure socket", () => {
  assert.equal(socketAddress({ protocol: "https:", host: "a.b" }), "wss://a.b/ws");
  assert.equal(socketAddress({ protocol: "http:", host: "1.2.3.4:8000" }), "ws://1.2.3.4:8000/ws");
});

test("the preview of the curve starts and ends in the corners", () => {
  const path = curvePath({ deadzone: 0.2, expo: 0.5 });
  assert.ok(path.startsWith("M0.0 100.0L") && path.endsWith("L100.0 0.0"), path);
});

const told = (host) => healthOf(host, (key, values) => [key, ...Object.values(values ?? {})].join(" "));

test("what the car does not know has no row", () => {
  const nothing = { temperature_c: null, under_voltage: null, under_voltage_seen: null, throttled: null, cpu_percent: null };
  for (const host of [{}, nothing]) assert.deepEqual(told(host), []);
  const all = Object.fromEntries(FACTS.map(({ name }) => [name, 0]));
  assert.equal(told(all).length, FACTS.filter(({ health }) => health).length);
});

test("the battery shows its charge with a dot while it is not from now, else its voltage, and nothing without a meter", () => {
  const good = { level: "ok", plausible: true, at_rest: true };
  const shown = (battery, host) => Object.values(batteryOf({ battery, host }, (key, values) => [key, ...Object.values(values ?? {})].join(" ")));
  const host = { battery_v: 7.4, battery_percent: 50 };
  assert.deepEqual(shown(undefined, host), ["", ""]);
  assert.deepEqual(shown(good, { battery_v: null, battery_percent: null }), ["", ""]);
  assert.deepEqual(shown(good, host), ["battery.percent 50 ", ""]);
  assert.deepEqual(shown({ ...good, at_rest: false }, host), ["battery.percent 50  •", ""]);
  assert.deepEqual(shown(good, { ...host, battery_percent: null }), ["battery.volts 7.4", ""]);
  assert.deepEqual(shown({ ...good, level: "warn" }, host), ["battery.percent 50 ", "warn"]);
  assert.deepEqual(shown({ ...good, level: "slow" }, host), ["battery.percent 50 ", "bad"]);
  assert.deepEqual(shown(good, { ...host, battery_percent: 20 }), ["battery.percent 20 ", "warn"]);
  assert.deepEqual(shown({ ...good, plausible: false }, host), ["battery.divider", "warn"]);
});

test("the cap in the bar is named after the reason why the car is slow, and a garage out of reach is said", () => {
  const shown = (state) => capOf(state, (key, values) => [key, ...Object.values(values ?? {})].join(" "));
  const garage = (cap, garage_s = null) => ({ mode: "drive", cap, garage_s });
  assert.equal(shown(null), "");
  assert.equal(shown({ speed_cap: 1, lesson: null }), "");
  assert.equal(shown({ speed_cap: 0.6, lesson: null }), "limit.owner 60");
  assert.equal(shown({ speed_cap: 0.6, lesson: garage(0.6) }), "limit.owner 60");
  assert.equal(shown({ speed_cap: 0.6, lesson: garage(0.4) }), "limit.garage 40");
  assert.equal(shown({ speed_cap: 1, lesson: garage(0.4, 9.9) }), "limit.garage 40");
  assert.equal(shown({ speed_cap: 1, lesson: garage(0.4, 10) }), "limit.away 40");
  assert.equal(shown({ speed_cap: 1, lesson: garage(0.4), video: { cap: 0.3 } }), "camera.slow");
  assert.equal(shown({ speed_cap: 1, lesson: garage(0.4), video: { cap: 0.3 }, link: { cap: 0.5 } }), "link.late");
});

test("facts of the machine are graded at their limits", () => {
  const graded = (name, value) => told({ [name]: value })[0];
  for (const [name, value, grade] of [
    ["temperature_c", 0, ""],
    ["temperature_c", 69.9, ""],
    ["temperature_c", 70, "warn"],
    ["temperature_c", 80, "bad"],
    ["wifi_dbm", -69, ""],
    ["wifi_dbm", -70, "warn"],
    ["cpu_percent", 0, ""],
    ["cpu_percent", 90, "warn"],
    ["under_voltage", true, "bad"],
    ["under_voltage_seen", true, "warn"],
    ["throttled", false, ""],
  ]) {
    assert.equal(graded(name, value).grade, grade, `${name} ${value}`);
  }
  assert.equal(graded("uptime_s", 3725).value, "health.uptime.value 1 2");
  assert.equal(graded("uptime_s", 0).value, "health.uptime.value 0 0");
});

test("a supply that was good, is good, or was not", () => {
  const voltage = (under_voltage, under_voltage_seen) => told({ under_voltage, under_voltage_seen })[0].value;
  assert.equal(voltage(true, true), "health.voltage.now");
  assert.equal(voltage(false, true), "health.voltage.before");
  assert.equal(voltage(false, null), "health.voltage.not-now");
  assert.equal(voltage(false, false), "health.voltage.never");
});

test("a fault of the camera has a sentence in each language, with the command of the car's own sentence", () => {
  const message = "It may not be opened. Run: sudo usermod -aG video picar, then restart picar.";
  assert.equal(commandOf(message), "sudo usermod -aG video picar");
  assert.equal(commandOf("No command."), "picar doctor");
  for (const code of Object.keys(FAULTS)) {
    const sentence = sentenceOf(code, message);
    assert.ok(sentence && !sentence.includes("{") && sentence !== message, code);
  }
  assert.equal(sentenceOf("new", message), message);
});

test("the distance sensor has a reason for each of its states", () => {
  const reason = (m, cap, override = false) => reasonOf({ m, cap, override });
  assert.equal(reason(4, 1), "");
  assert.equal(reason(null, 1), "", "a switch that is not pressed");
  assert.equal(reason(0.5, 0.4), "obstacle");
  assert.equal(reason(0.18, 0), "obstacle");
  assert.equal(reason(null, 0), "obstacle.touched");
  assert.equal(reason(null, 0.3), "obstacle.unknown");
  assert.equal(reason(0.18, 0.3, true), "obstacle.override");
});
