/** The rules of a replay and the rows of a recording, without a browser: `node --test tests/js`. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { CALM_S, LATE_S, Replay, planOf } from "../../static/js/recording/schedule.js";
import { Timeline, windowOf } from "../../static/js/recording/timeline.js";
import { Sticks } from "../../static/js/sticks.js";

const STEP_S = 0.016;
const CALM = { mine: true, state: "armed", still: true, free: true, weak: false, ready: true, limit: 0.6 };
const MOVING = { ...CALM, still: false };
const NEUTRAL = { throttle: 0, steering: 0 };

/** A drive at 30 commands a second: rest, then this many seconds straight on, then rest. */
function recorded(length_s = 3, speed_limit = 0.6) {
  const count = Math.round(length_s * 30);
  const command = (t, throttle, steering = 0) => ({ t, throttle, steering, speed_limit });
  return [command(1, 0), ...Array.from({ length: count }, (_, n) => command(5 + n / 30, 0.5 + n / 1000, -0.1)), command(5 + count / 30, 0)];
}

/** A replay that runs, and its clock. */
function running(plan = planOf(recorded()), limit = 0.6) {
  const replay = new Replay(plan);
  let now = 100;
  const pass = (s, seen = {}) => {
    let held = NEUTRAL;
    for (const end = now + s; now < end; ) held = replay.step((now += STEP_S), { ...MOVING, limit, ...seen });
    return held;
  };
  replay.press(now);
  while (replay.phase === "waiting" && now < 110) replay.step((now += STEP_S), { ...CALM, limit });
  assert.equal(replay.phase, "running");
  return { replay, pass, at: () => replay.position(now) };
}

/** It is over, for this reason, with neutral sticks, and stays so. */
function over({ replay, pass }, why) {
  assert.deepEqual([replay.phase, replay.why], ["idle", why]);
  for (let s = 0; s < 5; s += 1) assert.deepEqual(pass(1), { ...NEUTRAL }, "no resume");
  assert.equal(replay.phase, "idle");
}

test("a plan goes from the first command that moves to the zero after the last one", () => {
  const { commands, length_s, limit } = planOf(recorded(1));
  assert.deepEqual(commands[0], { t: 0, throttle: 0.5, steering: -0.1 });
  assert.deepEqual([commands.length, commands.at(-1).throttle], [31, 0]);
  assert.ok(Math.abs(length_s - 1) < 1e-9);
  assert.equal(limit, 0.6);
  assert.equal(planOf([{ t: 0, ...NEUTRAL, speed_limit: 1 }]), null);
  assert.equal(planOf([]), null);
});

test("the plan's limit is the lowest of the drive, in shares of this car's max_speed, rounded down", () => {
  const drive = recorded(1);
  drive[7].speed_limit = 0.339;
  drive[0].speed_limit = 0.1; // before the first movement
  assert.equal(planOf(drive).limit, 0.33);
  assert.equal(planOf(recorded(), 0.5).limit, 0.3);
  assert.equal(planOf(recorded(), 9).limit, 1);
});

test("it begins only after a second of rest: armed, at the wheel, still, free, with the link and the limit", () => {
  for (const [name, value] of Object.entries({ mine: false, state: "disarmed", still: false, weak: true, ready: false, limit: 0.61 })) {
    const replay = new Replay(planOf(recorded()));
    replay.press(0);
    for (let now = 0; now < 1; now += STEP_S) assert.deepEqual(replay.step(now, { ...CALM, [name]: value }), NEUTRAL);
    let began = 0;
    for (let now = 1; now < 3 && !began; now += STEP_S) if (!replay.step(now, CALM) || replay.phase === "running") began = now;
    assert.ok(began >= 1 + CALM_S - 2 * STEP_S && began < 2.1, `${name}: ${began}`);
    const never = new Replay(planOf(recorded()));
    never.press(0);
    for (let now = 0; now < 5; now += STEP_S) never.step(now, { ...CALM, [name]: value });
    assert.deepEqual([never.phase, never.why], ["idle", "rest"], name);
  }
});

test("a stop and another input end the wait", () => {
  for (const [seen, why] of [[{ state: "stopped" }, "state"], [{ free: false }, "other"]]) {
    const replay = new Replay(planOf(recorded()));
    replay.press(0);
    replay.step(0.5, { ...CALM, ...seen });
    assert.deepEqual([replay.phase, replay.why], ["idle", why]);
  }
});

test("each recorded command is held at its time, and the end is neutral", () => {
  const run = running();
  const held = run.pass(1);
  assert.ok(Math.abs(held.throttle - (0.5 + run.at() * 0.03)) < 0.002, `${held.throttle} at ${run.at()}`);
  assert.equal(held.steering, -0.1);
  assert.deepEqual(run.pass(2.2), NEUTRAL);
  over(run, "done");
});

test("half the speed limit takes twice the time, a higher one is never used", () => {
  const run = running(planOf(recorded()), 0.3);
  run.pass(2);
  assert.ok(Math.abs(run.at() - 1) < 0.05, String(run.at()));
  run.pass(2);
  assert.equal(run.replay.phase, "running");
  run.pass(2.2);
  over(run, "done");
});

