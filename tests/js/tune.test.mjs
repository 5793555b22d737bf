/** What a person saw becomes numbers: `node --test tests/js`. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Balance, RISES, directions, exchanged, hindrance, minimum, mirrored, motorsOf, nudged, resultOf, riseTo, wheelsOf } from "../../static/js/tune/finding.js";

const near = (actual, expected, by = 1e-6) => assert.ok(Math.abs(actual - expected) < by, `${actual} is not ${expected}`);
const AS_BUILT = { swap: false, left_invert: false, right_invert: false, left_trim: 1, right_trim: 1, min_duty: 0.25 };
const DRIVE = { swap: false, drive_invert: false, drive_trim: 1, min_duty: 0.25 };
const SERVO = { ...DRIVE, steering_left_us: 1000, steering_center_us: 1500, steering_right_us: 2000 };
const ESC = { ...SERVO, esc_neutral_us: 1500, esc_start_us: 40 };
const OTHER = { left: "right", right: "left" };
const BITS = [false, true];

/** Which wheel a real car turns, and which way, when a side is jogged forward under a calibration. */
function turns(wires, calibration, side) {
  const bridge = calibration.swap ? OTHER[side] : side; // of the left or of the right terminals
  const wheel = wires.swap ? OTHER[bridge] : bridge;
  return { wheel, forward: calibration[`${side}_invert`] === wires[`${wheel}_reversed`] };
}

test("every wrong wiring under every wrong calibration is put right", () => {
  let tried = 0;
  for (const swap of BITS) for (const left_reversed of BITS) for (const right_reversed of BITS) {
    const wires = { swap, left_reversed, right_reversed };
    for (const swapped of BITS) for (const left_invert of BITS) for (const right_invert of BITS) {
      const now = { ...AS_BUILT, swap: swapped, left_invert, right_invert, left_trim: 0.9, right_trim: 0.8 };
      const found = directions(now, { left: turns(wires, now, "left"), right: turns(wires, now, "right") });
      for (const side of ["left", "right"]) assert.deepEqual(turns(wires, found, side), { wheel: side, forward: true });
      assert.deepEqual([found.left_trim, found.right_trim].sort(), [0.8, 0.9]); // a trim goes with its motor
      tried += 1;
    }
  } // prettier-ignore
  assert.equal(tried, 64);
});

const LAYOUTS = [
  ["left", "right"],
  ["front_left", "rear_left", "front_right", "rear_right"],
  ["drive", "steer"],
];

/** A calibration with these values of each motor. */
function calibrationOf(motors, inverts, trims, swap = false) {
  const values = motors.flatMap((motor, place) => [[`${motor}_invert`, inverts[place]], [`${motor}_trim`, trims[place]]]);
  return { swap, ...Object.fromEntries(values), min_duty: 0.25 };
}

const permutations = (list) =>
  list.length < 2 ? [list] : list.flatMap((each) => permutations(list.filter((other) => other !== each)).map((rest) => [each, ...rest]));

/** The answers of a person: `wired` has for the pins of each motor the wheel that they turn, and whether backward. */
function answersOf(now, wired) {
  const motors = motorsOf(now);
  const half = motors.length / 2;
  return Object.fromEntries(motors.map((motor, place) => {
    const { wheel, reversed } = wired[now.swap ? (place + half) % motors.length : place];
    return [motor, { wheel, forward: now[`${motor}_invert`] === reversed }];
  }));
} // prettier-ignore

test("on every car, any order of the wires ends in wheels that turn as their names say, after three exchanges at most", () => {
  for (const motors of LAYOUTS) {
    for (const order of permutations(motors)) for (const swap of BITS) for (let bits = 0; bits < 4 ** motors.length; bits += 1) {
      const bit = (place) => Boolean((bits >> place) & 1);
      const wired = order.map((wheel, place) => ({ wheel, reversed: bit(place) }));
      const now = calibrationOf(motors, motors.map((_, place) => bit(motors.length + place)), motors.map((_, place) => 1 - place / 10), swap);
      assert.deepEqual(motorsOf(now), motors);
      let [found, exchanges] = [null, 0];
      for (; !(found = directions(now, answersOf(now, wired))) && exchanges < 9; exchanges += 1) {
        const [one, other] = exchanged(now, answersOf(now, wired)).map((motor) => motors.indexOf(motor));
        [wired[one], wired[other]] = [wired[other], wired[one]];
      }
      assert.ok(exchanges <= (motors.length > 2 ? 3 : 0), `${order}: ${exchanges} exchanges`);
      const right = Object.fromEntries(motors.map((motor) => [motor, { wheel: motor, forward: true }]));
      assert.deepEqual(answersOf(found, wired), right);
    }
  } // prettier-ignore
});

