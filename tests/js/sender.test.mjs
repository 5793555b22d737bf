/** How soon the one sender sends, on a clock of its own: no machine is too busy for it. `node --test tests/js`. */

import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { Sender, Sticks, onLetGo } from "../../static/js/sticks.js";

const DRIVING = { you: "driver", state: "armed" };
let now = 0;
/** @type {{at: number, every: number, act: () => void}[]} */
let timers = [];

beforeEach(() => {
  now = 5000;
  timers = [];
  mock.method(performance, "now", () => now);
  mock.method(globalThis, "setTimeout", (act, ms) => timers.push({ at: now + Math.ceil(ms), every: Infinity, act }));
  mock.method(globalThis, "setInterval", (act, ms) => timers.push({ at: now + ms, every: ms, act }));
});

afterEach(() => mock.restoreAll());

/** Let this many ms pass, each timer at its time. */
function pass(ms) {
  for (const end = now + ms; now < end; ) {
    now += 1;
    for (const timer of timers.filter(({ at }) => at <= now)) {
      timer.at += timer.every;
      timer.act();
    }
  }
}

/** A car that a hand drives: what was sent, and when. */
function drive() {
  const sent = [];
  const link = {
    state: DRIVING,
    hello: { command_timeout_s: 0.5 },
    say: () => true,
    quiet: () => 0,
    weak: () => false,
    drive: (throttle, steering) => Boolean(sent.push({ at: now, throttle, steering })),
  };
  const sticks = new Sticks();
  const sender = new Sender(link, sticks);
  sticks.hold("hand", { throttle: 0.1 });
  pass(200);
  return { link, sent, sticks, sender };
}

/**
 * Move the hand for a while and tell how late each change was said.
 *
 * @param {ReturnType<typeof drive>} car @param {() => number} gap ms to the next event @param {number} [fingers] that move at once
 */
function wander({ sent, sticks }, gap, fingers = 1) {
  const late = [];
  let waiting = null;
  const end = now + 3000;
  for (let event = 0; now < end; event += 1) {
    for (let finger = 0; finger < fingers; finger += 1) {
      const before = sent.length;
      waiting ??= now;
      sticks.hold(`finger${finger}`, { throttle: ((event + finger) % 50) / 1000 + 0.001 });
      if (sent.length > before) late.push(now - waiting);
      if (sent.length > before) waiting = null;
    }
    const wait = Math.round(gap(event));
    for (let step = 0; step < wait; step += 1) {
      const before = sent.length;
      pass(1);
      if (sent.length === before || waiting === null) continue;
      late.push(now - waiting);
      waiting = null;
    }
  }
  return late;
}

/** The most that were sent in any such window of ms. */
function most(sent, window) {
  return Math.max(...sent.map(({ at }, first) => sent.slice(first).filter((each) => each.at < at + window).length));
}

test("a change is sent at once, also when it follows a repeat or the frames are uneven", () => {
  const car = drive();
  assert.deepEqual([...new Set(wander(car, (event) => [17, 16, 9, 25][event % 4]))], [0]);
});

test("a change waits less than 16 ms however fast the events come, and the car's 100 messages a second are kept", () => {
  for (const [gap, fingers] of [[8, 1], [4, 1], [1, 1], [16, 2], [8, 2]]) {
    const car = drive();
    const late = wander(car, () => gap, fingers);
    assert.ok(late.length > 100 && Math.max(...late) < 16, `${gap} ms, ${fingers} fingers: ${Math.max(...late)}`);
    assert.ok(most(car.sent, 1000) <= 100, `${gap} ms, ${fingers} fingers: ${most(car.sent, 1000)} in a second`);
  }
});

test("zero does not wait for the pace", () => {
  const car = drive();
  for (let change = 0; change < 30; change += 1) car.sticks.hold("hand", { throttle: 0.2 + change / 100 });
  assert.ok(car.sent.at(-1).throttle < 0.4); // the others wait
  car.sticks.letGo("hand");
  assert.deepEqual(car.sent.at(-1), { at: now, throttle: 0, steering: 0 });
  const count = car.sent.length;
  pass(100);
  assert.equal(car.sent.length, count, "what waited is not said after the zero");
});

test("a still hand is repeated 20 to 30 times a second, and so is one that moves now and then", () => {
  const still = drive();
  still.sent.length = 0;
  pass(1000);
  assert.ok(still.sent.length >= 29 && still.sent.length <= 31, `${still.sent.length}`);
  const busy = drive();
  wander(busy, (event) => 20 + (event % 60));
  const gaps = busy.sent.slice(1).map(({ at }, index) => at - busy.sent[index].at);
  assert.ok(Math.max(...gaps) <= 50, `${Math.max(...gaps)} ms of silence`);
});

test("a press asks for the wheel once, and again only when the car refused that as too late", () => {
  const said = [];
  const link = { state: { you: "spectator", state: "disarmed" }, tick: 1, say: (type) => said.push(type), quiet: () => 0 };
  const sticks = new Sticks();
  const sender = new Sender(link, sticks);
  sticks.hold("hand", { throttle: 0.1 });
  pass(200);
  assert.deepEqual(said, ["take"]);
  sender.refused("stale");
  pass(200);
  assert.deepEqual(said, ["take", "take"]);
});

