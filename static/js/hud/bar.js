/**
 * The bar at the top: the car, its driver and the turn, the link, and the facts about the car's computer.
 *
 * Facts are one row each. The bar and the rows of the settings loop over this table. A new fact is one row and its words:
 * `host.<name>` for the bar, `health.<health>` for the settings.
 *
 * Law: the link is "gone" when the car has been silent for too long, whatever the socket says.
 */

import { attribute, byId, hide, property, text } from "../shell/shell.js";
import { clock, held } from "../sticks.js";

/** Without a state for this long the signal is lost; for a page that drives, command_timeout_s plus this margin. */
const LOST_S = 1.0;
const LOST_MARGIN_S = 0.1;
/** The garage is out of reach when the car has not heard it for this long. */
const AWAY_S = 10;

/**
 * In the order of the settings: name in `host` of a state, unit ("" is yes or no), name of its words in the settings
 * (without it they leave the fact out), the fact that remembers a past yes, and the values from which on it is a warning
 * or bad (docs/hud.md has the same ones); with `low`, lower values are worse.
 *
 * @typedef {{name: string, unit: string, health?: string, seen?: string, warn?: number, bad?: number, low?: boolean}} Fact
 * @type {Fact[]}
 */
export const FACTS = [
  { name: "under_voltage", unit: "", health: "voltage", seen: "under_voltage_seen" },
  { name: "throttled", unit: "", health: "throttled", seen: "throttled_seen" },
  { name: "temperature_c", unit: "°C", health: "temperature", warn: 70, bad: 80 }, // a Pi slows itself down at 80 °C
  { name: "wifi_dbm", unit: "dBm", health: "wifi", warn: -70, low: true },
  { name: "cpu_percent", unit: "%", health: "cpu", warn: 90 },
  { name: "uptime_s", unit: "s", health: "uptime" },
  { name: "battery_v", unit: "V", health: "volts" },
  { name: "battery_percent", unit: "%", health: "battery", warn: 20, bad: 10, low: true },
];

const CHARGE = FACTS[FACTS.length - 1];
const known = (value) => value !== null && value !== undefined;

/**
 * @param {Fact} fact @param {any} host of a state
 * @returns {""|"warn"|"bad"|"unknown"}
 */
export function gradeOf({ name, unit, seen = "", warn = Infinity, bad = Infinity, low = false }, host) {
  const value = host[name];
  if (unit === "") return value ? "bad" : host[seen] ? "warn" : known(value) ? "" : "unknown";
  if (!known(value)) return "unknown";
  const reaches = (limit) => Number.isFinite(limit) && (low ? value <= limit : value >= limit);
  return reaches(bad) ? "bad" : reaches(warn) ? "warn" : "";
}

/**
 * The facts that the bar shows: warnings, and the others for where there is room.
 *
 * @param {any} host of a state; the bar keeps its order, and leaves out unknown facts
 * @param {(key: string, values?: object) => string} say
 * @returns {{warnings: string[], facts: string[]}}
 */
export function barOf(host, say) {
  const cap = host.power_cap ?? 1;
  const warnings = cap < 1 ? [say("host.slow", { cap: Math.round(cap * 100) })] : [];
  /** @type {string[]} */ const facts = [];
  for (const [name, value] of Object.entries(host)) {
    const fact = FACTS.find((each) => each.name === name);
    if (!fact || !known(value) || value === false || (name === "under_voltage" && cap < 1)) continue;
    const words = say(`host.${name}`, { value: Math.round(Number(value) * 10) / 10 });
    if (words) (gradeOf(fact, host) ? warnings : facts).push(words);
  }
  return { warnings, facts };
}

/**
 * The battery in the bar. A dot marks a charge that is not from now: it is measured at rest.
 *
 * @param {any} state @param {(key: string, values?: object) => string} say
 * @returns {{words: string, grade: string}} no words without a meter, and while it is unknown; grade is "", "warn" or "bad"
 */
export function batteryOf(state, say) {
  const { battery, host } = state ?? {};
  const { battery_percent: percent, battery_v: volts } = host ?? {};
  if (!battery || !known(volts)) return { words: "", grade: "" };
  if (!battery.plausible) return { words: say("battery.divider"), grade: "warn" };
  const charge = known(percent) ? gradeOf(CHARGE, host) : "";
  const grade = ["slow", "stop"].includes(battery.level) ? "bad" : charge || battery.level.replace("ok", "");
  const words = known(percent) ? say("battery.percent", { percent, dot: battery.at_rest ? "" : " •" }) : say("battery.volts", { volts });
  return { words, grade };
}

/**
 * The rows of the settings. They leave out unknown facts: a laptop has no such sensor.
 *
 * @param {any} host of a state
 * @param {(key: string, values?: object) => string} say
 * @returns {{name: string, value: string, grade: string}[]} grade is "", "warn" or "bad"
 */
export function healthOf(host, say) {
  const facts = FACTS.filter((fact) => fact.health && gradeOf(fact, host) !== "unknown");
  return facts.map((fact) => {
    const words = `health.${fact.health}`;
    const value = say(`${words}.${formOf(fact, host)}`, valuesOf(fact, host));
    return { name: say(words), value, grade: gradeOf(fact, host) };
  });
}

/** Which of the fact's words apply: yes or no, now or before; or its value. */
function formOf({ name, unit, seen = "" }, host) {
  if (unit !== "") return "value";
  return host[name] ? "now" : host[seen] ? "before" : known(host[seen]) ? "never" : "not-now";
}

function valuesOf({ name, unit }, host) {
  const value = host[name];
  if (unit === "s") return { h: Math.floor(value / 3600), min: Math.floor(value / 60) % 60 };
  return unit ? { value } : {};
}

