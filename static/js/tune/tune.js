/**
 * Tuning the car, step by step: which motor is which, which way it turns, when it begins to turn, and driving straight; the
 * middle and the ends of a steering servo, and the neutral pulse of an ESC.
 *
 * The person watches the car and answers; `finding.js` computes a calibration from the answers, and the car adopts it
 * after each step. Values of steps that are left out stay unchanged. While a button is disabled, the line below the
 * buttons says why, and a button beside it helps.
 */

import { Dialog, byId } from "../panels/dialog.js";
import { dress, tap, write } from "../shell/shell.js";
import { clock } from "../sticks.js";
import { Balance, CAR, PULSES, RISES, TuneCar, directions, exchanged, hindrance, minimum, mirrored, motorsOf, nudged, resultOf, riseTo, steers } from "./finding.js";
import { Jogger, calibrate, holdable, pause, readCalibration } from "./jogger.js";

const STEPS = ["neutral", "which", "center", "left", "right", "least", "straight", "end"];
const STRAIGHT = 0.5;
/** A button that adjusts a pulse repeats after the first time; a click of a screen reader lasts for the second. */
const [REPEAT_AFTER_MS, NUDGE_S] = [600, 0.5];
const SHOW_MS = 60;
const FIELDS = `<div class="fields" tabindex="-1">
  <div id="tune-steps"><p id="tune-step" class="note"></p>${"<i></i>".repeat(STEPS.length)}</div>
  <h3 id="tune-what" tabindex="-1"></h3>
  <div id="tune-look"><div><p id="tune-how"></p><p id="tune-result"></p></div>${CAR}</div>
  <p id="tune-sim" class="note" role="status" hidden></p>
  <div id="tune-hands"><button id="tune-hold" type="button"><span></span><b></b><i></i></button>
    <button id="tune-back" type="button" data-i18n="tune.back"></button>
    <div id="tune-pulse"><button id="tune-less" type="button"></button><b id="tune-us" role="status"></b><button id="tune-more" type="button"></button></div></div>
  <div id="tune-status"><p id="tune-told" role="status"></p><button id="tune-fix" type="button" hidden></button></div>
  <div id="tune-answers"></div>
  <div id="tune-end">
    <details><summary data-i18n="tune.toml"></summary>
      <textarea id="tune-toml" readonly rows="6" spellcheck="false" data-i18n-label="tune.toml"></textarea>
      <a id="tune-save" class="wide" download="picar.toml" data-i18n="tune.save"></a></details>
    <button id="tune-reset" type="button" data-i18n="tune.reset"></button>
    <div id="tune-sure" role="group" aria-labelledby="tune-ask"><p id="tune-ask" data-i18n="tune.sure"></p>
      <button id="tune-keep" type="button" data-i18n="tune.keep"></button>
      <button id="tune-discard" type="button" data-i18n="tune.discard"></button></div>
  </div>
</div>`;

export default class Tune {
  #dialog;
  #tools;
  #jogger;
  #drops;
  #car;
  /** @type {any} */ #known = null;
  #step = "begin";
  #motor = "";
  #seen = /** @type {any} */ ({});
  #began = /** @type {Record<string, number>} */ ({});
  #balance = new Balance();
  /** The newest pulse of a person, until the car follows it. @type {any} */ #wanted = null;
  /** @type {Promise<void>|null} */ #adopting = null;
  /** Number of presses that have ended. */ #ends = 0;
  #held = false;
  #busy = false;
  #word = "";
  #values = {};
  #hindrance = hindrance(null, false);

