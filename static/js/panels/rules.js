/**
 * The rules of the car, in its section of the settings: taking turns, and the owner's speed cap. The car stores them.
 */

import { timeOf } from "../hud/hud.js";
import { clock } from "../sticks.js";
import { byId, choice, digitsOf, percent, post, whyNot } from "./dialog.js";

const TURNS_S = [0, 60, 120, 300];
/** A new length of the turns is shown for this long before the car must have confirmed it. */
const TURN_EXPECTED_S = 1;

export const RULES = `
  ${choice("turn", TURNS_S)}
  <p id="turn-note" class="note"></p>
  <form id="cap-form" novalidate>
    <label class="row"><span data-i18n="cap.title"></span><output></output>
      <input id="cap-speed" type="range" aria-describedby="cap-note" min="0.1" max="1" step="0.05"></label>
    <p id="cap-note" class="note"></p>
    <label id="cap-lock" class="row" hidden><span data-i18n="cap.pin"></span>
      <input id="cap-pin" inputmode="numeric" autocomplete="off" maxlength="40" size="6"></label>
    <p id="cap-answer" class="note" role="status"></p>
    <button id="cap-save" class="wide" data-i18n="cap.save" hidden></button>
  </form>`;

export class Rules {
  #tools;
  #turn = { for_s: 0, at: -Infinity };
  #capMoved = false;

  /** @param {import("../shell/shell.js").Tools} tools */
  constructor(tools) {
    this.#tools = tools;
    byId("choice-turn").setAttribute("aria-describedby", "turn-note");
    byId("choice-turn").addEventListener("input", ({ target }) => this.#setTurn(Number(target.value)));
    byId("cap-speed").addEventListener("input", () => this.#moveCap());
    byId("cap-form").addEventListener("submit", (event) => this.#saveCap(event));
  }

  /** Forget what was entered before. */
  open() {
    this.#capMoved = false;
    byId("cap-pin").value = "";
    byId("cap-answer").textContent = "";
  }

  /** Show the newest state. */
  show() {
    this.#showTurn();
    this.#showCap();
  }

  #setTurn(for_s) {
    this.#turn = { for_s, at: clock() };
    this.#tools.link.request("turn", { for_s });
  }

  #showTurn() {
    const { link, words } = this.#tools;
    const turn = link.state?.turn;
    const for_s = clock() - this.#turn.at < TURN_EXPECTED_S ? this.#turn.for_s : (turn?.for_s ?? 0);
    const awaited = turn && link.state.requests.length ? words.say("turn.awaited") : "";
    const why = whyNot(this.#tools, "wheel") || awaited;
    byId("choice-turn").disabled = why !== "";
    for (const field of byId("choice-turn").elements) field.checked = Number(field.value) === for_s;
    const runs = turn && link.state.driver;
    const told = runs ? words.say(turn.left_s ? "turn.left" : "turn.over", { time: timeOf(turn.left_s) }) : words.say("turn.how");
    byId("turn-note").textContent = [why, told].filter(Boolean).join(words.say("gap"));
  }

  #moveCap() {
    this.#capMoved = true;
    byId("cap-answer").textContent = "";
    this.#showCap();
  }

  /** The slider follows the car until it is moved here. */
  #showCap() {
    const { hud, words } = this.#tools;
    const why = whyNot(this.#tools, "link");
    if (!this.#capMoved && !why) byId("cap-speed").value = hud.ownersCap;
    const speed = Number(byId("cap-speed").value);
    byId("cap-form").querySelector("output").textContent = percent(speed);
    byId("cap-speed").setAttribute("aria-valuetext", percent(speed));
    byId("cap-speed").disabled = why !== "";
    byId("cap-note").textContent = why || words.say("cap.note");
    byId("cap-lock").hidden = why !== "" || speed <= hud.ownersCap;
    byId("cap-save").hidden = why !== "" || Math.abs(speed - hud.ownersCap) < 0.001;
  }

  async #saveCap(event) {
    event.preventDefault();
    const { hud, words } = this.#tools;
    const speed = Number(byId("cap-speed").value);
    const pin = digitsOf(byId("cap-pin").value);
    if (speed > hud.ownersCap && !/^\d{6}$/.test(pin)) {
      byId("cap-answer").textContent = words.say("pair.digits"); // this costs no try
      return;
    }
    const { status, answer, wait_s } = await post("/api/v1/speed-cap", speed > hud.ownersCap ? { speed, pin } : { speed });
    const code = status === 200 ? "saved" : (answer.error?.code ?? "error");
    byId("cap-answer").textContent =
      words.say(`cap.${code}`, { cap: percent(speed) }) || words.say(`pair.${code}`, { wait: wait_s }) || words.say("pair.error");
    byId("cap-pin").value = "";
    if (status === 200) byId("cap-speed").focus(); // the button disappears
  }
}
