/**
 * The head-up display: state and its reason, wanted against applied, speed limit, and one card. `bar.js` has the rest.
 *
 * It writes only text and attributes that have changed: 20 states a second must not keep a phone busy or a screen reader
 * talking. Words come from the dictionary by the car's stable codes. The only message it sends is the speed limit: a new
 * driver begins with the limit of this phone, and a press does not drive before the car has confirmed that limit.
 *
 * Law: a page that hears nothing from the car says "Signal lost"; the last values stay, dimmed.
 */

import { attribute, byId, hide, property, text, write } from "../shell/shell.js";
import { clamp, clock, held } from "../sticks.js";
import { Bar, capOf, isAway, milliseconds, wordOf } from "./bar.js";

/** Time on the screen of a notice, or of a message that the car did not understand. */
const NOTICE_S = 4.0;
/** A new speed limit is shown for this long before the car must have confirmed it. */
const LIMIT_EXPECTED_S = 1.0;
const LEAST_LIMIT = 0.05;
/** Screen readers get at most four values a second. */
const SPOKEN_EVERY_S = 0.25;
/** A page that is being opened reports a missing link only after this time. */
const PATIENCE_S = 3.0;
/** Time on the card of "The car was restarted". */
const RESTARTED_S = 8.0;
/** Reset appears this long after the stop: a thumb that presses STOP several times must not press Reset. */
const RESET_AFTER_S = 1.0;
/** The driver is told that the turn ends at this time before the end, if somebody waits. */
const TURN_ENDS_S = 10;
/** Codes of refusals that only a faulty page gets; the other refusals show in the state. */
const MISUNDERSTOOD = new Set(["bad_message", "unknown_type", "bad_value"]);
/** Reasons of a car that has just started; that of an ESC comes first. */
const STARTS = ["arming", "started"];
/** The gears' shares of the cap. */
export const GEARS = [0.3, 0.6, 1];

const known = (value) => value !== null && value !== undefined;
const within = (least, value, most) => Math.max(least, Math.min(most, value));
const percent = (value) => Math.round(value * 100);

/**
 * The topic of the card: the most urgent one.
 *
 * @param {{quality: string, trouble: string, state: any, asked: boolean, restarted: boolean}} seen
 * @returns {string} "" when the car drives and all is well
 */
export function topic({ quality, trouble, state, asked, restarted }) {
  if (trouble || quality === "gone") return trouble || "gone";
  if (known(state.battery?.off_in_s)) return "battery";
  if (state.state === "stopped") return "stopped";
  if (held(state)) return "held";
  if (asked) return "asked";
  if (quality === "weak" || quality === "slow") return quality;
  if (state.battery?.level === "stop") return "battery";
  if (state.driver && state.you !== "driver") return "watching";
  if (!state.driver && state.requests.length) return "handover";
  if (state.state !== "armed" && state.reason === "commands_stale") return "failsafe";
  if (restarted && state.state === "disarmed" && state.reason !== "arming") return "restarted";
  return state.state === "disarmed" ? "ready" : "";
}

export class Hud {
  #link;
  #sender;
  #say;
  #preferences;
  #notice = { key: "", words: () => "", at: -Infinity };
  #limit = { speed: 1, at: -Infinity };
  /** The highest speed limit that this phone allows, null without the wheel. @type {number|null} */
  #highest = null;
  /** The limit that was chosen with a free wheel, which it takes. */
  #chosen = 0;
  #spokenAt = 0;
  #bar;
  #reason = "";
  #restartedAt = -Infinity;
  /** From the newest state. @type {{client?: string, drives?: boolean, asks?: boolean, ends?: boolean, driver?: string|null}} */
  #turn = {};
  /** What the last state was. */
  #last = { at: -Infinity, mine: false, grace_s: 0 };
  #stoppedAt = Infinity;
  /** The input that the opening hint is about: "touch", "keys" or "gamepad". */
  #hint = matchMedia("(hover: hover) and (pointer: fine)").matches ? "keys" : "touch";

  /** Whether this page has taken its request for the wheel back. */
  withdrawn = false;
  /** The network that this page had the car join: the card then explains the lost link. "" without one. */
  joins = "";
  /** Reason why the page cannot drive at all: "", "connecting", "full", "barred", "proxy" or "outdated". */
  trouble = "connecting";

