/**
 * Builds the page by hand and wires it: link, sticks, inputs, HUD, view; and everything that lets go.
 *
 * The link and STOP are wired before the words are there: a slow dictionary must not delay them. What not
 * every visit needs (arrows, gamepad, tilt, dialogs, the view from above) is loaded when it is wanted.
 * A new input is one more line here: it gets the sticks and nothing else.
 */

import { Link, socketAddress } from "./link.js";
import { Preferences, Words, chooseLanguage } from "./preferences.js";
import { Sender, Sticks, clock, onLetGo } from "./sticks.js";

const FINE_STEP = 0.05;
/** A part of the page that did not come is asked for again after so long. */
const AGAIN_MS = 1000;
const BUZZ_MS = { stopped: [160], failsafe: [60, 60, 60], limit: [15] };

const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
const page = document.body.dataset;

const preferences = new Preferences(() => localStorage);
const words = new Words();
speak(); // first of all: the words are the last to arrive
arrange();
const sticks = new Sticks();
const link = new Link(socketAddress(location));
const sender = new Sender(link, sticks);
/** @type {boolean|null} whether the car had turned this phone away when the link was lost; null while it was not */
let lost = null;
link.onlost = (barred) => (lost = barred);

byId("stop").addEventListener("pointerdown", stop);
byId("stop").addEventListener("click", (event) => event.detail === 0 && stop()); // Enter, screen readers

// On their way since the page's head was read, as the words and the link are by now: nothing waits for anything else.
const [{ GEARS, Hud }, { Pad }, { Keys }] = await Promise.all([
  surely(() => import("./hud/hud.js")),
  surely(() => import("./inputs/pads.js")),
  surely(() => import("./inputs/keys.js")),
]);
const hud = new Hud(link, sender, words);
/** @type {Record<string, Promise<any>|undefined>} parts of the page that were wanted so far */
const parts = {};
/** @type {string|null} the version this page came with */
let version = null;

link.onhello = ({ car }) => {
  hud.welcomed();
  version ??= car.version;
  if (car.version !== version) renew();
};
link.onstate = (state) => {
  if (state.state !== page.state) buzz(state.state);
  sender.heard();
  hud.show();
  if (link.hello.car.backend === "sim") draw(state);
};
link.onrefusal = (code) => {
  sender.refused(code);
  hud.refused(code);
};
link.onlost = (barred) => {
  sender.letGo();
  hud.show();
  parts.sim?.then((view) => view?.forget());
  if (barred) askWhy();
};

new Pad(byId("throttle"), ["throttle"], sticks, words);
new Pad(byId("steering"), ["steering"], sticks, words);
new Pad(byId("stick"), ["throttle", "steering"], sticks, words);
new Keys(sticks, { stop, limit: (step) => changeLimit(hud.limit + step) });
addEventListener("gamepadconnected", gamepad);
sticks.listen(() => sticks.held && preferences.get("awake") && awake());

tap("reset", () => (isDriver() ? say("reset") : say("take")));
tap("ask", () => (isDriver() ? giveUp() : say("take")));
tap("give", () => say("grant", { client: hud.request }));
tap("refuse", () => link.say("deny", { client: hud.request }));
tap("slower", () => changeLimit(hud.limit - FINE_STEP));
tap("faster", () => changeLimit(hud.limit + FINE_STEP));
GEARS.forEach((share, index) => tap(`gear${index + 1}`, () => changeLimit(share * hud.cap)));
tap("retry", () => link.wake());
tap("reload", () => location.reload());
tap("menu", () => panel("settings"));
tap("enter", () => panel("pair"));
tap("look", () => preferences.set("view", preferences.get("view") === "fit" ? "follow" : "fit"));
tap("centre", () => parts.tilt?.then((tilt) => tilt.centre()));

onLetGo(() => sender.letGo());
document.addEventListener("visibilitychange", () => document.hidden || link.wake());
for (const event of ["pointerup", "pointercancel", "keyup"]) addEventListener(event, () => sender.lifted());
addEventListener("online", () => link.wake());
addEventListener("pageshow", ({ persisted }) => persisted && link.wake()); // not at first: it is on its way
for (const event of ["contextmenu", "dblclick"]) addEventListener(event, (e) => e.preventDefault());

matchMedia("(prefers-color-scheme: light)").addEventListener("change", () => dress());
preferences.listen((name) => (name === "language" ? speak() : dress()));
addEventListener("hashchange", invited);
dress();
invited();
catchUp();
words.listen(complete);
complete();

/**
 * A part without which there is no page: asked for until it comes, as the words are.
 *
 * @template Part @param {() => Promise<Part>} load @returns {Promise<Part>}
 */
async function surely(load) {
  for (;;) {
    try {
      return await load();
    } catch {
      await new Promise((wake) => setTimeout(wake, AGAIN_MS));
    }
  }
}

/** All is here, also the words: index.html's sentence about a page that is not complete goes. */
function complete() {
  if (words.say("stop")) document.documentElement.dataset.complete = "true";
}

/** Hear what the link has said before anybody listened. */
function catchUp() {
  if (link.hello) link.onhello(link.hello);
  if (link.state) link.onstate(link.state);
  else if (lost) askWhy();
}

/** Put everything where this phone's owner wants it: before that, STOP is not where it will be. */
function arrange() {
  const theme = preferences.get("theme");
  const bright = matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark";
  document.documentElement.dataset.theme = theme === "auto" ? bright : theme;
  page.layout = preferences.get("layout");
  page.swap = preferences.get("swap");
  page.view = preferences.get("view");
}