for (const [what, seen, why] of [
  ["another driver", { mine: false }, "wheel"],
  ["a disarmed car", { state: "disarmed" }, "state"],
  ["a failsafe", { state: "failsafe" }, "state"],
  ["a stop", { state: "stopped" }, "state"],
  ["no state", { state: "", mine: true }, "state"],
  ["another input", { free: false }, "other"],
  ["a sender that has ended the press", { ready: false }, "other"],
  ["a weak link", { weak: true }, "link"],
  ["a lower limit", { limit: 0.5 }, "limit"],
  ["a higher limit", { limit: 0.7 }, "limit"],
]) {
  test(`${what} ends it at once, for good`, () => {
    const run = running();
    run.pass(0.5);
    run.pass(STEP_S / 2, seen);
    over(run, why);
  });
}

test("letting go and a refusal end it, and the next press starts from the beginning", () => {
  for (const why of ["let_go", "refused"]) {
    const run = running();
    run.pass(1);
    run.replay.end(why);
    over(run, why);
    run.replay.press(200);
    assert.deepEqual([run.replay.phase, run.replay.why, run.at()], ["waiting", "", 0]);
  }
});

test("a page that was late by more than 0.2 s ends it; a shorter delay does not", () => {
  for (const [hang_s, phase] of [[LATE_S - 0.06, "running"], [LATE_S + 0.06, "idle"]]) {
    const replay = new Replay(planOf(recorded()));
    replay.press(0);
    for (let now = 0; now < 2; now += STEP_S) replay.step(now, now < 1.1 ? CALM : MOVING);
    const held = replay.step(2 + hang_s, MOVING);
    assert.equal(replay.phase, phase);
    if (phase === "idle") assert.deepEqual([held, replay.why], [NEUTRAL, "late"]);
  }
});

test("a gap in the recording ends it, a recorded rest does not", () => {
  const rows = recorded();
  const gap = planOf(rows.filter(({ t }) => t < 6 || t > 6.5));
  const run = running(gap);
  run.pass(1.5);
  over(run, "gap");
  const rest = rows.filter(({ t }) => t < 6 || t > 6.5).map((row) => (Math.abs(row.t - 6) < 0.04 ? { ...row, ...NEUTRAL } : row));
  const other = running(planOf(rest));
  assert.deepEqual(other.pass(1.25).throttle, 0);
  assert.ok(other.pass(0.5).throttle > 0.5);
});

test("sticks with an end are not shaped again; beside another input, and after their end, they are neutral", () => {
  const sticks = new Sticks();
  sticks.curve = { deadzone: 0.2, expo: 0.9 };
  const replayed = { throttle: 0.5, steering: -0.1, until: performance.now() / 1000 + 60 };
  sticks.hold("replay", { ...replayed, until: performance.now() / 1000 - 0.001 });
  assert.deepEqual(sticks.value, NEUTRAL);
  sticks.hold("replay", replayed);
  assert.deepEqual([sticks.value, sticks.free("replay")], [{ throttle: 0.5, steering: -0.1 }, true]);
  sticks.hold("throttle", { throttle: 1 });
  assert.deepEqual([sticks.value, sticks.free("replay")], [NEUTRAL, false]);
  sticks.letGo("replay");
  assert.equal(sticks.value.throttle, 1);
});

test("a timeline finds the newest row of each topic, and leaves out single motors", () => {
  const timeline = new Timeline(["/picar/cmd", "/picar/wheels", "/pose", "/camera"]);
  const at = (topic, t) => timeline.rows[topic][timeline.indexAt(topic, t)];
  const line = (t, topic, data, more = {}) => timeline.add(JSON.stringify({ t, topic, data, ...more }));
  line(0, "metadata", { max_speed: "1.0", steers: "false" });
  for (let t = 0; t < 10; t += 1) line(t, "/picar/cmd", { throttle: t / 10, steering: 0, speed_limit: 0.6, client: "c1" });
  line(5.5, "/picar/cmd", { motor: "left", duty: 0.2 });
  line(3, "/picar/wheels", { n: 1, state: "armed", applied: { left: 0.1, right: 0.2 }, target: { left: 0.3, right: 0.4 } });
  line(4, "/pose", { pose: { position: { x: 1, y: 2, z: 0 }, orientation: { x: 0, y: 0, z: Math.sin(0.5), w: Math.cos(0.5) } } });
  line(9.5, "/camera", undefined, { at: 1000, bytes: 20 });
  line(99, "/log", { message: "not wanted" });
  assert.equal(timeline.rows["/picar/cmd"].length, 10);
  assert.equal(at("/picar/cmd", 4.5).throttle, 0.4);
  assert.equal(at("/picar/cmd", -1), undefined);
  assert.equal(timeline.indexAt("/picar/cmd", 99), 9);
  assert.equal(at("/picar/wheels", 3).applied.right, 0.2);
  assert.equal(at("/pose", 9).pose.position.y, 2);
  assert.deepEqual(at("/camera", 10), { t: 9.5, at: 1000, bytes: 20 });
  assert.deepEqual([timeline.length_s, timeline.about.max_speed], [9.5, "1.0"]);
});

test("a window holds neighbouring pictures, few or many, and at most its bytes", () => {
  const rows = Array.from({ length: 100 }, (_, n) => ({ at: n * 21_000, bytes: 20_000 }));
  assert.deepEqual(windowOf(rows, 10, 1), [210_000, 230_000]);
  assert.deepEqual(windowOf(rows, 10, 4), [210_000, 293_000]);
  const [start, end] = windowOf(rows, 10, 45);
  assert.ok(end - start <= 600_000 && end - start > 550_000);
  assert.deepEqual(windowOf(rows, 99, 45), [99 * 21_000, 99 * 21_000 + 20_000]);
});