  /**
   * @param {import("../link.js").Link} link
   * @param {import("../sticks.js").Sender} sender
   * @param {import("../shell/shell.js").Words} words
   * @param {import("../shell/shell.js").Preferences} preferences
   */
  constructor(link, sender, words, preferences) {
    this.#link = link;
    this.#sender = sender;
    this.#preferences = preferences;
    sender.mayDrive = () => this.#settle();
    this.#say = words.say;
    this.#bar = new Bar(link, sender, words.say, (client) => this.name(client));
    words.listen(() => this.show());
    setInterval(() => this.#showNews(clock()), 100);
    setTimeout(() => this.trouble === "connecting" && (this.trouble = ""), PATIENCE_S * 1000);
    addEventListener("keydown", ({ target }) => target instanceof HTMLInputElement || (this.#hint = "keys")); // not for a PIN
    addEventListener("pointerdown", ({ pointerType }) => pointerType === "touch" && (this.#hint = "touch"));
    addEventListener("gamepadconnected", () => (this.#hint = "gamepad"));
  }

  /** The first client in line for the wheel, undefined if this page does not drive. */
  get request() {
    return this.#bar.request;
  }

  /** The highest speed that may be set, a share of max_speed: the cap of the owner, of the garage or of a low voltage. */
  get cap() {
    const { host, lesson } = this.#link.state ?? {};
    return Math.min(this.ownersCap, lesson?.cap ?? 1, host?.power_cap ?? 1);
  }

  /** The owner's cap, a share of max_speed. */
  get ownersCap() {
    return this.#link.state?.speed_cap ?? 1;
  }

  /** The speed limit, a share of max_speed; a new one counts until the car has had time to confirm it. */
  get limit() {
    const expected = clock() - this.#limit.at < LIMIT_EXPECTED_S;
    if (expected) return this.#limit.speed;
    const { speed_limit = 1, driver = null } = this.#link.state ?? {};
    return driver ? speed_limit : Math.min(speed_limit, this.#own); // with a free wheel, what this phone begins with
  }

  /** The speed limit with which this phone begins. */
  get #own() {
    return this.#round(this.#preferences.get("limit") * this.cap);
  }

  /** Whether this page saw the stop, and has had the wheel, for long enough that Reset may be shown. */
  get mayReset() {
    return clock() - this.#stoppedAt >= RESET_AFTER_S;
  }

  /** Set the speed limit of the car and of this phone; this takes a free wheel. @param {number} wanted share of max_speed @returns {boolean} false while another client drives */
  changeLimit(wanted) {
    if (!this.#mayTake) return false;
    this.#preferences.set("limit", within(LEAST_LIMIT, wanted / this.cap, 1));
    if (this.#link.drives) this.#sendLimit(this.#round(wanted));
    else if (this.#link.request("take")) this.#chosen = this.#round(wanted);
    return true;
  }

  /** Whether this page has the wheel, or may take it. */
  get #mayTake() {
    const { state, drives } = this.#link;
    return state !== null && (drives || !(state.driver || held(state)));
  }

  #round(speed) {
    return Math.round(within(LEAST_LIMIT, speed, this.cap) * 100) / 100;
  }

  #sendLimit(speed) {
    this.#highest = speed;
    this.#limit = { speed, at: clock() };
    this.#showLimit();
    this.#link.request("limit", { speed });
  }

  /**
   * Lower the speed limit of an earlier driver to that of this phone. A lower one stays, with a notice.
   *
   * @returns {boolean} whether the car has confirmed it
   */
  #settle() {
    const { state, drives } = this.#link;
    if (!drives) {
      this.#highest = null;
      this.#limit.at = -Infinity;
      if (state?.driver) this.#chosen = 0;
      return false;
    }
    if (this.#chosen) this.#sendLimit(this.#chosen);
    this.#chosen = 0;
    const lower = this.#highest === null && state.speed_limit < this.#own;
    if (lower) this.note("limit.kept", { percent: percent(state.speed_limit) });
    // A cap that rises raises the limit of this phone, and may uncover the limit of an earlier driver.
    this.#highest = Math.max(this.#highest ?? 0, this.#own);
    const confirmed = state.speed_limit <= this.#highest;
    if (!confirmed && clock() - this.#limit.at > LIMIT_EXPECTED_S) this.#sendLimit(this.#highest);
    return confirmed;
  }

  /** @param {string} code of the car's error message */
  refused(code) {
    if (MISUNDERSTOOD.has(code)) this.note("why.misunderstood");
    if (code === "picture_old") this.note("video.refused");
    if (code === "guest") this.note("pair.guest");
  }

  /** Show a notice for some seconds. @param {string} key of the words @param {object} values for its {names} */
  note(key, values = {}) {
    this.#notice = { key, words: () => this.#say(key, values), at: clock() };
    this.#showNews(clock());
  }

  /** Show the newest state, or that there is no link. */
  show() {
    const state = this.#link.state;
    const page = document.body.dataset;
    if (STARTS.includes(state?.reason) && !["", ...STARTS].includes(this.#reason)) this.#restartedAt = clock();
    if (state) this.#reason = state.reason ?? "driven";
    page.state = state?.state ?? "gone";
    page.you = state?.you ?? "";
    if (state) this.#last = { at: clock() - this.#link.quiet(clock()), mine: this.#link.drives, grace_s: this.#link.hello.limits.grace_s };
    const stopped = state?.state === "stopped" && state.you === "driver";
    this.#stoppedAt = stopped ? Math.min(this.#stoppedAt, clock()) : Infinity;
    if (state && this.#notice.key === "lost.stop") this.#notice.at = -Infinity;
    this.#bar.show();
    this.#settle();
    this.#noteTurn(state);
    this.#showNews(clock());
    this.#showWheels(state);
    this.#showLimit();
  }

  /** @param {string} client id @returns {string} the name of its driver */
  name(client) {
    return this.#link.state?.names?.[client] ?? this.#say("client");
  }

  /** Show a notice when the wheel comes, is refused, or is soon lost. */
  #noteTurn(state) {
    const client = this.#link.hello?.client;
    const drives = state?.you === "driver";
    const asks = Boolean(state?.waiting);
    const ends = drives && state.requests.length > 0 && (state.turn?.left_s ?? Infinity) < TURN_ENDS_S;
    const before = this.#turn;
    this.#turn = { client, drives, asks, ends, driver: state?.driver };
    if (before.client !== client || !state) return;
    if (ends && !before.ends) this.note("turn.ends", { left: TURN_ENDS_S });
    if (drives && before.asks) this.note("driver.you");
    if (before.asks && !asks && !drives && !this.withdrawn && state.driver && state.driver === before.driver) this.note("why.denied");
  }

  #showWheels(state) {
    const steers = document.body.dataset.steers === "true";
    const speak = clock() - this.#spokenAt > SPOKEN_EVERY_S;
    if (speak) this.#spokenAt = clock();
    for (const [side, axis] of [["left", "throttle"], ["right", "steering"]]) {
      const meter = byId(side);
      const name = steers ? axis : side;
      const applied = clamp(state?.applied[name] ?? 0);
      const wanted = clamp(state?.target[name] ?? 0);
      const word = this.#say(steers ? `${axis}.label` : side);
      write(meter.lastElementChild, word);
      attribute(meter, "aria-label", word);
      property(meter, "--wanted", wanted.toFixed(3));
      property(meter, "--applied", applied.toFixed(3));
      write(meter.querySelector("b"), state ? `${percent(applied)}%` : "–");
      if (!speak) continue;
      const values = { applied: percent(applied), wanted: percent(wanted) };
      attribute(meter, "aria-valuenow", String(values.applied));
      attribute(meter, "aria-valuetext", this.#say("meter.value", values));
    }
  }

  #showLimit() {
    const may = this.#mayTake;
    text("speed", `${percent(this.limit)}%`);
    const { video, link } = this.#link.state ?? {};
    const [picture, late] = [video?.cap ?? 1, link?.cap ?? 1]; // the gears keep their speeds
    const cap = Math.min(this.cap, picture, late);
    text("cap", capOf(this.#link.state, this.#say));
    byId("hud").dataset.capped = String(cap < 1);
    property(byId("hud"), "--cap", String(cap * (this.#link.hello?.limits.max_speed ?? 1)));
    byId("slower").disabled = !may || this.limit <= LEAST_LIMIT;
    byId("faster").disabled = !may || this.limit >= this.cap;
    GEARS.forEach((share, index) => {
      const speed = share * this.cap;
      const gear = byId(`gear${index + 1}`);
      gear.disabled = !may;
      attribute(gear, "aria-pressed", String(Math.abs(speed - this.limit) < 0.005));
      attribute(gear, "aria-label", this.#say(`gear.${index + 1}`, { percent: percent(speed) }));
    });
  }

  /** Show link and card. A timer calls this as well: the link gets worse while no message arrives. */
  #showNews(now) {
    const state = this.#link.state;
    this.#bar.showLink(now);
    const [quality, met] = [this.#bar.quality, this.#last.at > 0];
    const restarted = now - this.#restartedAt < RESTARTED_S;
    const seen = { quality, trouble: this.trouble, state, asked: Boolean(this.request), restarted, met };
    const about = topic(seen);
    document.body.dataset.card = about;
    if (quality === "gone") text("driver", "");
    text("state", this.#say(`state.${wordOf(seen)}`));
    const leaves = about === "gone" && this.#leaves;
    const title = leaves ? "wifi.leaves" : about === "gone" && !met ? "title.never" : `title.${about}`;
    text("title", this.#say(title, { client: state ? this.name(state.driver) : "" }));
    text("alert", about === "stopped" ? this.#whyStopped(state) : about === "gone" && met && !leaves ? this.#whyLost(now) : "");
    hide("keys", about !== "ready" || this.#hint !== "keys");
    text("why", this.#why(now, about));
    this.#showActions(about, state);
  }

  #showActions(about, state) {
    const mine = state?.you === "driver";
    const stopped = about === "stopped" && mine;
    const resets = stopped && this.mayReset; // it takes the place of "Give up the wheel", which is empty for a second before
    const appears = resets && byId("reset").hidden;
    hide("reset", !resets);
    if (appears && this.#hint === "keys" && !document.activeElement?.closest("button, dialog")) byId("reset").focus();
    hide("asks", about !== "asked");
    hide("give", about !== "asked");
    hide("refuse", about !== "asked" || Boolean(state.turn)); // the request waits for the end of the turn
    hide("ask", !state || about === "asked" || this.#bar.quality === "gone" || (stopped && !resets) || (held(state) && !mine && !state.waiting));
    byId("ask").classList.toggle("spare", about === "ready" && !state.driver && this.#hint === "touch");
    hide("retry", about !== "gone" && about !== "full");
    hide("enter", about !== "barred");
    hide("anyway", about !== "held");
    hide("stay", about !== "battery" || !mine || !known(state.battery.off_in_s) || !state.battery.may_stay);
    hide("reload", about !== "outdated");
  }

  /** Whether a lost link is due to `joins`; a driver reads what the car does instead. */
  get #leaves() {
    return this.joins !== "" && !this.#last.mine;
  }

  /** By the end of the grace somebody else may drive. */
  #whyLost(now) {
    const { at, mine, grace_s } = this.#last;
    return this.#say(mine && now - at < grace_s ? "lost.driver" : "lost.unknown");
  }

  #whyStopped(state) {
    const mine = state.you === "driver";
    const who = mine ? "stopped.driver" : state.driver ? "stopped.spectator" : "stopped.free";
    const why = state.reason === "stop" && this.#sender.stopped ? "stopped.you" : `reason.${state.reason}`;
    return this.#say(why) + this.#say("gap") + this.#say(who);
  }

  #why(now, about) {
    const { state, hello } = this.#link;
    const limit_s = hello?.command_timeout_s ?? 0.5;
    if (about === "held") return this.#whyHeld(state.lesson);
    if (this.#bar.quality === "weak") return this.#say("why.weak");
    if (this.#bar.quality === "slow") {
      const age = milliseconds(this.#link.slow(now) ?? 0);
      return this.#say("why.slow", { age, limit: milliseconds(limit_s) });
    }
    const urgent = about === "gone" || state?.state === "failsafe"; // no other notice replaces what the car does
    if (now - this.#notice.at < NOTICE_S && (!urgent || this.#notice.key === "lost.stop")) return this.#notice.words();
    if (about === "gone" && this.#leaves) return this.#say("wifi.away", { ssid: this.joins });
    if (about === "battery") return this.#whyBattery(state.battery.off_in_s);
    if (about === "watching") return this.#whyWatching(state);
    if (about === "gone" && state) return "";
    if (!state || ["stopped", "asked", "handover", "outdated"].includes(about)) return this.#say(`why.${about}`);
    const parts = [];
    if (state.state !== "armed" && state.reason && about !== "restarted") {
      parts.push(this.#say(`reason.${state.reason}`, { limit: limit_s }));
    }
    if (about === "restarted") parts.push(this.#say("why.restarted"));
    if (this.#sender.pressAgain) parts.push(this.#say("why.again"));
    else if (state.state === "disarmed" && state.reason !== "arming") parts.push(this.#say(this.#hint === "touch" ? `why.touch.${document.body.dataset.layout}` : `why.${this.#hint}`));
    if (hello?.car.moved && STARTS.includes(state.reason)) parts.push(this.#say("why.moved"));
    return parts.join(this.#say("gap"));
  }

  #whyHeld(lesson) {
    const away = isAway(lesson) ? this.#say("gap") + this.#say("garage.away") : "";
    return (lesson.text || this.#say("why.held")) + away;
  }

  #whyBattery(left) {
    return this.#say(known(left) ? "why.battery.off" : "why.battery", { left });
  }

  /** Explain to a spectator how to get the wheel. */
  #whyWatching(state) {
    const place = state.requests.indexOf(this.#link.hello?.client);
    const client = this.name(state.driver);
    if (!state.waiting) return this.#say("why.watching", { client });
    if (place < 0) return this.#say("why.line", { client, total: state.requests_total });
    const before = state.requests.slice(0, place).map((each) => this.name(each));
    if (!before.length) return this.#say("why.waiting", { client });
    return this.#say("why.queue", { client, others: before.join(this.#say("comma")) });
  }
}