test("the trim of a motor goes with it to the other side", () => {
  const [, four] = LAYOUTS;
  const now = calibrationOf(four, [false, false, false, false], [1, 0.9, 0.8, 0.7]);
  const seen = Object.fromEntries(four.map((motor, place) => [motor, { wheel: four[(place + 2) % 4], forward: true }]));
  assert.deepEqual(directions(now, seen), calibrationOf(four, [false, false, false, false], [0.8, 0.7, 1, 0.9], true));
});

test("wires that swap does not explain are two sections to exchange", () => {
  const [, four] = LAYOUTS;
  const answers = (wheels) => Object.fromEntries(four.map((motor, place) => [motor, { wheel: wheels[place], forward: true }]));
  const now = calibrationOf(four, [false, false, false, false], [1, 1, 1, 1]);
  const seen = answers(["rear_left", "front_left", "front_right", "rear_right"]);
  assert.equal(directions(now, seen), null);
  assert.deepEqual(exchanged(now, seen), ["front_left", "rear_left"]);
  assert.deepEqual(exchanged({ ...now, swap: true }, seen), ["front_right", "rear_right"]); // these pins turned them
  assert.equal(exchanged(now, answers(["front_left", "front_left", "front_right", "rear_right"])), null);
});

test("the trim of a side is that of both its motors, and a car with steering has none", () => {
  const [, four, steered] = LAYOUTS;
  const now = calibrationOf(four, [false, false, false, false], [1, 1, 1, 1]);
  const slower = calibrationOf(four, [false, false, false, false], [0.943, 0.943, 1, 1]);
  assert.deepEqual(new Balance().correct(now, "right"), slower);
  assert.deepEqual(resultOf(slower).at(-1), { key: "slower", side: "left", percent: 6 });
  assert.deepEqual(resultOf(calibrationOf(steered, [false, true], [1, 1], true)), [
    { key: "swap" },
    { key: "reversed", side: "steer" },
    { key: "least", percent: 25 },
  ]);
});

test("the same wheel twice is no answer", () => {
  const seen = { wheel: "left", forward: true };
  assert.equal(directions(AS_BUILT, { left: seen, right: { ...seen, forward: false } }), null);
});

test("both wheels turn at the minimum duty, and it stays in its range", () => {
  assert.equal(minimum(AS_BUILT, { left: 0.2131, right: 0.1877 }).min_duty, 0.21);
  assert.equal(minimum(AS_BUILT, { left: 0.1, right: 0.95 }).min_duty, 0.8);
  assert.equal(minimum(AS_BUILT, { left: 0, right: 0 }).min_duty, 0);
});

test("a rise never falls and never passes what the car allows", () => {
  for (const rise of Object.values(RISES)) {
    let last = 0;
    for (let held_s = 0; held_s < 30; held_s += 0.1) {
      const duty = riseTo(rise, held_s, 0.5);
      assert.ok(duty >= last && duty <= 0.5);
      last = duty;
    }
    assert.equal(last, 0.5);
  }
});

test("a car drives straight after a few answers, whichever motor is weaker and by how much", () => {
  for (const strength of [0.6, 0.8, 0.93, 0.99, 1.01, 1.1, 1.5]) {
    const balance = new Balance();
    let now = AS_BUILT;
    let answers = 0;
    while (!balance.fine && answers < 40) {
      const drift = now.left_trim * strength - now.right_trim; // + to the right: the left one is faster
      if (Math.abs(drift) < 0.002) break;
      now = balance.correct(now, drift > 0 ? "right" : "left");
      assert.equal(Math.max(now.left_trim, now.right_trim), 1);
      answers += 1;
    }
    near(now.left_trim * strength, now.right_trim, 0.01);
    assert.ok(answers <= 16, `${answers} answers for ${strength}`);
  }
});

test("wheels are seen from where the car goes", () => {
  const at = (x, y, heading) => ({ x, y, heading });
  assert.deepEqual(wheelsOf(at(0, 0, 0), at(0.1, 0, 0), 0.5, 0.13), { left: 0.2, right: 0.2 });
  const spin = wheelsOf(at(0, 0, 0), at(0, 0, 1), 1, 0.2);
  near(spin.left, -0.1);
  near(spin.right, 0.1);
  const back = wheelsOf(at(0, 0, Math.PI / 2), at(0, -0.1, Math.PI / 2), 1, 0.13);
  near(back.left, -0.1);
});

test("a calibration is described by its wiring, its least power and the slower side", () => {
  assert.deepEqual(resultOf(AS_BUILT), [{ key: "wired" }, { key: "least", percent: 25 }, { key: "even" }]);
  const found = { swap: true, left_invert: true, right_invert: true, left_trim: 1, right_trim: 0.931, min_duty: 0.22 };
  assert.deepEqual(resultOf(found), [
    { key: "swap" },
    { key: "reversed", side: "left" },
    { key: "reversed", side: "right" },
    { key: "least", percent: 22 },
    { key: "slower", side: "right", percent: 7 },
  ]);
  assert.deepEqual(resultOf({ ...AS_BUILT, left_trim: 0.93, right_trim: 0.93 }).at(-1), { key: "even" });
});