/**
 * The cap in the bar: the reason why the car is slow.
 *
 * @param {any} state null without a link @param {(key: string, values?: object) => string} say
 * @returns {string} "" without a cap; of lasting caps the lower one
 */
export function capOf(state, say) {
  const { speed_cap: owner = 1, lesson, link, video } = state ?? {};
  const garage = lesson?.cap ?? 1;
  if (link?.cap < 1) return say("link.late");
  if (video?.cap < 1) return say("camera.slow");
  const whose = garage >= owner ? "owner" : isAway(lesson) ? "away" : "garage";
  const cap = Math.round(Math.min(owner, garage) * 100);
  return cap < 100 ? say(`limit.${whose}`, { cap }) : "";
}

/** @param {any} lesson of a state @returns {boolean} whether its garage is out of reach */
export const isAway = (lesson) => lesson.garage_s >= AWAY_S;

/**
 * The state of car and page in a word.
 *
 * @param {{quality: string, trouble: string, state: any, met: boolean}} seen `met`: the car was heard before
 * @returns {string} the last part of a key of the dictionary
 */
export function wordOf({ quality, trouble, state, met }) {
  if (trouble === "barred") return trouble;
  if (quality === "gone") return met ? "gone" : "connecting";
  if (held(state) && state.state === "disarmed") return "held";
  if (state.driver && state.you !== "driver" && state.state !== "stopped") return "other";
  if (state.battery?.level === "stop" && state.state === "disarmed") return "battery";
  return state.reason === "arming" ? "arming" : state.state;
}

/** @param {number} seconds @returns {string} minutes and seconds */
export const timeOf = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

export const milliseconds = (seconds) => Math.round(seconds * 1000);

export class Bar {
  #link;
  #sender;
  #say;
  #name;

  /** The first client in line for the wheel, undefined if this page does not drive. @type {string|undefined} */
  request;
  /** "good", "slow", "weak" or "gone". */
  quality = "gone";

  /**
   * @param {import("../link.js").Link} link
   * @param {import("../sticks.js").Sender} sender
   * @param {(key: string, values?: object) => string} say
   * @param {(client: string) => string} name of a client
   */
  constructor(link, sender, say, name) {
    this.#link = link;
    this.#sender = sender;
    this.#say = say;
    this.#name = name;
  }

  /** Show the newest state, or that there is none. */
  show() {
    const { state } = this.#link;
    this.#showCar();
    const { warnings, facts } = barOf(state?.host ?? {}, this.#say);
    text("host", warnings.join(" · "));
    text("facts", facts.join(" · "));
    const { words, grade } = batteryOf(state, this.#say);
    text("battery", words);
    byId("battery").dataset.grade = grade;
    this.#showDriver(state);
    this.#showRequest(state);
  }

  #showCar() {
    const car = this.#link.hello?.car;
    if (!car) return;
    text("car", car.name);
    attribute(byId("car"), "data-number", car.name.includes(car.number) ? "" : String(car.number ?? ""));
    property(byId("car"), "--colour", car.colour ? `#${car.colour}` : "");
    text("badge", this.#say(`badge.${car.backend}`) || this.#say("badge.real"));
    hide("look", car.backend !== "sim" && !car.camera);
    hide("hazard", !car.board.keeps_driving);
  }

  #showDriver(state) {
    const mine = state?.you === "driver";
    const taken = Boolean(state?.driver) && !mine;
    const who = this.#say(mine ? "driver.you" : taken ? "driver.other" : "driver.none", { client: this.#name(state?.driver) });
    const turn = state?.driver && state.turn ? `${timeOf(state.turn.left_s)} · ` : "";
    text("driver", state ? turn + who : "");
    const waiting = state?.waiting;
    byId("ask").dataset.does = mine ? "release" : waiting ? "waiting" : taken ? "other" : "take";
    text("ask", this.#say(`ask.${byId("ask").dataset.does}`));
    hide("record", !mine || !this.#link.hello?.car.recording);
    const idle = String(!state || taken || held(state) || state.state === "stopped");
    for (const pad of ["throttle", "steering", "stick"]) attribute(byId(pad), "aria-disabled", idle);
    document.body.dataset.idle = idle;
  }

  #showRequest(state) {
    this.request = state?.you === "driver" ? state.requests[0] : undefined;
    const more = (state?.requests_total ?? 0) - 1;
    text("asks", this.request ? this.#say(more > 0 ? "asks.more" : "asks", { client: this.#name(this.request), more }) : "");
  }

  /** Show the link. A timer calls this as well: the link gets worse while no message arrives. @param {number} now s */
  showLink(now) {
    const link = this.#link;
    const { state } = link;
    const limit_s = link.hello?.command_timeout_s ?? 0.5;
    const age_s = state?.link.age_s ?? null;
    const hasty = this.#sender.driving || this.quality === "gone"; // only a new state ends "Signal lost", not a lifted thumb
    const patience_s = hasty ? limit_s + LOST_MARGIN_S : LOST_S;
    const lost = !state || link.quiet(now) > patience_s;
    const quality = lost ? "gone" : link.clogged(now) ? "weak" : link.slow(now) !== null ? "slow" : "good";
    this.quality = document.body.dataset.link = quality;
    const moves = state?.wanted.throttle || state?.wanted.steering;
    const live = quality === "good" && moves && age_s !== null;
    const name = quality === "good" && !live ? "idle" : quality;
    text("age", this.#say(`link.${name}`, { age: milliseconds(age_s ?? 0) }));
    const spent = quality !== "good" ? 1 : live ? Math.min(1, age_s / limit_s) : 0;
    property(byId("lease"), "--spent", spent.toFixed(2));
    const trip = link.trip === null ? 0 : milliseconds(link.trip);
    text("trip", trip ? this.#say("link.trip", { trip }) : "");
  }
}