/** Put the preferences to work; whatever is held under the old ones is let go. */
function dress() {
  sender.letGo();
  arrange();
  sticks.curve = { deadzone: preferences.get("deadzone"), expo: preferences.get("expo") };
  if (page.layout === "arrows") part("arrows", () => import("./inputs/arrows.js"), makeArrows);
  if (page.layout === "tilt" || parts.tilt) {
    part("tilt", () => import("./inputs/tilt.js"), makeTilt).then((tilt) => tilt?.use(page.layout === "tilt"));
  }
  parts.sim?.then((view) => view?.dress());
  hud.show();
}

function speak() {
  const language = preferences.get("language");
  words.speak(language === "auto" ? chooseLanguage(navigator.languages) : language);
}

/**
 * A part of the page that is loaded once, when it is first wanted; null when it cannot be had now.
 *
 * @param {string} name @param {() => Promise<any>} load @param {(module: any) => any} make
 */
function part(name, load, make) {
  parts[name] ??= load().then(make, () => {
    parts[name] = undefined; // the next wish tries again
    hud.note("why.missing");
    return null;
  });
  return /** @type {Promise<any>} */ (parts[name]);
}

function makeArrows({ Arrows }) {
  return new Arrows(byId("arrows"), sticks, words);
}

function makeTilt({ Tilt }) {
  return new Tilt(byId("tilt"), sticks);
}

function gamepad() {
  const actions = {
    stop,
    limit: (step) => changeLimit(hud.limit + step),
    letGo: () => sender.letGo(),
    lifted: () => sender.lifted(),
    note: (key, values) => hud.note(key, values),
  };
  part("gamepad", () => import("./inputs/gamepad.js"), ({ Gamepads }) => new Gamepads(sticks, actions).start());
}

function awake() {
  part("wake", () => import("./wake.js"), ({ Awake }) => new Awake()).then((screen) => screen?.hold());
}

/** Only a simulated car loads the view from above. */
async function draw(state) {
  const make = ({ SimView }) => new SimView(byId("sim"), byId("view"), words, link.hello.car.walls ?? []);
  (await part("sim", () => import("./sim/view.js"), make))?.show(state);
}

/** Open a dialog; nobody drives meanwhile. @param {"settings"|"pair"|"invite"} name @param {object} options */
function panel(name, options = {}) {
  sender.letGo();
  const load = {
    settings: () => import("./panels/settings.js"),
    pair: () => import("./panels/pair.js"),
    invite: () => import("./panels/invite.js"),
    power: () => import("./panels/power.js"),
    tune: () => import("./panels/tune.js"),
  };
  const tools = { preferences, words, link, hud, stop, panel, letGo: () => sender.letGo() };
  part(name, load[name], ({ make }) => make(tools)).then((dialog) => dialog?.open(options));
}

/** A QR code was scanned: its token is in the address, and leaves it at once. */
function invited() {
  const token = new URLSearchParams(location.hash.slice(1)).get("pair");
  if (!token) return;
  history.replaceState(null, "", location.pathname + location.search);
  panel("pair", { token });
}

/** The socket did not open; a browser does not say why, but the car does. */
async function askWhy() {
  try {
    const answer = await fetch("/api/v1/session");
    const session = await answer.json();
    if (!answer.ok || link.hello) return; // by now it is open
    byId("car").textContent ||= session.car;
    const moved = session.host && session.host !== location.host; // a proxy changed the Host, so the car refuses the socket
    hud.trouble = moved ? "proxy" : session.allowed ? "full" : "barred";
    if (!session.allowed && !moved) {
      link.rest();
      panel("pair", { session, again: version !== null });
    }
  } catch {
    hud.trouble = ""; // the car is not there at all
  }
  hud.show();
}

/** The car speaks another version than this page: get its page, as soon as nobody is in the middle of something. */
function renew() {
  const dialog = /** @type {HTMLDialogElement|null} */ (document.querySelector("dialog[open]"));
  if (!dialog && !sticks.held) return location.reload();
  hud.trouble = "outdated";
  dialog?.addEventListener("close", () => location.reload(), { once: true });
}

function isDriver() {
  return link.state?.you === "driver";
}

/** Send a message that carries the newest tick. */
function say(type, fields = {}) {
  if (link.state) link.say(type, { ...fields, tick: link.tick });
}

function stop() {
  sender.stop();
}

function giveUp() {
  sender.letGo();
  link.say("release");
}

/** @param {number} speed wanted, a share of max_speed */
function changeLimit(speed) {
  if (!isDriver()) return;
  const limit = Math.round(Math.max(FINE_STEP, Math.min(hud.cap, speed)) * 100) / 100;
  hud.expectLimit(limit);
  say("limit", { speed: limit });
  buzz("limit");
}

/** Shake the phone, where it can and a person has touched the page; else browsers complain. */
function buzz(why) {
  if (BUZZ_MS[why] && preferences.get("vibration") && navigator.userActivation?.hasBeenActive) {
    navigator.vibrate?.(BUZZ_MS[why]);
  }
}

/** Act when a finger comes up on the button: a browser makes no click of a second finger. */
function tap(id, act) {
  const button = byId(id);
  /** @type {number|null} */
  let pointer = null;
  let actedAt = -Infinity;
  button.addEventListener("pointerdown", (event) => (pointer = event.pointerId));
  button.addEventListener("pointerup", (event) => {
    const over = document.elementFromPoint(event.clientX, event.clientY);
    if (event.pointerId !== pointer || !button.contains(over)) return;
    pointer = null;
    actedAt = clock();
    act();
  });
  // Keyboard and screen readers; the click that follows a finger was already acted on.
  button.addEventListener("click", () => clock() - actedAt > 0.3 && act());
}