test("a press does not ask a driver for the wheel, and takes it when that driver leaves", () => {
  const said = [];
  const link = { state: { you: "spectator", state: "armed", driver: "c1" }, tick: 1, say: (type) => said.push(type), quiet: () => 0 };
  const sticks = new Sticks();
  new Sender(link, sticks);
  sticks.hold("hand", { throttle: 0.1 });
  pass(200);
  assert.deepEqual(said, []);
  link.state = { you: "spectator", state: "disarmed", driver: null };
  pass(200);
  assert.deepEqual(said, ["take"]);
});

test("a press stays neutral until it may drive, and ends if that takes a second", () => {
  const sent = [];
  const link = {
    state: DRIVING,
    say: () => true,
    quiet: () => 0,
    weak: () => false,
    drive: (throttle) => Boolean(sent.push(throttle)),
  };
  const sticks = new Sticks();
  const sender = new Sender(link, sticks);
  sender.mayDrive = () => false;
  sticks.hold("hand", { throttle: 1 });
  pass(500);
  assert.deepEqual([sticks.held, Math.max(...sent)], [true, 0]);
  sender.mayDrive = () => true;
  pass(100);
  assert.equal(sent.at(-1), 1);
  sticks.letGo("hand");
  sender.mayDrive = () => false;
  sent.length = 0;
  sticks.hold("hand", { throttle: 1 });
  pass(1100);
  assert.deepEqual([sticks.held, sender.pressAgain, Math.max(...sent)], [false, true, 0]);
});

test("a gap in the page's own timer above the command timeout ends the press, a shorter one does not", () => {
  const short = drive();
  now += 450;
  pass(100);
  assert.ok(short.sticks.held && short.sent.at(-1).throttle === 0.1);
  const long = drive();
  now += 550;
  pass(100);
  assert.deepEqual([long.sticks.held, long.sent.at(-1).throttle, long.sender.pressAgain], [false, 0, true]);
});

test("a hand that moves first after a gap sends a zero and nothing else", () => {
  const { sent, sticks } = drive();
  sent.length = 0;
  now += 550;
  sticks.hold("hand", { throttle: 0.7 });
  assert.deepEqual([sticks.held, sent], [false, [{ at: now, throttle: 0, steering: 0 }]]);
});

test("every event that may take the driver away lets go, also where there is no screen.orientation", (context) => {
  const [page, root, query] = [new EventTarget(), new EventTarget(), new EventTarget()];
  const world = { document: root, screen: {}, matchMedia: () => query, addEventListener: page.addEventListener.bind(page) };
  Object.assign(globalThis, world);
  context.after(() => Object.keys(world).forEach((name) => delete globalThis[name]));
  let times = 0;
  onLetGo(() => (times += 1));
  const told = (target, event, fields = {}) => {
    times = 0;
    target.dispatchEvent(Object.assign(new Event(event), fields));
    return times;
  };
  for (const event of ["blur", "pagehide", "beforeprint"]) assert.equal(told(page, event), 1, event);
  const ofDocument = ["freeze", "visibilitychange", "fullscreenchange", "contextmenu", "dragstart", "dragenter", "compositionstart"];
  for (const event of ofDocument) assert.equal(told(root, event), 1, event);
  assert.equal(told(query, "change"), 1);
  for (const event of ["keydown", "keyup"]) {
    assert.equal(told(page, event, { key: "Meta" }), 1);
    assert.equal(told(page, event, { key: "w" }), 0);
  }
});

test("a press that the car refuses before it may drive ends, and drives only after it was released", () => {
  for (const code of ["not_neutral", "arming", "held", "picture_old", "battery_low"]) {
    const { sent, sticks, sender } = drive();
    sender.refused(code);
    assert.deepEqual([sticks.held, sender.pressAgain], [false, true], code);
    sent.length = 0;
    pass(300);
    assert.deepEqual(sent, [], code);
    sticks.hold("hand", { throttle: 0.2 });
    pass(100);
    assert.equal(sent.at(-1).throttle, 0.2, code);
  }
});

test("a hold ends the press with one zero, a press of a held car sends nothing, and after it a new press is needed", () => {
  const { link, sent, sticks, sender } = drive();
  sent.length = 0;
  link.state = { ...DRIVING, lesson: { mode: "hold", cap: 1 } };
  sender.heard();
  assert.deepEqual([sticks.held, sender.pressAgain, sent], [false, true, [{ at: now, throttle: 0, steering: 0 }]]);
  sent.length = 0;
  sticks.hold("hand", { throttle: 1 });
  pass(300);
  assert.deepEqual([sticks.held, sent.filter(({ throttle }) => throttle)], [false, []]);
  link.state = { ...DRIVING, lesson: { mode: "drive", cap: 0.5 } };
  sender.heard();
  pass(300);
  assert.deepEqual(sent.filter(({ throttle }) => throttle), []);
  sticks.hold("hand", { throttle: 0.2 });
  pass(100);
  assert.equal(sent.at(-1).throttle, 0.2);
});