  /** @param {import("../shell/shell.js").Tools} tools */
  constructor(tools) {
    this.#tools = tools;
    this.#dialog = new Dialog("tune", tools, FIELDS);
    this.#jogger = new Jogger(tools.link);
    tools.onLetGo(() => this.#jogger.letGo());
    this.#jogger.onchange = () => this.#turned();
    const letGo = () => this.#jogger.letGo();
    this.#drops = [
      holdable(byId("tune-hold"), () => this.#hold(), letGo),
      holdable(byId("tune-back"), () => this.#comeBack(), letGo),
      holdable(byId("tune-less"), () => this.#nudge(-1), letGo, NUDGE_S),
      holdable(byId("tune-more"), () => this.#nudge(1), letGo, NUDGE_S),
    ];
    this.#car = new TuneCar(tools.words);
    tap("tune-fix", () => this.#fix());
    byId("tune-reset").addEventListener("click", () => this.#ask(true));
    byId("tune-keep").addEventListener("click", () => this.#ask(false));
    byId("tune-discard").addEventListener("click", () => this.#calibrate(null, "begin"));
    this.#dialog.element.addEventListener("close", () => this.#jogger.letGo());
    tools.words.listen(() => this.#show());
    setInterval(() => this.#dialog.element.open && this.#watch(), SHOW_MS);
  }

  async open() {
    await dress("/static/tune.css");
    this.#known = await readCalibration();
    this.#go("begin");
    await this.#dialog.show();
    this.#watch();
    while (!this.#known && this.#dialog.element.open) {
      await pause();
      this.#known = await readCalibration();
      this.#show();
    }
  }

  #watch() {
    const { link } = this.#tools;
    this.#car.show(link.state, clock());
    this.#hindrance = hindrance(this.#known && !link.weak(clock(), false) ? link.state : null, this.#busy);
    this.#enable();
  }

  #hold() {
    if (byId("tune-hold").disabled) return;
    this.#report("");
    if (this.#step in PULSES) return this.#jogger.hold("", () => 0, PULSES[this.#step].steering);
    this.#held = false;
    const rise = RISES[this.#step];
    const most = this.#tools.link.hello?.limits.jog_duty ?? 0;
    if (!rise) this.#car.mark();
    this.#jogger.hold(rise ? this.#motor : "", rise ? (held_s) => riseTo(rise, held_s, most) : () => STRAIGHT);
  }

  #fix() {
    const { fix } = this.#hindrance;
    this.#tools.hud.withdrawn = fix === "ask.waiting";
    return fix === "ask.waiting" ? this.#tools.link.say("release") : this.#tools.link.request(fix === "reset" ? "reset" : "take");
  }

  /** Adjust a pulse, again and again while the button is held: a change waits until the car follows the one before. */
  async #nudge(way) {
    if (byId("tune-more").disabled) return;
    const [ends, waited] = [this.#ends, pause(REPEAT_AFTER_MS)];
    this.#hold();
    do {
      this.#wanted = nudged(this.#pulses, this.#step, way);
      this.#showPower();
      await Promise.all([(this.#adopting ??= this.#adopt()), waited]);
    } while (this.#jogger.holds && ends === this.#ends);
  }

  /** Have the car follow the newest pulse. */
  async #adopt() {
    let [wanted, known] = /** @type {any[]} */ ([]);
    do {
      wanted = this.#wanted;
      known = await calibrate(this.#tools.link, wanted);
    } while (known && wanted !== this.#wanted);
    this.#wanted = this.#adopting = null;
    this.#settle(known);
    this.#showPower();
  }

  #settle(known) {
    this.#known = known ?? this.#known;
    this.#report(!known ? "failed" : known.saved ? "told" : "unsaved");
  }

  /** The calibration, with a pulse that the car may not follow yet. */
  get #pulses() {
    return this.#wanted ?? this.#known?.calibration ?? {};
  }

  /** Drive back, because two metres are soon over. The way back is not observed. */
  #comeBack() {
    if (byId("tune-back").disabled) return;
    this.#car.unmark();
    this.#jogger.hold("", () => -STRAIGHT);
  }

  /** Show the progress of a press, and its end. */
  #turned() {
    this.#ends += Number(!this.#jogger.holds);
    if (!this.#jogger.holds) for (const drop of this.#drops) drop();
    if (this.#jogger.duty > 0) this.#held = true;
    this.#showPower();
    this.#enable();
  }

  get #motors() {
    return motorsOf(this.#known?.calibration ?? {});
  }

  /** The steps of this car: one with steering has no sides to compare. */
  get #steps() {
    return STEPS.filter((step) => (step in PULSES ? PULSES[step].name in this.#pulses : step !== "straight" || !steers(this.#motors)));
  }

  get #next() {
    return this.#steps[this.#steps.indexOf(this.#step) + 1];
  }

  /** The motors that this step turns, one after the other. A steering needs no minimum duty: a spring centres it. */
  get #turns() {
    return this.#step === "least" && steers(this.#motors) ? ["drive"] : this.#motors;
  }

  #go(step, motor = this.#motors[0] ?? "") {
    this.#step = step;
    this.#motor = motor;
    this.#held = false;
    this.#jogger.duty = 0;
    this.#car.unmark();
    this.#show();
    if (this.#dialog.element.open) byId("tune-what").focus();
  }

  /** Go on to the next motor of this step. @returns {boolean} false after the last one */
  #goOn() {
    const next = this.#turns[this.#turns.indexOf(this.#motor) + 1];
    if (next) this.#go(this.#step, next);
    return Boolean(next);
  }

  /** The answers that this step offers, in the order shown: wheels as on the car. @returns {[string, () => void, string?][]} */
  get #answers() {
    const motors = this.#motors;
    const half = Math.ceil(motors.length / 2);
    const pairs = motors.slice(0, half).map((motor, place) => [motor, ...motors.slice(half).slice(place, place + 1)]);
    const next = () => (this.#go(this.#next), this.#report(""));
    const turned = () => this.#calibrate(mirrored(this.#pulses), this.#step);
    const ways = pairs.flatMap((pair) => ["forward", "back"].flatMap((way) => pair.map((wheel) => ({ wheel, way }))));
    return {
      begin: [["begin", next]],
      neutral: [["neutral.good", next]],
      center: [["center.good", next]],
      left: [["left.good", next], ["mirrored", turned]],
      right: [["right.good", next], ["mirrored", turned]],
      which: [
        ...ways.map(({ wheel, way }) => [
          `saw.${wheel}${way}`,
          () => this.#saw({ wheel, forward: way === "forward" }),
          this.#tools.words.say(wheel === "steer" ? `tune.saw.steer.${way}` : "tune.saw", { wheel: this.#name(wheel), way: this.#tools.words.say(`tune.way.${way}`) }),
        ]),
        ["saw.nothing", () => this.#report("nothing")],
      ],
      least: [["begins", () => this.#begins()]],
      straight: [
        ["drift.left", () => this.#drifts("left")],
        ["drift.none", () => this.#go("end")],
        ["drift.right", () => this.#drifts("right")],
      ],
      end: [["again", () => this.#go("begin")]],
    }[this.#step];
  }

  #saw(seen) {
    this.#seen[this.#motor] = seen;
    if ("esc_start_us" in this.#pulses) return seen.forward ? this.#go(this.#next) : this.#report("wires"); // it drives backwards only at times
    if (this.#goOn()) return undefined;
    const found = directions(this.#known.calibration, this.#seen);
    if (found) return this.#calibrate(found, this.#next);
    this.#go("which");
    const [one, other] = exchanged(this.#known.calibration, this.#seen) ?? [];
    return one ? this.#report("exchange", { one, other }) : this.#report("same");
  }

  #begins() {
    this.#began[this.#motor] = this.#jogger.duty;
    if (this.#goOn()) return undefined;
    this.#balance = new Balance();
    const full_us = this.#tools.link.hello?.limits.esc_full_us;
    return this.#calibrate(minimum(this.#known.calibration, this.#began, full_us), this.#next);
  }

  #drifts(side) {
    const found = this.#balance.correct(this.#known.calibration, side);
    return this.#calibrate(found, this.#balance.fine ? "end" : "straight");
  }

  /** Ask before the values are discarded, or stop asking. */
  #ask(asks) {
    byId("tune-sure").hidden = !asks;
    byId("tune-reset").hidden = asks;
    byId(asks ? "tune-keep" : "tune-reset").focus();
  }

  /** Send a calibration and go to the next step once the car has adopted it; else stay at this step. */
  async #calibrate(calibration, next) {
    this.#busy = true;
    this.#watch();
    const known = await calibrate(this.#tools.link, calibration);
    this.#busy = false;
    this.#settle(known);
    if (known) this.#go(next);
    this.#watch();
  }

  #report(word, values = {}) {
    this.#word = word;
    this.#values = values;
    this.#enable();
  }

  #show() {
    const { say } = this.#tools.words;
    const here = this.#step === "begin" && this.#known?.origin === "page";
    const one = this.#step === "which" && this.#motors.length === 1;
    const pulse = PULSES[this.#step];
    byId("tune-what").textContent = say(one ? "tune.which.one" : `tune.${this.#step}.title`);
    const origin = this.#step === "begin" && this.#known ? say("gap") + say(`tune.origin.${this.#known.origin}`) : "";
    byId("tune-how").textContent = say(one ? "tune.which.one.how" : `tune.${this.#step}.how`, { side: this.#name(this.#motor) }) + origin;
    byId("tune-hands").hidden = this.#step === "begin" || this.#step === "end";
    byId("tune-hold").hidden = this.#step === "neutral";
    byId("tune-back").hidden = this.#step !== "straight";
    byId("tune-hold").firstElementChild.textContent = say(pulse ? "tune.steer" : this.#step === "straight" ? "tune.drive" : "tune.hold");
    byId("tune-pulse").hidden = !pulse;
    for (const way of pulse ? ["less", "more"] : []) byId(`tune-${way}`).textContent = say(`tune.${this.#step}.${way}`);
    this.#car.light(this.#step === "least" ? this.#motor : pulse && this.#step !== "neutral" ? "steer" : "");
    byId("tune-car").style.setProperty("--steering", pulse?.steering ?? 0);
    byId("tune-result").hidden = byId("tune-end").hidden = this.#step !== "end" && !here;
    byId("tune-result").textContent = this.#result;
    byId("tune-toml").value = this.#known?.toml ?? "";
    byId("tune-save").href = `data:text/plain;charset=utf-8,${encodeURIComponent(this.#known?.toml ?? "")}`;
    byId("tune-sure").hidden = true;
    byId("tune-reset").hidden = false;
    this.#showStep();
    this.#showPower();
    this.#showAnswers();
  }

  /** @returns {string} a motor, or a side, in words */
  #name(motor) {
    const { say } = this.#tools.words;
    return say(`motor.${motor}`) || say(motor);
  }

  /** The calibration in words, a line for each fact. */
  get #result() {
    const { say } = this.#tools.words;
    const facts = this.#known ? resultOf(this.#known.calibration) : [];
    return facts.map(({ key, side = "", ...values }) => say(`tune.result.${key}`, { side: this.#name(side), ...values })).join("\n");
  }

  #showStep() {
    const [steps, motors] = [this.#steps, this.#step in RISES ? this.#turns : [this.#motor]];
    const place = steps.indexOf(this.#step);
    const motor = motors.indexOf(this.#motor) + 1;
    const key = motors.length > 1 ? "tune.step.motor" : "tune.step";
    const done = place + motor / motors.length;
    byId("tune-steps").hidden = place < 0;
    byId("tune-step").textContent = this.#tools.words.say(key, { step: place + 1, steps: steps.length, motor, motors: motors.length });
    [...byId("tune-steps").querySelectorAll("i")].forEach((part, index) => {
      part.hidden = index >= steps.length;
      part.style.setProperty("--done", `${done - index}`);
    });
  }

  #showPower() {
    const percent = Math.round(this.#jogger.duty * 100);
    const [, number, bar] = byId("tune-hold").children;
    bar.hidden = !(this.#step in RISES);
    bar.style.setProperty("--power", `${percent}%`);
    number.textContent = this.#step in RISES ? this.#tools.words.say("tune.power", { percent }) : "";
    write(byId("tune-us"), this.#tools.words.say("tune.us", { us: this.#pulses[PULSES[this.#step]?.name] }));
  }

  #showAnswers() {
    const buttons = this.#answers.map(([key, act, label]) => {
      const button = document.createElement("button");
      button.type = "button";
      button.id = `tune-${key.replace(".", "-")}`;
      button.textContent = label ?? this.#tools.words.say(`tune.${key}`);
      button.addEventListener("click", act);
      return button;
    });
    byId("tune-answers").dataset.step = this.#step;
    byId("tune-answers").dataset.motors = `${this.#motors.length}`;
    byId("tune-answers").replaceChildren(...buttons);
    this.#enable();
  }

  /** Enable what may be pressed now, and say why the rest may not. The answers wait until a motor has turned. */
  #enable() {
    const { why } = this.#hindrance;
    const holds = this.#jogger.holds;
    const free = byId("tune-hands").hidden || this.#step in PULSES; // an answer needs no press before
    const asks = holds || (free ? !this.#known || this.#busy || this.#adopting !== null : Boolean(why) || !this.#held);
    // Not while it is held: a disabled button may miss the end of the press.
    for (const name of ["hold", "back", "less", "more"]) byId(`tune-${name}`).disabled = Boolean(why) && !holds;
    byId("tune-reset").disabled = byId("tune-discard").disabled = Boolean(why);
    for (const answer of byId("tune-answers").children) answer.disabled = asks;
    this.#showStatus(why, !why && !holds && !free && asks);
  }

  #showStatus(why, first) {
    const { hud, link, words } = this.#tools;
    const key = why || this.#word;
    const texts = [key && words.say(`tune.${key}`, { client: hud.name(link.state?.driver), ...this.#values }), first && words.say("tune.first")];
    const text = texts.filter(Boolean).join(words.say("gap"));
    write(byId("tune-told"), text);
    const button = byId("tune-fix");
    const fix = this.#hindrance.fix === "reset" && !hud.mayReset ? "" : this.#hindrance.fix;
    const focused = document.activeElement === button;
    button.hidden = !fix;
    write(button, words.say(fix));
    if (focused && !fix) byId("tune-hold").focus();
  }
}
