/**
 * Tuning the car, step by step: which motor is which, which way it turns, when it begins to turn, and driving straight.
 *
 * The person looks and answers, `finding.js` makes numbers of it, the car follows them after each step. What is not asked
 * for again stays as it is.
 */

import { clock } from "../sticks.js";
import { TuneCar } from "../tune/car.js";
import { Balance, RISES, directions, minimum, riseTo } from "../tune/finding.js";
import { HoldButton, Jogger } from "../tune/jogger.js";
import { ask, tell } from "../tune/teller.js";
import { Dialog, byId, dress } from "./dialog.js";

const SIDES = /** @type {const} */ (["left", "right"]);
const STRAIGHT = 0.5;
const SHOW_MS = 60;
const MARKUP = `
<header><h2 id="tune-title" data-i18n="tune.title"></h2><button class="done" type="button" data-i18n="done"></button></header>
<button class="stop" type="button" data-i18n="stop"></button>
<div class="fields" tabindex="-1">
  <p id="tune-step" class="note"></p>
  <h3 id="tune-what" tabindex="-1"></h3>
  <div id="tune-look"><p id="tune-how"></p></div>
  <p id="tune-sim" class="note" role="status" hidden></p>
  <button id="tune-hold" class="wide" type="button"><span></span><b></b></button>
  <button id="tune-back" class="wide" type="button" data-i18n="tune.back"></button>
  <div id="tune-answers"></div>
  <p id="tune-told" role="status"></p>
  <div id="tune-end">
    <textarea id="tune-toml" readonly rows="6" spellcheck="false" data-i18n-label="tune.toml"></textarea>
    <a id="tune-save" class="wide" download="picar.toml" data-i18n="tune.save"></a>
    <button id="tune-reset" class="wide" type="button" data-i18n="tune.reset"></button>
  </div>
</div>`;

class Tune {
  #dialog;
  #tools;
  #jogger;
  #buttons;
  #car;
  #timer = 0;
  /** @type {any} */ #told = null;
  #step = "begin";
  /** @type {"left"|"right"} */ #side = "left";
  #seen = /** @type {any} */ ({});
  #began = { left: 0, right: 0 };
  #balance = new Balance();
  #held = false;
  #busy = false;
  #word = "";