test("a motor may turn for the driver, and for the first who comes, unless the car is stopped or out of reach", () => {
  const why = (state, busy = false) => Object.values(hindrance(state, busy));
  const mine = { state: "armed", you: "driver", driver: "c1" };
  const other = { state: "armed", you: "spectator", driver: "c2" };
  const free = { state: "disarmed", you: "spectator", driver: null };
  for (const state of [mine, free]) assert.deepEqual(why(state), ["", ""]);
  assert.deepEqual(why(mine, true), ["telling", ""]);
  assert.deepEqual(why(null), ["gone", ""]);
  assert.deepEqual(why({ ...free, reason: "arming" }), ["arming", ""]);
  assert.deepEqual(why(other), ["other", "ask.other"]);
  assert.deepEqual(why({ ...other, waiting: true }), ["waiting", "ask.waiting"]);
  assert.deepEqual(why({ ...mine, state: "stopped" }), ["stopped", "reset"]);
  const lesson = { mode: "hold", cap: 1 };
  for (const state of [mine, free, other]) assert.deepEqual(why({ ...state, lesson }), ["held", ""]);
  assert.deepEqual(why({ ...mine, state: "stopped", lesson }), ["stopped", "reset"]);
  assert.deepEqual(why({ ...other, state: "stopped" }), ["stopped.other", "ask.other"]);
  assert.deepEqual(why({ ...free, state: "stopped" }), ["stopped.free", "ask.take"]);
});

test("the one motor of a car with a servo is reversed or not, and never exchanged", () => {
  for (const swap of BITS) for (const drive_invert of BITS) for (const forward of BITS) {
    const now = { ...SERVO, swap, drive_invert };
    assert.deepEqual(directions(now, { drive: { wheel: "drive", forward } }), { ...now, drive_invert: drive_invert !== !forward });
  } // prettier-ignore
});

/** Press a button so many times. */
const pressed = (now, step, way, times) => Array.from({ length: times }).reduce((each) => nudged(each, step, way), now);

test("an end moves away from the middle, also of a mirrored servo, and stays 50 µs from it and in the range of a servo", () => {
  for (const now of [SERVO, mirrored(SERVO)]) {
    for (const step of ["left", "right"]) {
      const name = `steering_${step}_us`;
      const way = Math.sign(now[name] - 1500);
      assert.deepEqual(nudged(now, step, 1), { ...now, [name]: now[name] + way * 10 });
      assert.equal(pressed(now, step, 1, 200)[name], way < 0 ? 500 : 2500);
      assert.equal(pressed(now, step, -1, 200)[name], 1500 + way * 50);
    }
  }
});

test("the middle moves to the side that is named, and stays 50 µs from both ends and in its range", () => {
  assert.equal(nudged(SERVO, "center", 1).steering_center_us, 1510);
  assert.equal(nudged(mirrored(SERVO), "center", 1).steering_center_us, 1490);
  assert.equal(pressed(SERVO, "center", 1, 200).steering_center_us, 1950);
  assert.equal(pressed(SERVO, "center", -1, 200).steering_center_us, 1050);
  const wide = { ...SERVO, steering_left_us: 500, steering_right_us: 2500 };
  assert.equal(pressed(wide, "center", 1, 200).steering_center_us, 2000);
  assert.equal(pressed(mirrored(wide), "center", 1, 200).steering_center_us, 1000);
});

test("the neutral pulse of an ESC stays in its range, and its start is the distance at which the motor began to turn", () => {
  assert.deepEqual(nudged(ESC, "neutral", 1), { ...ESC, esc_neutral_us: 1505 });
  assert.equal(pressed(ESC, "neutral", 1, 200).esc_neutral_us, 1600);
  assert.equal(pressed(ESC, "neutral", -1, 200).esc_neutral_us, 1400);
  assert.deepEqual(minimum(ESC, { drive: 0.2049 }, 150), { ...ESC, esc_start_us: 31 });
  assert.equal(minimum(ESC, { drive: 0.5 }, 500).esc_start_us, 140);
});

test("a calibration of a servo and of an ESC is described by its pulses", () => {
  const steering = { key: "steering", left: 1000, center: 1500, right: 2000 };
  assert.deepEqual(resultOf(SERVO), [{ key: "wired" }, { key: "least", percent: 25 }, steering]);
  assert.deepEqual(resultOf(ESC), [{ key: "neutral", us: 1500 }, { key: "start", us: 40 }, steering]);
});
