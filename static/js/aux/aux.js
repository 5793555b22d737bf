/**
 * The outputs beside the motors: a button for each light and horn, and a second stick for pan and tilt. It loads only for a
 * car that has outputs; the car's hello describes them.
 *
 * Laws:
 * - A horn is renewed while its button is held, by a timer of the main thread: a page that hangs silences it.
 * - Whatever releases the sticks releases the horns too. The second stick keeps its place: it moves no wheel.
 * - A press of a horn begins with a release: after STOP, and after the longest time, the car waits for one.
 * - The messages of all outputs together are few, so that they and those of the sticks stay within what the car accepts.
 * - Only a driver changes an output; a press takes a free wheel. Other clients see the values.
 */

import { Grip, holdWithoutPointer } from "../inputs/hands.js";
import { attribute, byId, dress, property, tap, write } from "../shell/shell.js";
import { clamp, clock } from "../sticks.js";

/** Interval of the timer while something is held or waits, in ms. */
const BEAT_MS = 20;
/** Time between two messages of this part, in s: while the sticks are held, and otherwise. */
const PACE_S = { driving: 0.08, resting: 0.04 };
/** A held horn is renewed at this interval, in s. */
const RENEW_S = 0.15;
/** A value that was just sent counts for this long, in s, until the car shows it. */
const EXPECTED_S = 0.5;
/** A tap waits for a free wheel for this long, in s. */
const PATIENCE_S = 1;
/** Duration of a horn by a click without a pointer, in s. */
const NUDGE_S = 0.4;
/** Two touches within this time, in ms, and distance, in px, are a double tap. */
const DOUBLE = { time_ms: 350, px: 30 };
/** Speed of pan and tilt by a key and by a full stick of a gamepad: the way from the middle to an end in a second. */
const SPEED = { key: 1.2, pad: 1.6 };
/** [pan, tilt] of each key of the second stick. */
const LOOK = new Map(Object.entries({ KeyJ: [-1, 0], KeyL: [1, 0], KeyI: [0, 1], KeyK: [0, -1] }));
/** The values that taps go through. */
const STEPS = { toggle: [0, 1], dimmer: [0, 0.34, 0.67, 1], servo: [0, 1, -1] };
/** Click of the right stick of a gamepad. */
const PAD_CENTRE = 11;
const PAD_DEADZONE = 0.15;
const ICONS = {
  light: '<path d="M10 5v14c-4 0-7-3-7-7s3-7 7-7zM14 7l6-1M14 12h7M14 17l6 1"/>',
  horn: '<path d="M4 10v4h3l8 4V6l-8 4zM18.500 9a4.500 4.500 0 0 1 0 6"/>',
  lamp: '<path d="M9.500 18h5M10.500 21h3M8 13.500a6 6 0 1 1 8 0c-1 1-1.500 2-1.500 4.500h-5c0-2.500-.5-3.500-1.500-4.500z"/>',
  servo: '<circle cx="9" cy="15" r="5"/><path d="M9 15 19 5M15 4h5v5"/>',
  power: '<path d="M12 3v8M7 6a8 8 0 1 0 10 0"/>',
};

/** @typedef {{name: string, kind: "toggle"|"momentary"|"dimmer"|"servo", label: string, icon: string, key: string, button: number|null, axis: string}} Output */

/** @param {number[]} steps @param {number} value @returns {number} the step after the one next to the value */
export function nextStep(steps, value) {
  const nearest = steps.reduce((best, step, index) => (Math.abs(step - value) < Math.abs(steps[best] - value) ? index : best), 0);
  return steps[(nearest + 1) % steps.length];
}

export default class Aux {
  #tools;
  /** @type {Output[]} */ #outputs = [];
  #described = "";
  /** Held horns, and when each was sent last. @type {Map<string, number>} */ #held = new Map();
  /** Values that wait to be sent; of each axis the newest. @type {Map<string, number>} */ #waiting = new Map();
  /** Values that were sent, and when. @type {Map<string, {value: number, at: number}>} */ #sent = new Map();
  #waitsUntil = 0;
  #askedAt = -Infinity;
  #paidUntil = 0;
  #timer = 0;
  #beatAt = 0;
  /** The names of outputs and the directions of LOOK whose keys are down, by key. @type {Map<string, any>} */ #keys = new Map();
  /** The buttons of gamepads that are down, by the pad's index. @type {Map<number, Set<number>>} */ #pads = new Map();
  #padLook = [0, 0];
  /** Each of these forgets a pointer, key or click. @type {(() => void)[]} */ #forgets = [];
  /** @type {Grip|null} */ #grip = null;

