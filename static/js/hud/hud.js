/**
 * Says what the car says: state, why, who drives, link, wanted against applied, speed limit, and one card.
 *
 * It only writes to the page, and only what has changed: 20 states a second must not keep a phone busy or
 * a screen reader talking. Words come from the dictionary by the car's stable codes.
 */

import { clamp, clock } from "../sticks.js";

/** A notice, or a message that was not understood, stays on the screen for this long. */
const NOTICE_S = 4.0;
/** A speed limit that was asked for is shown for this long before the car must have confirmed it. */
const LIMIT_EXPECTED_S = 1.0;
/** Screen readers hear at most four values a second. */
const SPOKEN_EVERY_S = 0.25;
/** A page that is being opened is given so long before it says that there is no link. */
const PATIENCE_S = 3.0;
/** "The car has been restarted" stays on the card for this long. */
const RESTARTED_S = 8.0;
/** Refusals of a message that the page should never send; the others show in the state. */
const MISUNDERSTOOD = new Set(["bad_message", "unknown_type", "bad_value"]);
/** From here on a fact about the machine is a warning; docs/hud.md says the same. */
export const HOT_C = 70;
export const WEAK_DBM = -70;
export const BUSY_PERCENT = 90;
const WARNS = {
  under_voltage: Boolean,
  throttled: Boolean,
  temperature_c: (value) => value >= HOT_C,
  wifi_dbm: (value) => value <= WEAK_DBM,
  cpu_percent: (value) => value >= BUSY_PERCENT,
};
/** The gears' shares of the highest speed that may be set. */
export const GEARS = [0.3, 0.6, 1];

const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
const button = (id) => /** @type {HTMLButtonElement} */ (document.getElementById(id));
const percent = (value) => Math.round(value * 100);
const milliseconds = (seconds) => Math.round(seconds * 1000);

/**
 * The wheel speeds that the sticks ask for: skid steer, scaled rather than clipped.
 *
 * @param {{throttle: number, steering: number}} sticks in [-1, 1]
 * @returns {{left: number, right: number}} in [-1, 1]
 */
export function mix({ throttle, steering }) {
  const most = Math.max(1, Math.abs(throttle) + Math.abs(steering));
  return { left: (throttle + steering) / most, right: (throttle - steering) / most };
}

/**
 * What the card is about: the most urgent of what is the case.
 *
 * @param {{quality: string, trouble: string, state: any, asked: boolean, restarted: boolean}} seen
 * @returns {string} a topic; "" when the car drives and all is well
 */
export function topic({ quality, trouble, state, asked, restarted }) {
  if (quality === "gone") return trouble || "gone";
  if (trouble) return trouble;
  if (state.state === "stopped") return "stopped";
  if (asked) return "asked";
  if (quality === "weak" || quality === "slow") return quality;
  if (state.driver && state.you !== "driver") return "watching";
  if (!state.driver && state.requests.length) return "handover";
  if (state.state !== "armed" && state.reason === "commands_stale") return "failsafe";
  if (restarted && state.state === "disarmed") return "restarted";
  return state.state === "disarmed" ? "ready" : "";
}

export class Hud {
  #link;
  #sender;
  #words;
  #say;
  #notice = { words: () => "", at: -Infinity };
  #limit = { speed: 1, at: -Infinity };
  #spokenAt = 0;
  #reason = "";
  #restartedAt = -Infinity;
  /** @type {{client?: string, drives?: boolean, asks?: boolean, driver?: string|null}} how the newest state was for this page */
  #turn = {};
  #quality = "gone";

  /** The client that asks for the wheel first, or undefined. @type {string|undefined} */
  request;
  /** What keeps the page from driving at all: "", "connecting", "full", "barred", "proxy" or "outdated". */
  trouble = "connecting";

