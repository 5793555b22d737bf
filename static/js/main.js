/**
 * Builds the page and connects its parts: link, inputs, HUD, session, and everything that releases the inputs.
 *
 * The link and STOP are connected before the words arrive: a slow dictionary must not delay them. Parts that not every
 * visit needs are in the list of shell.js and load on demand. A new input gets the sticks and nothing else.
 */

import { Link, socketAddress } from "./link.js";
import { Parts, Preferences, Session, Words, buzz, byId, press, surely, tap } from "./shell/shell.js";
import { Sender, Sticks, onLetGo } from "./sticks.js";

const FINE_STEP = 0.05;
const page = document.body.dataset;
const preferences = new Preferences(() => localStorage);
const words = new Words();
words.speak(preferences.get("language")); // first: the words arrive last
preferences.arrange(); // before this, STOP is not in its place
const sticks = new Sticks();
const link = new Link(socketAddress(location));
const sender = new Sender(link, sticks);
/** Say it when STOP could not be sent. */ let unsent = () => {};
const stop = () => (sender.stop() && page.link !== "gone") || unsent();
press(byId("stop"), stop);

// The head of the page preloads these modules, and the words and the link are under way: nothing waits for anything else.
const [{ GEARS, Hud }, { Keys, Pad }] = await Promise.all([
  surely(() => import("./hud/hud.js")),
  surely(() => import("./inputs/hands.js")),
]);
const hud = new Hud(link, sender, words, preferences);
const changeLimit = (speed) => hud.changeLimit(speed) && buzz("limit", preferences);
unsent = () => hud.note("lost.stop");
const releases = [() => sender.letGo()];
const letGo = () => releases.forEach((release) => release());
/** @type {((code: string) => void)[]} */ const refusals = [(code) => sender.refused(code), (code) => hud.refused(code)];
/** Record, or stop recording. */ const record = () => link.hello?.car.recording && parts.get("record").then((recorder) => recorder.toggle());
/** @type {import("./shell/shell.js").Tools} */
const tools = {
  ...{ preferences, words, link, sticks, hud, stop, letGo },
  note: (key, values) => hud.note(key, values),
  limit: (step) => link.drives && changeLimit(hud.limit + step),
  lifted: () => sender.lifted(),
  record: () => link.hello?.car.aux?.some(({ key }) => key.toLowerCase() === "r") || record(),
  driving: () => sender.driving,
  onLetGo: (release) => releases.push(release),
  onRefusal: (hear) => refusals.unshift(hear), // before the sender, which releases every input
  replay: (name) => parts.get("replay").then((replay) => replay.start(name)),
  open: (name, options) => parts.open(name, options),
};
const parts = new Parts(tools);
const session = new Session(tools);

link.onhello = (hello) => {
  hud.trouble = "";
  page.steers = hello.car.board.steers;
  session.welcome(hello);
  if (hello.car.aux || parts.had("aux")) parts.get("aux").then((aux) => aux.welcome(hello.car.aux ?? []));
};
link.onstate = async (state) => {
  if (state.state !== page.state) buzz(state.state, preferences);
  sender.heard();
  hud.show();
  parts.had("aux")?.then((aux) => aux.show());
  if (state.recording || parts.had("record")) parts.get("record").then((recorder) => recorder.show());
  if (link.hello.car.camera || parts.had("video")) parts.get("video").then((video) => video.watch());
  if (link.hello.car.range) parts.get("obstacle").then((obstacle) => obstacle.show());
  if (link.hello.car.backend === "sim") (await parts.get("sim")).show(state); // a real car has no view from above
};
link.onrefusal = (code) => refusals.forEach((hear) => hear(code));
link.onlost = (barred) => {
  letGo();
  hud.show();
  parts.had("sim")?.then((view) => view.forget());
  parts.had("video")?.then((video) => video.forget());
  parts.had("obstacle")?.then((obstacle) => obstacle.show());
  parts.had("aux")?.then((aux) => aux.show());
  parts.had("record")?.then((recorder) => recorder.show());
  if (barred) session.refused();
};

new Pad(byId("throttle"), ["throttle"], sticks, words);
new Pad(byId("steering"), ["steering"], sticks, words);
new Pad(byId("stick"), ["throttle", "steering"], sticks, words);
new Keys(sticks, tools);
addEventListener("gamepadconnected", () => parts.get("gamepad"));
sticks.listen(() => sticks.held && preferences.get("awake") && parts.get("wake").then((screen) => screen.hold()));

tap("reset", () => link.request("reset"));
byId("reset").addEventListener("keydown", (event) => event.repeat && event.preventDefault()); // a key held since before the stop
tap("ask", () => {
  const waiting = Boolean(link.state?.waiting);
  if (link.drives) letGo();
  hud.withdrawn = waiting;
  return link.drives || waiting ? link.say("release") : link.request("take");
});
tap("give", () => link.request("grant", { client: hud.request }));
tap("refuse", () => link.say("deny", { client: hud.request }));
tap("slower", () => changeLimit(hud.limit - FINE_STEP));
tap("faster", () => changeLimit(hud.limit + FINE_STEP));
GEARS.forEach((share, index) => tap(`gear${index + 1}`, () => changeLimit(share * hud.cap)));
tap("record", record);
tap("stay", () => link.request("stay_on"));
tap("retry", () => link.wake());
tap("reload", () => location.reload());
tap("menu", () => parts.open("settings"));
tap("hazard", () => parts.open("settings", { section: "health" }));
tap("enter", () => parts.open("pair"));
tap("anyway", () => parts.open("lift"));
tap("look", async () => {
  const video = await parts.had("video");
  if (!video?.look()) preferences.set("view", preferences.get("view") === "fit" ? "follow" : "fit");
});
tap("centre", () => parts.had("tilt")?.then((tilt) => tilt.centre()));

onLetGo(letGo);
for (const event of ["pointerup", "pointercancel", "keyup"]) addEventListener(event, () => sender.lifted());
document.addEventListener("visibilitychange", () => document.hidden || link.wake());
addEventListener("online", () => link.wake());
addEventListener("pageshow", ({ persisted }) => persisted && link.wake()); // not on the first load: the link is under way
for (const event of ["contextmenu", "dblclick"]) addEventListener(event, (e) => e.preventDefault());

matchMedia("(prefers-color-scheme: light)").addEventListener("change", dress);
preferences.listen((name) => {
  if (name === "language") words.speak(preferences.get("language"));
  else if (name === "view") dress();
  else if (!["limit", "scene", "quality"].includes(name)) {
    letGo(); // the others may change an input
    dress();
  }
});
// Once everything has arrived, including the words: hide the sentence of index.html about an incomplete page.
const complete = () => words.say("stop") && (document.documentElement.dataset.complete = "true");
words.listen(complete);
complete();
dress();

// The link may have reported something before these handlers were set.
if (link.hello) link.onhello(link.hello);
if (link.state) link.onstate(link.state);
else if (link.barred) session.refused();

/** Apply the preferences. */
function dress() {
  preferences.arrange();
  sticks.curve = { deadzone: preferences.get("deadzone"), expo: preferences.get("expo") };
  if (page.layout === "arrows") parts.get("arrows");
  if (page.layout === "tilt" || parts.had("tilt")) parts.get("tilt").then((tilt) => tilt.use(page.layout === "tilt"));
  parts.had("sim")?.then((view) => view.dress());
  hud.show();
}
