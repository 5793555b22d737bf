/**
 * Builds the page by hand and wires it: link, sticks, inputs, HUD, view; and everything that lets go.
 *
 * The link and STOP are wired before the words are there: a slow dictionary must not delay them.
 * A new input is one more line here: it gets the sticks and nothing else.
 */

import { Hud } from "./hud.js";
import { Keys } from "./keys.js";
import { Link, socketAddress } from "./link.js";
import { Pad } from "./pads.js";
import { Sender, Sticks, clock } from "./sticks.js";

const LANGUAGES = ["en", "zh-CN"];
const byId = (id) => document.getElementById(id);

const dictionary = {};
/** @param {string} key @param {object} values for {names} @returns {string} in the user's language */
const words = (key, values = {}) =>
  (dictionary[key] ?? "").replace(/\{(\w+)\}/g, (_, name) => values[name]);

const sticks = new Sticks();
const link = new Link(socketAddress(location));
const sender = new Sender(link, sticks);
const hud = new Hud(link, sender, words);
let view = null;

link.onstate = (state) => {
  sender.heard();
  hud.show();
  if (link.hello.car.backend === "sim") draw(state);
};
link.onrefusal = (code) => {
  sender.refused(code);
  hud.refused(code);
};
link.onlost = () => {
  sender.letGo();
  hud.show();
  view?.then((shown) => shown?.forget());
};

new Pad(byId("throttle"), "throttle", sticks, words);
new Pad(byId("steering"), "steering", sticks, words);
new Keys(sticks, { stop, limit: changeLimit });

byId("stop").addEventListener("pointerdown", stop);
byId("stop").addEventListener("click", (event) => event.detail === 0 && stop()); // Enter, screen readers
tap("reset", () => (isDriver() ? say("reset") : say("take")));
tap("ask", () => (isDriver() ? giveUp() : say("take")));
tap("give", () => say("grant", { client: hud.request }));
tap("refuse", () => link.say("deny", { client: hud.request }));
tap("slower", () => changeLimit(-0.1));
tap("faster", () => changeLimit(0.1));

letGoOf(window, "blur", "pagehide");
letGoOf(document, "freeze");
letGoOf(screen.orientation, "change");
letGoOf(matchMedia("(orientation: portrait)"), "change");
document.addEventListener("visibilitychange", () => {
  if (document.hidden) sender.letGo();
  else link.wake();
});
for (const event of ["pointerup", "pointercancel", "keyup"]) addEventListener(event, () => sender.lifted());
for (const event of ["online", "pageshow"]) addEventListener(event, () => link.wake());
for (const event of ["contextmenu", "dblclick"]) addEventListener(event, (e) => e.preventDefault());

speak();

function letGoOf(target, ...events) {
  for (const event of events) target?.addEventListener?.(event, () => sender.letGo());
}

/** Only a simulated car loads the view from above. */
async function draw(state) {
  view ??= import("./simview.js").then(
    ({ SimView }) => new SimView(byId("sim"), byId("view"), words),
    () => (view = null), // the next state tries again
  );
  (await view)?.show(state);
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

/** @param {number} step of the speed limit, a share of max_speed */
function changeLimit(step) {
  if (!isDriver()) return;
  const speed = Math.round(Math.max(0.1, Math.min(1, hud.limit + step)) * 10) / 10;
  hud.expectLimit(speed);
  say("limit", { speed });
}

/** Act when a finger comes up on the button: a browser makes no click of a second finger. */
function tap(id, act) {
  const button = byId(id);
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

/** Get the words, trying again until they come. */
function speak() {
  translate().then(
    () => hud.show(),
    () => setTimeout(speak, 1000),
  );
}

/** Load the words of the first language the user reads, and fill the page in. */
async function translate() {
  const language = chooseLanguage(navigator.languages);
  const answer = await fetch(`/static/i18n/${language}.json`);
  Object.assign(dictionary, await answer.json());
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-i18n]")) {
    element.textContent = words(element.dataset.i18n);
  }
  for (const element of document.querySelectorAll("[data-i18n-label]")) {
    element.setAttribute("aria-label", words(element.dataset.i18nLabel));
  }
}

/** @param {readonly string[]} wanted best first @returns {string} one of LANGUAGES */
function chooseLanguage(wanted) {
  for (const tag of wanted) {
    const base = tag.toLowerCase().split("-")[0];
    const match = LANGUAGES.find((language) => language.split("-")[0] === base);
    if (match) return match;
  }
  return LANGUAGES[0];
}
