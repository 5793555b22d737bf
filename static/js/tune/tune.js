/**
 * Tuning the car, step by step: which motor is which, which way it turns, when it begins to turn, and driving straight.
 *
 * The person watches the car and answers; `finding.js` computes a calibration from the answers, and the car adopts it
 * after each step. Values of steps that are left out stay unchanged.
 */

import { Dialog, byId, dress } from "../panels/dialog.js";
import { clock } from "../sticks.js";
import { Balance, CAR, RISES, TuneCar, directions, minimum, riseTo } from "./finding.js";
import { Jogger, calibrate, holdable, readCalibration } from "./jogger.js";

const SIDES = /** @type {const} */ (["left", "right"]);
const STRAIGHT = 0.5;
const SHOW_MS = 60;
const FIELDS = `<div class="fields" tabindex="-1">
  <p id="tune-step" class="note"></p>
  <h3 id="tune-what" tabindex="-1"></h3>
  <div id="tune-look"><p id="tune-how"></p>${CAR}</div>
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

export default class Tune {
  #dialog;
  #tools;
  #jogger;
  #drops;
  #car;
  #timer = 0;
  /** @type {any} */ #known = null;
  #step = "begin";
  /** @type {"left"|"right"} */ #side = "left";
  #seen = /** @type {any} */ ({});
  #began = { left: 0, right: 0 };
  #balance = new Balance();
  #held = false;
  #busy = false;
  #word = "";

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
    ];
    this.#car = new TuneCar(tools.words);
    byId("tune-reset").addEventListener("click", () => this.#calibrate(null, "begin"));
    this.#dialog.element.addEventListener("close", () => this.#closed());
    tools.words.listen(() => this.#show());
  }

  async open() {
    await dress("/static/tune.css");
    this.#known = await readCalibration();
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

  /** The buttons are disabled while another client has the wheel. */
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

  /** Drive back, because two metres are soon over. The way back is not observed. */
  #comeBack() {
    if (byId("tune-back").disabled) return;
    this.#car.unmark();
    this.#jogger.hold(null, () => -STRAIGHT);
  }

  /** Show the progress of a press, and its end. */
  #turned() {
    if (!this.#jogger.holds) for (const drop of this.#drops) drop();
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

  /** The answers that this step offers, in the order shown. @returns {[string, () => void][]} */
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
    const found = directions(this.#known.calibration, this.#seen);
    if (found) return this.#calibrate(found, "least");
    this.#go("which");
    return this.#report("same");
  }

  #begins() {
    this.#began[this.#side] = this.#jogger.duty;
    if (this.#side === "left") return this.#go("least", "right");
    this.#balance = new Balance();
    return this.#calibrate(minimum(this.#known.calibration, this.#began), "straight");
  }

  #drifts(side) {
    const found = this.#balance.correct(this.#known.calibration, side);
    return this.#calibrate(found, this.#balance.fine ? "end" : "straight");
  }

  /** Send a calibration and go to the next step once the car has adopted it; else stay at this step. */
  async #calibrate(calibration, next) {
    this.#busy = true;
    this.#report("telling");
    this.#showAnswers();
    const known = await calibrate(this.#tools.link, calibration);
    this.#busy = false;
    if (!known) {
      this.#showAnswers();
      return this.#report("failed");
    }
    this.#known = known;
    this.#go(next);
    return this.#report(known.saved ? "told" : "unsaved");
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
    const origin = this.#step === "begin" && this.#known ? say("gap") + say(`tune.origin.${this.#known.origin}`) : "";
    byId("tune-how").textContent = say(`tune.${this.#step}.how`, { side: say(this.#side) }) + origin;
    byId("tune-hold").hidden = place < 0;
    byId("tune-back").hidden = this.#step !== "straight";
    byId("tune-hold").firstElementChild.textContent = say(this.#step === "straight" ? "tune.drive" : "tune.hold");
    byId("tune-car").dataset.side = this.#step === "least" ? this.#side : "";
    byId("tune-end").hidden = this.#step !== "end" && !(this.#step === "begin" && this.#known?.origin === "page");
    byId("tune-toml").value = this.#known?.toml ?? "";
    byId("tune-save").href = `data:text/plain;charset=utf-8,${encodeURIComponent(this.#known?.toml ?? "")}`;
    this.#report(this.#known ? this.#word : "failed");
    this.#showPower();
    this.#showAnswers();
  }

  #showPower() {
    const jogs = this.#step in RISES && (this.#held || this.#jogger.holds);
    const percent = Math.round(this.#jogger.duty * 100);
    byId("tune-hold").lastElementChild.textContent = jogs ? this.#tools.words.say("tune.power", { percent }) : "";
  }

  /** The answers are disabled until a motor has turned. */
  #showAnswers() {
    const ready = this.#known && !this.#busy && (this.#held || this.#step === "begin" || this.#step === "end");
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
