/**
 * Builds the garage page: STOP ALL, the lesson of all cars, filters and cards. docs/classroom.md describes it.
 *
 * Laws: STOP ALL is sent in the handler of its pointerdown or of Space, before anything is drawn. What the page says about
 * stopped cars comes from the garage's answers only. Everything is drawn at most once a frame.
 */

import { PREFERENCES, Parts, Preferences, Session, Words, attribute, byId, hide, press, text, write } from "../shell/shell.js";
import { Cards, arrange } from "./cards.js";
import { adoption, invitation } from "./dialogs.js";
import { GarageLink } from "./link.js";
import { FILTERS, lineOf, missingOf, nameOf, order } from "./rules.js";

const LATE_MS = 1000; // STOP ALL without an answer of the garage is reported after this time
const NOTE_MS = 6000;
const SETTLE_MS = 3000; // after a change of the cap, until which lessons may be on their way
const preferences = new Preferences(() => localStorage);
const words = new Words("garage");
const { say } = words;
const link = new GarageLink();
/** @type {Map<string, import("./rules.js").Car>} by id */ const cars = new Map();
/** What else the garage's messages say. @type {any} */ const garage = { garage: "", own: {}, lesson: null, teacher: false };
/** The newest STOP ALL: its answer; when this page sent it, in ms (false if it could not); the lesson before it. @type {any} */
let round = { answer: null, at: null, seq: -1, over: false };
let filter = "all";
let [frame, noted, seq, touched] = [0, 0, -1, -Infinity]; // request of a frame, timer of the note, lesson in the controls, time of a change of the cap

/** Send STOP ALL now. */
function stop() {
  const at = link.say("stop") && performance.now();
  round = { answer: null, at, seq: garage.lesson?.seq ?? -1 };
  setTimeout(redraw, LATE_MS);
  redraw();
}

function redraw() {
  frame ||= requestAnimationFrame(draw);
}

const hud = { trouble: "", show: redraw };
const note = (key, values) => {
  text("note", say(key, values) || values.message);
  clearTimeout(noted);
  noted = setTimeout(() => text("note", ""), NOTE_MS);
};
const tools = /** @type {any} */ ({
  ...{ preferences, words, link, hud, stop, note, sticks: { held: false }, letGo: () => {} },
  open: (name, options) => parts.open(name, options),
});
const parts = new Parts(tools);
press(byId("stop-all"), stop);
words.speak(preferences.get("language"));
preferences.arrange();
const adopt = adoption(tools);
const invite = invitation(tools);
const session = new Session(tools);
const cards = new Cards(words, {
  code: (id) => invite(cars.get(id)),
  adopt,
  hold: (id) => teach(garage.own[id]?.mode === "hold" ? "drive" : "hold", { cap: 1, text: "", ...garage.own[id], car: id }),
});

link.onmessage = ({ type, cars: changed, ...message }) => {
  redraw();
  if (type === "error") return note(`garage.problem.${message.code}`, message);
  if (type === "answer") {
    if (round.over || message.after_s < round.answer?.after_s) round = { at: null, seq: garage.lesson.seq }; // another one
    return void (round.answer = message);
  }
  if (type === "cars") {
    hud.trouble = "";
    cars.clear();
    const isKnown = round.over && message.round?.after_s === round.answer.after_s;
    if (!isKnown) round = { answer: message.round, at: null, seq: -1 };
  }
  Object.assign(garage, message);
  for (const [id, change] of type === "cars" ? changed.map((car) => [car.id, car]) : Object.entries(changed ?? {})) {
    if (change) cars.set(id, { ...cars.get(id), ...change });
    else cars.delete(id);
  }
};
link.onlost = (refused) => {
  redraw();
  if (refused) session.refused();
};

/**
 * @param {string} [mode] default as it is at the garage, where another teacher may change it at this moment
 * @param {object} lesson for one car; for all cars it is in the controls
 */
function teach(mode, lesson = { cap: byId("lesson-cap").value / 100, text: byId("lesson-text").value.trim() }) {
  const { cap, text, car } = /** @type {any} */ (lesson);
  link.say("lesson", { mode, cap, text, car });
}

const clicks = { "add-car": () => adopt(""), "add-phone": () => parts.open("invite") };
for (const id of ["enter", "enter-pin"]) clicks[id] = () => parts.open("pair");
for (const mode of ["drive", "hold"]) clicks[`mode-${mode}`] = () => teach(mode);
for (const name of Object.keys(FILTERS)) clicks[`filter-${name}`] = () => {
  filter = name;
  redraw();
};
for (const [id, act] of Object.entries(clicks)) byId(id).addEventListener("click", act);
for (const id of ["lesson-cap", "lesson-text"]) byId(id).addEventListener("change", () => teach());
byId("lesson-cap").addEventListener("input", () => {
  touched = performance.now();
  setTimeout(redraw, SETTLE_MS);
  showCap();
});
for (const name of ["theme", "language"]) {
  const select = byId(name);
  select.innerHTML = PREFERENCES[name].map((value) => `<option value="${value}" data-i18n="${name}.${value}"></option>`).join("");
  select.value = preferences.get(name);
  select.addEventListener("change", () => preferences.set(name, select.value));
}
preferences.listen((name) => (name === "language" ? words.speak(preferences.get(name)) : preferences.arrange()));
matchMedia("(prefers-color-scheme: light)").addEventListener("change", () => preferences.arrange());
words.listen(redraw);