  /** @param {import("../shell/shell.js").Tools} tools */
  constructor(tools) {
    this.#tools = tools;
    tools.aux = this;
    tools.onLetGo(() => this.letGo());
    tools.words.listen(() => this.show());
    addEventListener("keydown", (event) => this.#press(event));
    addEventListener("keyup", ({ code, key }) => this.#release(code || key));
    dress("/static/aux.css");
    byId("hud").insertAdjacentHTML("beforeend", '<div id="aux" role="group" data-i18n-label="aux.label"></div>');
  }

  /** Whether the car has a second stick. */
  get looks() {
    return this.#outputs.some(({ axis }) => axis);
  }

  /** Build the buttons. @param {Output[]} outputs of the car's hello */
  welcome(outputs) {
    if (JSON.stringify(outputs) === this.#described) return;
    this.#described = JSON.stringify(outputs);
    this.letGo();
    this.#outputs = outputs;
    this.#forgets = [];
    byId("aux").replaceChildren();
    for (const output of outputs.filter(({ axis }) => !axis)) this.#addButton(output);
    byId("look2")?.remove();
    if (this.looks) this.#addStick();
    this.#tools.words.fill(byId("hud"));
    this.show();
  }

  /** Show the values of the newest state. */
  show() {
    const { state } = this.#tools.link;
    const may = this.#may;
    if (!may) this.letGo();
    for (const output of this.#outputs.filter(({ axis }) => !axis)) {
      const button = byId(`aux-${output.name}`);
      const value = this.#valueOf(output.name);
      const broken = state?.aux?.[output.name] === null;
      button.disabled = !may || broken;
      property(button, "--share", String(Math.abs(value)));
      button.classList.toggle("on", value !== 0);
      attribute(button, "aria-pressed", String(value !== 0));
      const percent = Math.round(value * 100);
      const steps = ["dimmer", "servo"].includes(output.kind);
      const words = broken ? "aux.broken" : steps ? "aux.value" : "aux.name";
      attribute(button, "aria-label", this.#tools.words.say(words, { name: output.label, percent }) || output.label);
    }
    if (this.looks) this.#showStick();
  }

  /** Release every horn and key. */
  letGo() {
    for (const forget of this.#forgets) forget();
    this.#keys.clear();
    this.#padLook = [0, 0];
    for (const name of [...this.#held.keys()]) this.#silence(name);
    this.#grip?.drop();
  }

  /** Read a gamepad of the standard mapping. @param {any} pad @param {boolean} idle whether a dialog is open */
  pad({ index, buttons, axes }, idle) {
    const before = this.#pads.get(index);
    const down = new Set(buttons.flatMap(({ pressed }, number) => (pressed ? [number] : [])));
    this.#pads.set(index, down);
    if (!before) return; // a button that was down before it was connected does nothing
    for (const output of this.#outputs) {
      const number = output.button ?? -1;
      if (!idle && down.has(number) && !before.has(number)) this.#use(output);
      if (before.has(number) && (idle || !down.has(number))) this.#silence(output.name);
    }
    if (!this.looks) return;
    const centres = down.has(PAD_CENTRE) && !before.has(PAD_CENTRE);
    if (!idle && centres && !this.#outputs.some(({ button }) => button === PAD_CENTRE)) this.#lookAt(0, 0);
    const deflected = !idle && Math.hypot(axes[2] || 0, axes[3] || 0) > PAD_DEADZONE;
    this.#padLook = deflected ? [axes[2] * SPEED.pad, -axes[3] * SPEED.pad] : [0, 0];
    if (deflected) this.#wake();
  }

  get #may() {
    const { link } = this.#tools;
    return link.state !== null && (link.drives || !link.state.driver);
  }

  /** @param {string} name @returns {number} the value that was sent last, then the one of the car */
  #valueOf(name) {
    const sent = this.#sent.get(name);
    if (this.#waiting.has(name)) return this.#waiting.get(name) ?? 0;
    return sent && clock() - sent.at < EXPECTED_S ? sent.value : (this.#tools.link.state?.aux?.[name] ?? 0);
  }

  /** @param {Output} output */
  #addButton(output) {
    const id = `aux-${output.name}`;
    const icon = ICONS[output.icon];
    byId("aux").insertAdjacentHTML("beforeend", `<button type="button" id="${id}" class="${output.kind}">${icon ? `<svg viewBox="0 0 24 24" aria-hidden="true">${icon}</svg>` : ""}<span></span></button>`);
    const button = byId(id);
    write(button.querySelector("span"), output.label);
    if (output.kind !== "momentary") return tap(id, () => this.#may && this.#use(output));
    const [hold, letGo] = [() => this.#use(output), () => this.#silence(output.name)];
    const grip = new Grip(button, hold, letGo);
    const forget = holdWithoutPointer(button, NUDGE_S, grip, hold, letGo);
    this.#forgets.push(() => {
      grip.drop();
      forget();
    });
  }

  /** Sound a horn until `#silence`, or go to the next step of another output. @param {Output} output */
  #use({ name, kind }) {
    if (!this.#may) return;
    if (kind !== "momentary") return this.#set(name, nextStep(STEPS[kind], this.#valueOf(name)));
    if (this.#held.has(name)) return;
    this.#held.set(name, -Infinity);
    if (this.#tools.link.drives) this.#send(name, 0);
    this.#wake();
    this.#beat();
  }

  /** @param {string} name of a horn */
  #silence(name) {
    if (!this.#held.delete(name)) return;
    if (this.#tools.link.drives) this.#send(name, 0);
    this.show();
  }

  /** Send a value as soon as this page drives and the pace allows it. @param {string} name @param {number} value */
  #set(name, value) {
    this.#waiting.set(name, value);
    this.#waitsUntil = clock() + PATIENCE_S;
    this.#wake();
    this.#beat();
  }

  #wake() {
    if (!this.#timer) this.#beatAt = clock();
    this.#timer ||= setInterval(() => this.#beat(), BEAT_MS);
  }

  #beat() {
    const now = clock();
    const { link, sticks } = this.#tools;
    const gap_s = now - this.#beatAt;
    this.#beatAt = now;
    if (gap_s > (link.hello?.command_timeout_s ?? PATIENCE_S)) this.letGo(); // a finger that came up in a hang was not reported
    this.#turn(Math.min(gap_s, 0.1));
    if (!link.drives) this.#ask(now);
    else if (now >= this.#paidUntil && !link.weak(now, true)) this.#sendNext(now, sticks.held ? PACE_S.driving : PACE_S.resting);
    if (now > this.#waitsUntil) this.#waiting.clear();
    const idle = !this.#held.size && !this.#waiting.size && !this.#keys.size && !this.#padLook.some(Boolean);
    if (idle) this.#timer = clearInterval(this.#timer) ?? 0;
    this.show();
  }

  /** Take a free wheel, once for each press. @param {number} now */
  #ask(now) {
    const { link } = this.#tools;
    if (!link.state || link.state.driver || now - this.#askedAt < PATIENCE_S) return;
    if (!this.#held.size && !this.#waiting.size) return;
    this.#askedAt = now;
    link.request("take");
  }

  /** Send the message that has waited longest. @param {number} now @param {number} pace_s */
  #sendNext(now, pace_s) {
    const [horn] = [...this.#held].filter(([, at]) => now - at >= RENEW_S).sort(([, a], [, b]) => a - b);
    const [waiting] = this.#waiting;
    if (!horn && !waiting) return;
    this.#paidUntil = now + pace_s;
    if (horn) {
      this.#held.set(horn[0], now);
      this.#send(horn[0], 1);
    } else {
      this.#waiting.delete(waiting[0]);
      this.#send(...waiting);
    }
  }

  #send(name, value) {
    if (this.#tools.link.aux(name, value)) this.#sent.set(name, { value, at: clock() });
  }

  /** Keys of outputs and of the second stick; other shortcuts and text fields are left alone. */
  #press({ code, key, repeat, target, ctrlKey, metaKey, altKey }) {
    if (repeat || ctrlKey || metaKey || altKey || document.querySelector("dialog[open]")) return;
    if (target.closest?.("input, select, textarea, [contenteditable]") || !this.#may) return;
    const output = this.#outputs.find((each) => each.key && each.key.toLowerCase() === key?.toLowerCase());
    const look = this.looks ? LOOK.get(code) : undefined;
    if (output) {
      this.#use(output);
      if (output.kind === "momentary") this.#keys.set(code || key, output.name);
    } else if (look) {
      this.#keys.set(code, look);
      this.#wake();
    }
  }

  #release(place) {
    const held = this.#keys.get(place);
    this.#keys.delete(place);
    if (typeof held === "string") this.#silence(held);
  }

  /** Move the second stick by the keys and the gamepad. @param {number} time_s */
  #turn(time_s) {
    let [pan, tilt] = this.#padLook;
    for (const held of this.#keys.values()) {
      if (typeof held === "string") continue;
      pan += held[0] * SPEED.key;
      tilt += held[1] * SPEED.key;
    }
    if (!pan && !tilt) return;
    this.#lookAt(this.#placeOf("pan") + pan * time_s, this.#placeOf("tilt") + tilt * time_s);
  }

  #placeOf(axis) {
    const servo = this.#outputs.find((output) => output.axis === axis);
    return servo ? this.#valueOf(servo.name) : 0;
  }

  /** @param {number} pan + is right @param {number} tilt + is up */
  #lookAt(pan, tilt) {
    if (!this.#may) return;
    for (const { name, axis } of this.#outputs) {
      const value = Math.round(clamp(axis === "pan" ? pan : tilt) * 1000) / 1000;
      if (axis && value !== this.#valueOf(name)) this.#waiting.set(name, value);
    }
    this.#waitsUntil = clock() + PATIENCE_S;
    this.#wake();
    this.#showStick();
  }

  #addStick() {
    const axes = this.#outputs.map(({ axis }) => axis);
    const shape = ["up", "across"].filter((_, index) => axes.includes(index ? "pan" : "tilt")).join(" ");
    byId("hud").insertAdjacentHTML("beforeend", `<div id="look2" class="pad ${shape}" role="application" tabindex="0"><i class="knob"></i><span class="name" data-i18n="aux.look"></span></div>`);
    const stick = byId("look2");
    let [x, y, pan, tilt, touchedAt] = [0, 0, 0, 0, -Infinity];
    this.#grip = new Grip(stick, ({ type, clientX, clientY, timeStamp }) => {
      if (type === "pointerdown") {
        const again = timeStamp - touchedAt < DOUBLE.time_ms && Math.hypot(clientX - x, clientY - y) < DOUBLE.px;
        [x, y, touchedAt] = [clientX, clientY, timeStamp];
        if (again) this.#lookAt(0, 0);
        [pan, tilt] = [this.#placeOf("pan"), this.#placeOf("tilt")];
      } else {
        const travel = Math.min(stick.clientWidth, stick.clientHeight) / 2;
        this.#lookAt(pan + (clientX - x) / travel, tilt - (clientY - y) / travel);
      }
    }, () => {});
    stick.addEventListener("keydown", ({ key }) => key === "Enter" && this.#lookAt(0, 0));
    stick.addEventListener("click", ({ detail }) => detail === 0 && this.#lookAt(0, 0)); // screen readers
  }

  #showStick() {
    const stick = byId("look2");
    const [pan, tilt] = [this.#placeOf("pan"), this.#placeOf("tilt")];
    property(stick, "--x", String(pan));
    property(stick, "--y", String(0 - tilt));
    stick.classList.toggle("idle", !this.#may);
    const places = { pan: Math.round(pan * 100), tilt: Math.round(tilt * 100) };
    attribute(stick, "aria-label", this.#tools.words.say("aux.places", places));
  }
}
