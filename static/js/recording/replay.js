/**
 * Replay: an input that holds the sticks of a recording while its button is held. schedule.js has the rules.
 *
 * It writes into the sticks like a pad, so the same sender takes the wheel, begins with neutral and stays silent after a
 * hang. Whatever releases the sticks ends it; a refusal, the state of the car and the link end it here.
 */

import { timeOf } from "../hud/bar.js";
import { Grip, holdWithoutPointer } from "../inputs/hands.js";
import { byId, dress, hide, property, tap, write } from "../shell/shell.js";
import { clock } from "../sticks.js";
import { LATE_S, Replay, planOf } from "./schedule.js";
import { Timeline } from "./timeline.js";

/** Interval of the commands; recorded ones are about 33 ms apart. */
const STEP_MS = 16;
const TOPIC = "/picar/cmd";
const NUDGE_S = 0.4;
const BAR = `<div id="replay" role="group" data-i18n-label="recording.replay.label" hidden>
  <button id="replay-hold" type="button"><span></span><small></small></button>
  <button id="replay-close" class="round" type="button" data-i18n-label="recording.replay.close">
    <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M6 6l12 12M18 6 6 18"/></svg></button>
  <p role="status"></p></div>`;

export default class ReplayInput {
  #tools;
  #grip;
  #forget;
  /** @type {import("./schedule.js").Plan|null} */ #plan = null;
  /** @type {Replay|null} */ #replay = null;
  #timer = 0;
  /** The word below the button. */ #told = "";

  /** @param {import("../shell/shell.js").Tools} tools */
  constructor(tools) {
    this.#tools = tools;
    dress("/static/recording.css");
    byId("news").insertAdjacentHTML("beforeend", BAR);
    tools.words.fill(byId("replay"));
    const [button, hold, end] = [byId("replay-hold"), () => this.#press(), () => this.#end("let_go")];
    this.#grip = new Grip(button, ({ type }) => type === "pointerdown" && hold(), end);
    this.#forget = holdWithoutPointer(button, NUDGE_S, this.#grip, hold, end);
    tap("replay-close", () => this.#prepare(null, ""));
    tools.sticks.addInput(() => this.#released());
    tools.onRefusal(() => this.#end("refused"));
    tools.words.listen(() => this.#show());
  }

  /** Load the commands of a recording, and show the button. @param {string} name */
  async start(name) {
    this.#prepare(null, "loading");
    const timeline = new Timeline([TOPIC]);
    const loaded = await timeline.read(name).then(() => true, () => false);
    if (byId("replay").hidden) return; // closed meanwhile
    const share = Number(timeline.about.max_speed) / this.#tools.link.hello?.limits.max_speed;
    const plan = loaded && share ? planOf(timeline.rows[TOPIC], share) : null;
    this.#prepare(plan, plan ? "how" : loaded ? "empty" : "unreadable");
    byId("replay-hold").focus();
  }

  /** @param {import("./schedule.js").Plan|null} plan @param {string} word "" hides the button */
  #prepare(plan, word) {
    this.#end("let_go");
    this.#plan = plan;
    this.#replay = plan && new Replay(plan);
    this.#told = `recording.replay.${word}`;
    hide("replay", !word);
    this.#show();
  }

  #press() {
    const { hud } = this.#tools;
    if (!this.#replay || !this.#plan) return;
    this.#replay.press(clock());
    if (hud.limit > this.#plan.limit) hud.changeLimit(this.#plan.limit); // the recorded one, or a lower one
    this.#timer ||= setInterval(() => this.#step(clock()), STEP_MS);
    this.#step(clock());
  }

  #step(now) {
    const { link, sticks, driving } = this.#tools;
    const [state, replay] = [link.state, this.#replay];
    if (!replay) return;
    const still = state !== null && [state.wanted, state.applied, state.target].every((each) => !Object.values(each).some(Boolean));
    const hand = replay.step(now, {
      ...{ mine: link.drives, state: state?.state ?? "", still, free: sticks.free("replay"), weak: link.weak(now, true) },
      ...{ ready: driving(), limit: state?.speed_limit ?? 1 },
    });
    if (replay.phase === "idle") return this.#end(replay.why);
    sticks.hold("replay", { ...hand, until: now + LATE_S }); // after a hang, a repetition is neutral
    this.#show();
  }

  /** All inputs were released: the driver left the page, or the car or the link ended the press. */
  #released() {
    const state = this.#tools.link.state?.state;
    const lost = state === "stopped" || (this.#replay?.phase === "running" && state !== "armed");
    this.#end(!state ? "link" : lost ? "state" : "let_go");
  }

  #end(why) {
    this.#replay?.end(why);
    if (!this.#timer) return;
    this.#timer = clearInterval(this.#timer) ?? 0;
    this.#told = `recording.end.${this.#replay?.why}`;
    this.#tools.sticks.letGo("replay");
    this.#grip.drop();
    this.#forget();
    this.#show();
  }

  #show() {
    const { say } = this.#tools.words;
    const [bar, [label, time], phase] = [byId("replay"), byId("replay-hold").children, this.#replay?.phase ?? "idle"];
    const { limit = 1, length_s = 0 } = this.#plan ?? {};
    const at = this.#replay?.position(clock()) ?? 0;
    bar.dataset.phase = phase;
    byId("replay-hold").disabled = !this.#plan;
    property(bar, "--share", String(at && at / length_s));
    write(label, say(`recording.replay.${phase}`));
    write(time, say("recording.replay.time", { at: timeOf(at), of: timeOf(length_s) }));
    write(bar.lastElementChild, phase === "idle" ? say(this.#told, { percent: Math.round(100 * limit) }) : "");
  }
}