/** Space is STOP ALL wherever the focus is, except in a text field; Escape leaves the field. */
const isSpace = ({ code, key, target }) => (code === "Space" || key === " ") && !target.matches?.(":read-write");
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && event.target === byId("lesson-text")) byId("lesson-text").blur();
  if (!isSpace(event)) return;
  event.preventDefault();
  if (!event.repeat) stop();
}, true);
addEventListener("keyup", (event) => isSpace(event) && event.preventDefault(), true); // Firefox would press the button
for (const event of ["scroll", "resize"]) addEventListener(event, redraw, { passive: true });
addEventListener("online", () => link.hello || link.wake());
link.wake();
draw();

function showCap() {
  text("cap-shown", garage.lesson ? say("garage.percent", { percent: byId("lesson-cap").value }) : "");
}

function draw() {
  frame = 0;
  if (say("stop")) document.documentElement.dataset.complete = "true"; // its words have arrived
  showLink();
  showRound();
  showLesson();
  const all = [...cars.values()].sort(order);
  for (const [name, takes] of Object.entries(FILTERS)) {
    text(`filter-${name}`, say(`garage.filter.${name}`, { n: all.filter(takes).length }));
    attribute(byId(`filter-${name}`), "aria-pressed", String(filter === name));
  }
  text("empty", link.hello && !all.length ? say(garage.mdns ? "garage.empty" : "garage.unsearched") : "");
  cards.show(all.filter(FILTERS[filter]), garage);
}

function showLink() {
  const lost = !link.hello;
  const { trouble } = hud;
  attribute(document.body, "data-link", lost ? "gone" : "good");
  hide("lost", !lost);
  text("lost-title", lost ? say(trouble ? `state.${trouble}` : "garage.lost", { name: garage.garage }) || say("garage.refused") : "");
  text("lost-why", lost ? say(trouble ? `why.${trouble}` : "garage.lost.why") : "");
  hide("enter", trouble !== "barred");
  text("mute", lost ? say("garage.mute") : "");
  if (garage.garage) text("car", (document.title = garage.garage));
  text("trouble", garage.broker === "live" ? "" : (garage.broker ?? ""));
}

/** The line after STOP ALL. It is over when all have stopped and the cars may drive again. Its place stays. */
function showRound() {
  const { answer, at, seq: before } = round;
  const { mode, seq: newest } = garage.lesson ?? {};
  round.over ||= answer?.missing.length === 0 && mode === "drive" && newest > before;
  const rests = round.over || (!answer && at === null);
  hide("round", rests && !link.hello);
  attribute(byId("round"), "data-rests", String(rests));
  attribute(byId("round"), "data-done", String(!rests && answer?.of > 0 && answer.stopped === answer.of));
  const waiting = at === false ? "garage.stop.unsent" : performance.now() - at < LATE_MS ? "garage.stop.sent" : "garage.stop.late";
  text("round-line", rests ? say("garage.idle") : answer ? lineOf(answer, say) : say(waiting));
  const shown = new Map([...byId("missing").children].map((item) => [item.dataset.id, item]));
  arrange(byId("missing"), ((!rests && answer?.missing) || []).map((id) => {
    const item = shown.get(id) ?? missed(id);
    write(item.firstElementChild, missingOf(id, cars.get(id), say));
    attribute(item.lastElementChild, "aria-label", say("garage.dismiss", { name: nameOf(cars.get(id) ?? { id }) }));
    item.lastElementChild.disabled = !garage.teacher;
    return item;
  }));
}

/** @param {string} id of a car that was not heard @returns {HTMLElement} its item, with a button that dismisses it */
function missed(id) {
  const item = document.createElement("li");
  item.innerHTML = '<span></span><button type="button">✕</button>';
  item.dataset.id = id;
  item.lastElementChild?.addEventListener("click", () => link.say("dismiss", { car: id }));
  return item;
}

/** The lesson in force. The controls keep what is typed until the garage sends a newer one. */
function showLesson() {
  const { lesson, teacher } = garage;
  for (const id of ["mode-drive", "mode-hold", "lesson-text", "lesson-cap", "add-car"]) byId(id).disabled = !teacher || !link.hello;
  hide("pupil", teacher || !link.hello);
  for (const mode of ["drive", "hold"]) attribute(byId(`mode-${mode}`), "aria-pressed", String(lesson?.mode === mode));
  const isBusy = performance.now() - touched < SETTLE_MS || byId("lesson-cap").matches(":active");
  if (lesson && lesson.seq !== seq && !isBusy) {
    seq = lesson.seq;
    byId("lesson-cap").value = Math.round(lesson.cap * 100);
    if (document.activeElement !== byId("lesson-text")) byId("lesson-text").value = lesson.text;
  }
  showCap();
}