  /**
   * @param {import("../link.js").Link} link
   * @param {import("../sticks.js").Sender} sender
   * @param {import("../preferences.js").Words} words
   */
  constructor(link, sender, words) {
    this.#link = link;
    this.#sender = sender;
    this.#words = words;
    this.#say = words.say;
    words.listen(() => this.show());
    setInterval(() => this.#showNews(clock()), 100);
    setTimeout(() => this.trouble === "connecting" && (this.trouble = ""), PATIENCE_S * 1000);
  }

  /** The highest speed that may be set, a share of max_speed: the owner's cap, or that of a low voltage. */
  get cap() {
    return Math.min(this.ownersCap, this.#link.state?.host?.power_cap ?? 1);
  }

  /** The owner's cap, a share of max_speed. */
  get ownersCap() {
    return this.#link.state?.speed_cap ?? 1;
  }

  /** The speed limit, a share of max_speed: what was asked for until the car has had time to answer. */
  get limit() {
    const expected = clock() - this.#limit.at < LIMIT_EXPECTED_S;
    return expected ? this.#limit.speed : (this.#link.state?.speed_limit ?? 1);
  }

  /** @param {number} speed that was asked for, a share of max_speed */
  expectLimit(speed) {
    this.#limit = { speed, at: clock() };
    this.#showLimit();
  }

  /** The link has come, perhaps again. */
  welcomed() {
    this.trouble = "";
  }

  /** @param {string} code of the car's error message */
  refused(code) {
    if (MISUNDERSTOOD.has(code)) this.note("why.misunderstood");
  }

  /** Say something for a moment. @param {string} key of the words @param {object} values for its {names} */
  note(key, values = {}) {
    this.#notice = { words: () => this.#say(key, values), at: clock() };
    this.#showNews(clock());
  }

  /** Show the newest state, or that there is none. */
  show() {
    const state = this.#link.state;
    const page = document.body.dataset;
    if (state?.reason === "started" && !["", "started"].includes(this.#reason)) this.#restartedAt = clock();
    this.#reason = state?.reason ?? this.#reason;
    page.state = state?.state ?? "gone";
    page.you = state?.you ?? "";
    text("state", this.#say(`state.${page.state}`));
    this.#showCar();
    this.#showHost(state?.host ?? {});
    this.#showDriver(state);
    this.#showRequest(state);
    this.#noteTurn(state);
    this.#showNews(clock());
    this.#showWheels(state);
    this.#showLimit();
  }

  /** @param {string} client its id @returns {string} what a person calls it */
  name(client) {
    return this.#link.state?.names?.[client] ?? this.#say("client", { client });
  }

  #showCar() {
    const car = this.#link.hello?.car;
    if (!car) return;
    text("car", car.name);
    text("badge", this.#say(`badge.${car.backend}`) || this.#say("badge.real"));
    hide("look", car.backend !== "sim");
  }

  /** Warnings always, other facts where there is room; of what is false or has no words, nothing. */
  #showHost(host) {
    const cap = host.power_cap ?? 1;
    const warnings = cap < 1 ? [this.#say("host.slow", { cap: percent(cap) })] : [];
    const facts = [];
    for (const [name, value] of Object.entries(host)) {
      if (value === null || value === false || (name === "under_voltage" && cap < 1)) continue;
      const words = this.#say(`host.${name}`, { value: Math.round(Number(value) * 10) / 10 });
      if (words) (WARNS[name]?.(value) ? warnings : facts).push(words);
    }
    text("host", warnings.join(" · "));
    text("facts", facts.join(" · "));
  }

  #showDriver(state) {
    const mine = state?.you === "driver";
    const taken = Boolean(state?.driver) && !mine;
    const driver = mine ? "driver.you" : taken ? "driver.other" : "driver.none";
    const who = state ? this.#say(driver, { client: this.name(state.driver) }) : "";
    text("driver", who);
    const waiting = state?.waiting;
    const ask = mine ? "ask.release" : waiting ? "ask.waiting" : taken ? "ask.other" : "ask.take";
    text("ask", this.#say(ask));
    button("ask").disabled = Boolean(waiting);
    hide("ask", !state);
    this.#showPads(!state || taken || state.state === "stopped", taken ? who : "");
  }

  #showPads(idle, why) {
    for (const name of ["throttle", "steering", "stick"]) {
      const pad = byId(name);
      attribute(pad, "aria-disabled", String(idle));
      write(/** @type {HTMLElement} */ (pad.querySelector(".name")), why || this.#say(`${name}.label`));
    }
    document.body.dataset.idle = String(idle);
  }

  #showRequest(state) {
    this.request = state?.you === "driver" ? state.requests[0] : undefined;
    const more = (state?.requests_total ?? 0) - 1;
    text("asks", this.request ? this.#say(more > 0 ? "asks.more" : "asks", { client: this.name(this.request), more }) : "");
  }

  /** Tell one who got the wheel of a limit that was there before, and one who did not get it of the driver's no. */
  #noteTurn(state) {
    const client = this.#link.hello?.client;
    const drives = state?.you === "driver";
    const asks = Boolean(state?.waiting);
    const before = this.#turn;
    this.#turn = { client, drives, asks, driver: state?.driver };
    if (before.client !== client || !state) return;
    if (drives && !before.drives && state.speed_limit < this.cap) {
      this.note("limit.kept", { percent: percent(state.speed_limit) });
    }
    if (before.asks && !asks && !drives && state.driver && state.driver === before.driver) this.note("why.denied");
  }

  #showWheels(state) {
    const wanted = mix(state?.wanted ?? { throttle: 0, steering: 0 });
    const speak = clock() - this.#spokenAt > SPOKEN_EVERY_S;
    if (speak) this.#spokenAt = clock();
    for (const side of ["left", "right"]) {
      const meter = byId(side);
      const applied = clamp(state?.applied[side] ?? 0);
      property(meter, "--wanted", wanted[side].toFixed(3));
      property(meter, "--applied", applied.toFixed(3));
      write(/** @type {HTMLElement} */ (meter.querySelector("b")), state ? `${percent(applied)}%` : "–");
      if (!speak) continue;
      const values = { applied: percent(applied), wanted: percent(wanted[side]) };
      attribute(meter, "aria-valuenow", String(values.applied));
      attribute(meter, "aria-valuetext", this.#say("meter.value", values));
    }
  }

  #showLimit() {
    const mine = this.#link.state?.you === "driver";
    text("speed", `${percent(this.limit)}%`);
    text("cap", this.cap < 1 ? this.#say("limit.cap", { cap: percent(this.cap) }) : "");
    property(byId("view"), "--limit", String(this.limit));
    button("slower").disabled = !mine || this.limit <= 0.05;
    button("faster").disabled = !mine || this.limit >= this.cap;
    GEARS.forEach((share, index) => {
      const speed = share * this.cap;
      const gear = button(`gear${index + 1}`);
      gear.disabled = !mine;
      attribute(gear, "aria-pressed", String(Math.abs(speed - this.limit) < 0.005));
      attribute(gear, "aria-label", this.#say(`gear.${index + 1}`, { percent: percent(speed) }));
    });
  }

  /** The link gets worse while nothing comes in, so this runs by itself as well. */
  #showNews(now) {
    const state = this.#link.state;
    this.#showLink(now, state);
    const restarted = now - this.#restartedAt < RESTARTED_S;
    const asked = Boolean(this.request);
    const about = topic({ quality: this.#quality, trouble: this.trouble, state, asked, restarted });
    document.body.dataset.card = about;
    text("title", this.#say(`title.${about}`, { client: state ? this.name(state.driver) : "" }));
    text("alert", about === "stopped" ? this.#whyStopped(state) : "");
    text("why", this.#why(now, about));
    this.#showActions(about, state);
  }

  #showActions(about, state) {
    const mine = state?.you === "driver";
    text("reset", this.#say(mine ? "reset" : state?.driver ? "ask.other" : "ask.take"));
    hide("reset", about !== "stopped");
    hide("give", about !== "asked");
    hide("refuse", about !== "asked");
    hide("retry", about !== "gone" && about !== "full");
    hide("enter", about !== "barred");
    hide("reload", about !== "outdated");
  }

  #whyStopped(state) {
    const mine = state.you === "driver";
    const who = mine ? "stopped.driver" : state.driver ? "stopped.spectator" : "stopped.free";
    const why = state.reason === "stop" && this.#sender.stopped ? "stopped.you" : `reason.${state.reason}`;
    return this.#say(why) + this.#say("gap") + this.#say(who);
  }

  #showLink(now, state) {
    const link = this.#link;
    const limit_s = link.hello?.command_timeout_s ?? 0.5;
    const age_s = state?.link.age_s ?? null;
    const weak = state !== null && link.weak(now, this.#sender.driving);
    const quality = !state ? "gone" : weak ? "weak" : link.slow(now) !== null ? "slow" : "good";
    this.#quality = document.body.dataset.link = quality;
    const moves = state?.wanted.throttle || state?.wanted.steering;
    const live = quality === "good" && moves && age_s !== null;
    const name = quality === "good" && !live ? "idle" : quality;
    text("age", this.#say(`link.${name}`, { age: milliseconds(age_s ?? 0) }));
    const spent = quality !== "good" ? 1 : live ? Math.min(1, age_s / limit_s) : 0;
    property(byId("lease"), "--spent", spent.toFixed(2));
    const trip = link.trip === null ? 0 : milliseconds(link.trip);
    text("trip", trip ? this.#say("link.trip", { trip, late: state.link.stale }) : "");
  }

  #why(now, about) {
    const { state, hello } = this.#link;
    const limit_s = hello?.command_timeout_s ?? 0.5;
    if (this.#quality === "weak") return this.#say("why.weak", { quiet: Math.ceil(this.#link.quiet(now)) });
    if (this.#quality === "slow") {
      const age = milliseconds(this.#link.slow(now) ?? 0);
      return this.#say("why.slow", { age, limit: milliseconds(limit_s) });
    }
    if (now - this.#notice.at < NOTICE_S) return this.#notice.words();
    if (about === "watching") return this.#whyWatching(state);
    if (!state || ["stopped", "asked", "handover", "outdated"].includes(about)) return this.#say(`why.${about}`);
    const parts = [];
    if (state.state !== "armed" && state.reason && about !== "restarted") {
      parts.push(this.#say(`reason.${state.reason}`, { limit: limit_s }));
    }
    if (about === "restarted") parts.push(this.#say("why.restarted"));
    if (this.#sender.pressAgain) parts.push(this.#say("why.again"));
    else if (state.state === "disarmed") parts.push(this.#say(`why.touch.${document.body.dataset.layout}`));
    return parts.join(this.#say("gap"));
  }

  /** Why one who watches cannot drive, and what helps. */
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

function write(element, words) {
  if (element.textContent !== words) element.textContent = words;
}

function text(id, words) {
  write(byId(id), words);
}

function hide(id, hidden) {
  byId(id).hidden = hidden;
}

function attribute(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

function property(element, name, value) {
  if (element.style.getPropertyValue(name) !== value) element.style.setProperty(name, value);
}
