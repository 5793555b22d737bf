/**
 * Says what the car says: state, why, who drives, link age, wanted against applied, speed limit.
 *
 * It only writes to the page, and only what has changed: 20 states a second must not keep a phone busy or
 * a screen reader talking. Words come from the dictionary by the car's stable codes.
 */

import { clamp, clock } from "./sticks.js";

/** A refusal stays on the screen for this long. */
const REFUSAL_SHOWN_S = 3.0;
/** A speed limit that was asked for is shown for this long before the car must have confirmed it. */
const LIMIT_EXPECTED_S = 1.0;
/** Screen readers hear at most four values a second. */
const SPOKEN_EVERY_S = 0.25;
/** Refusals of a message that the page should never send; the others show in the state. */
const MISUNDERSTOOD = new Set(["bad_message", "unknown_type", "bad_value"]);

const byId = (id) => document.getElementById(id);
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

export class Hud {
  #link;
  #sender;
  #words;
  #misunderstoodAt = -Infinity;
  #limit = { speed: 1, at: -Infinity };
  #spokenAt = 0;

  /** The client that asks for the wheel first, or undefined. */
  request;

  /**
   * @param {import("./link.js").Link} link
   * @param {import("./sticks.js").Sender} sender
   * @param {(key: string, values?: object) => string} words
   */
  constructor(link, sender, words) {
    this.#link = link;
    this.#sender = sender;
    this.#words = words;
    setInterval(() => this.#showLink(clock()), 100);
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

  /** @param {string} code of the car's error message */
  refused(code) {
    if (MISUNDERSTOOD.has(code)) this.#misunderstoodAt = clock();
  }

  /** Show the newest state, or that there is none. */
  show() {
    const state = this.#link.state;
    const page = document.body.dataset;
    page.state = state?.state ?? "gone";
    page.you = state?.you ?? "";
    text("state", this.#words(`state.${page.state}`));
    this.#showLink(clock());
    this.#showCar();
    this.#showDriver(state);
    this.#showStop(state);
    this.#showRequest(state);
    this.#showWheels(state);
    this.#showLimit();
  }

  #showCar() {
    const car = this.#link.hello?.car;
    if (!car) return;
    text("car", car.name);
    const badge = this.#words(`badge.${car.backend}`);
    text("badge", badge);
    byId("badge").hidden = !badge;
  }

  #showDriver(state) {
    const mine = state?.you === "driver";
    const taken = Boolean(state?.driver) && !mine;
    const driver = mine ? "driver.you" : taken ? "driver.other" : "driver.none";
    const who = state ? this.#words(driver, { client: state.driver }) : "";
    text("driver", who);
    const waiting = state?.requests.includes(this.#link.hello?.client);
    const ask = mine ? "ask.release" : waiting ? "ask.waiting" : taken ? "ask.other" : "ask.take";
    text("ask", this.#words(ask));
    byId("ask").disabled = Boolean(waiting);
    byId("ask").hidden = !state;
    this.#showPads(!state || taken || state.state === "stopped", taken ? who : "");
  }

  #showPads(idle, why) {
    for (const axis of ["throttle", "steering"]) {
      const pad = byId(axis);
      attribute(pad, "aria-disabled", String(idle));
      if (!pad.getAttribute("aria-valuetext")) attribute(pad, "aria-valuetext", this.#words(`${axis}.zero`));
      write(pad.querySelector(".name"), why || this.#words(`${axis}.label`));
    }
  }

  #showStop(state) {
    const stopped = state?.state === "stopped";
    const mine = state?.you === "driver";
    const who = mine ? "stopped.driver" : state?.driver ? "stopped.spectator" : "stopped.free";
    const why = () => this.#words(`reason.${state.reason}`) + this.#words("gap") + this.#words(who);
    text("alert", stopped ? why() : "");
    const act = mine ? "reset" : state?.driver ? "ask.other" : "ask.take";
    text("reset", this.#words(act));
    byId("reset").hidden = !stopped;
  }

  #showRequest(state) {
    this.request = state?.you === "driver" ? state.requests[0] : undefined;
    byId("request").hidden = !this.request;
    document.body.dataset.asked = String(Boolean(this.request));
    text("asks", this.request ? this.#words("asks", { client: this.request }) : "");
  }

  #showWheels(state) {
    const wanted = mix(state?.wanted ?? { throttle: 0, steering: 0 });
    const speak = clock() - this.#spokenAt > SPOKEN_EVERY_S;
    if (speak) this.#spokenAt = clock();
    for (const side of ["left", "right"]) {
      const meter = byId(side);
      const applied = state?.applied[side] ?? 0;
      meter.style.setProperty("--wanted", wanted[side].toFixed(3));
      meter.style.setProperty("--applied", clamp(applied).toFixed(3));
      write(meter.querySelector("b"), state ? `${percent(applied)}%` : "–");
      const values = { applied: percent(applied), wanted: percent(wanted[side]) };
      if (!speak) continue;
      attribute(meter, "aria-valuenow", String(values.applied));
      attribute(meter, "aria-valuetext", this.#words("meter.value", values));
    }
  }

  #showLimit() {
    const mine = this.#link.state?.you === "driver";
    text("speed", `${percent(this.limit)}%`);
    byId("view").style.setProperty("--limit", String(this.limit));
    byId("slower").disabled = !mine || this.limit <= 0.1;
    byId("faster").disabled = !mine || this.limit >= 1;
  }

  /** The link gets worse while nothing comes in, so this runs by itself as well. */
  #showLink(now) {
    const link = this.#link;
    const limit_s = link.hello?.command_timeout_s ?? 0.5;
    const age_s = link.state?.link.age_s ?? null;
    const slow_s = link.slow(now);
    const weak = link.state !== null && link.weak(now, this.#sender.driving);
    const quality = !link.state ? "gone" : weak ? "weak" : slow_s !== null ? "slow" : "good";
    document.body.dataset.link = quality;
    const moves = link.state?.wanted.throttle || link.state?.wanted.steering;
    const live = quality === "good" && moves && age_s !== null;
    const name = quality === "good" && !live ? "idle" : quality;
    text("age", this.#words(`link.${name}`, { age: milliseconds(age_s ?? 0) }));
    const spent = quality !== "good" ? 1 : live ? Math.min(1, age_s / limit_s) : 0;
    byId("lease").style.setProperty("--spent", spent.toFixed(2));
    const quiet = Math.ceil(link.quiet(now));
    text("why", this.#why(now, quality, { quiet, age: milliseconds(slow_s ?? 0), limit_s }));
  }

  #why(now, quality, { quiet, age, limit_s }) {
    const state = this.#link.state;
    if (quality === "gone" || quality === "weak") return this.#words(`why.${quality}`, { quiet });
    if (quality === "slow") return this.#words("why.slow", { age, limit: milliseconds(limit_s) });
    if (now - this.#misunderstoodAt < REFUSAL_SHOWN_S) return this.#words("why.misunderstood");
    if (state.state === "stopped") return "";
    const parts = [];
    const free = !state.driver || state.you === "driver";
    const reason = state.state === "armed" ? null : state.reason;
    if (reason) parts.push(this.#words(`reason.${reason}`, { limit: limit_s }));
    if (free && this.#sender.pressAgain) parts.push(this.#words("why.again"));
    else if (free && state.state === "disarmed") parts.push(this.#words("why.touch"));
    return parts.join(this.#words("gap"));
  }
}

function write(element, words) {
  if (element.textContent !== words) element.textContent = words;
}

function text(id, words) {
  write(byId(id), words);
}

function attribute(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}