  constructor(tools) {
    this.#tools = tools;
    const element = document.createElement("dialog");
    element.id = "tune";
    element.className = "sheet";
    element.setAttribute("aria-labelledby", "tune-title");
    element.innerHTML = MARKUP;
    document.body.append(element);
    tools.words.fill(element);
    this.#dialog = new Dialog("tune", tools);
    this.#jogger = new Jogger(tools.link);
    this.#jogger.onchange = () => this.#turned();
    const letGo = () => this.#jogger.letGo();
    this.#buttons = [
      new HoldButton(byId("tune-hold"), () => this.#hold(), letGo),
      new HoldButton(byId("tune-back"), () => this.#comeBack(), letGo),
    ];
    this.#car = new TuneCar(tools.words, byId("tune-sim"));
    byId("tune-look").append(this.#car.element);
    byId("tune-reset").addEventListener("click", () => this.#tell(null, "begin"));
    element.addEventListener("close", () => this.#closed());
    tools.words.listen(() => this.#show());
  }

  async open() {
    await dress("/static/tune.css");
    this.#told = await ask();
    this.#go("begin");
    await this.#dialog.show();
    this.#timer = setInterval(() => this.#watch(), SHOW_MS);
  }

  #closed() {
    this.#jogger.letGo();
    clearInterval(this.#timer);
  }

  #watch() {
    const { link } = this.#tools;
    this.#car.show(link.state, clock());
    byId("tune-hold").disabled = byId("tune-back").disabled = this.#busy || !this.#mayHold;
  }

  /** Somebody else's wheel is not taken away by a button here. */
  get #mayHold() {
    const state = this.#tools.link.state;
    return Boolean(state) && state.state !== "stopped" && (!state.driver || state.you === "driver");
  }

  #hold() {
    if (byId("tune-hold").disabled) return;
    this.#report("");
    this.#held = false;
    const rise = RISES[this.#step];
    const most = this.#tools.link.hello?.limits.jog_duty ?? 0;
    if (!rise) this.#car.mark();
    this.#jogger.hold(rise ? this.#side : null, rise ? (held_s) => riseTo(rise, held_s, most) : () => STRAIGHT);
  }

  /** Two metres are soon over; what is seen on the way back is no answer. */
  #comeBack() {
    if (byId("tune-back").disabled) return;
    this.#car.unmark();
    this.#jogger.hold(null, () => -STRAIGHT);
  }

  /** The button was held for a moment more, or let go of. */
  #turned() {
    if (!this.#jogger.holds) for (const button of this.#buttons) button.drop();
    if (this.#jogger.duty > 0) this.#held = true;
    this.#showPower();
    if (!this.#jogger.holds) this.#showAnswers();
  }

  #go(step, side = /** @type {"left"|"right"} */ ("left")) {
    this.#step = step;
    this.#side = side;
    this.#held = false;
    this.#car.unmark();
    this.#show();
    if (this.#dialog.element.open) byId("tune-what").focus();
  }

  /** What a person may answer in this step, in the order shown. @returns {[string, () => void][]} */
  get #answers() {
    if (this.#step === "begin") return [["begin", () => this.#go("which")]];
    if (this.#step === "which") {
      const ways = SIDES.flatMap((wheel) => [true, false].map((forward) => ({ wheel, forward })));
      const answers = ways.map((seen) => [`saw.${seen.wheel}${seen.forward ? "forward" : "back"}`, () => this.#saw(seen)]);
      return /** @type {any} */ ([...answers, ["saw.nothing", () => this.#report("nothing")]]);
    }
    if (this.#step === "least") return [["begins", () => this.#begins()]];
    if (this.#step === "straight") {
      return [
        ["drift.left", () => this.#drifts("left")],
        ["drift.none", () => this.#go("end")],
        ["drift.right", () => this.#drifts("right")],
      ];
    }
    return [["again", () => this.#go("begin")]];
  }

  #saw(seen) {
    this.#seen[this.#side] = seen;
    if (this.#side === "left") return this.#go("which", "right");
    const found = directions(this.#told.calibration, this.#seen);
    if (found) return this.#tell(found, "least");
    this.#go("which");
    return this.#report("same");
  }

  #begins() {
    this.#began[this.#side] = this.#jogger.duty;
    if (this.#side === "left") return this.#go("least", "right");
    this.#balance = new Balance();
    return this.#tell(minimum(this.#told.calibration, this.#began), "straight");
  }

  #drifts(side) {
    const found = this.#balance.correct(this.#told.calibration, side);
    return this.#tell(found, this.#balance.fine ? "end" : "straight");
  }

  /** Have the car follow, then go on; it stays at this step when the car does not. */
  async #tell(calibration, next) {
    this.#busy = true;
    this.#report("telling");
    this.#showAnswers();
    const told = await tell(this.#tools.link, calibration);
    this.#busy = false;
    if (!told) {
      this.#showAnswers();
      return this.#report("failed");
    }
    this.#told = told;
    this.#go(next);
    return this.#report(told.saved ? "told" : "unsaved");
  }

  #report(word) {
    this.#word = word;
    byId("tune-told").textContent = word && this.#tools.words.say(`tune.${word}`);
  }

  #show() {
    const { say } = this.#tools.words;
    const place = ["which", "least", "straight"].indexOf(this.#step);
    byId("tune-step").textContent = place < 0 ? "" : say("tune.step", { step: place + 1 });
    byId("tune-what").textContent = say(`tune.${this.#step}.title`);
    const origin = this.#step === "begin" && this.#told ? say("gap") + say(`tune.origin.${this.#told.origin}`) : "";
    byId("tune-how").textContent = say(`tune.${this.#step}.how`, { side: say(this.#side) }) + origin;
    byId("tune-hold").hidden = place < 0;
    byId("tune-back").hidden = this.#step !== "straight";
    byId("tune-hold").firstElementChild.textContent = say(this.#step === "straight" ? "tune.drive" : "tune.hold");
    this.#car.element.dataset.side = this.#step === "least" ? this.#side : "";
    byId("tune-end").hidden = this.#step !== "end" && !(this.#step === "begin" && this.#told?.origin === "page");
    byId("tune-toml").value = this.#told?.toml ?? "";
    byId("tune-save").href = `data:text/plain;charset=utf-8,${encodeURIComponent(this.#told?.toml ?? "")}`;
    this.#report(this.#told ? this.#word : "failed");
    this.#showPower();
    this.#showAnswers();
  }

  #showPower() {
    const jogs = this.#step in RISES && (this.#held || this.#jogger.holds);
    const percent = Math.round(this.#jogger.duty * 100);
    byId("tune-hold").lastElementChild.textContent = jogs ? this.#tools.words.say("tune.power", { percent }) : "";
  }

  /** Answers come after a look: what has not turned yet cannot have been seen. */
  #showAnswers() {
    const ready = this.#told && !this.#busy && (this.#held || this.#step === "begin" || this.#step === "end");
    const buttons = this.#answers.map(([key, act]) => {
      const button = document.createElement("button");
      button.type = "button";
      button.id = `tune-${key.replace(".", "-")}`;
      button.textContent = this.#tools.words.say(`tune.${key}`);
      button.disabled = !ready || this.#jogger.holds;
      button.addEventListener("click", act);
      return button;
    });
    byId("tune-answers").dataset.step = this.#step;
    byId("tune-answers").replaceChildren(...buttons);
  }
}

/** @param {any} tools of the page @returns {Tune} */
export const make = (tools) => new Tune(tools);
