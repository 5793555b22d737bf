/**
 * What the garage page says about its cars: pure functions of the cards that the garage sends (docs/classroom.md).
 *
 * @typedef {Record<string, any>} Car a card of `picar.garage.v1`
 * @typedef {(key: string, values?: object) => string} Say
 */

/** At this charge in percent a battery is low: the same as on the car's page. */
const LOW = 20;
/** Share of black and white text: the luminance at which both have the same contrast (WCAG 2.2). */
const EVEN = 0.179;
/** States of a live car that have a colour. */
const TONES = { armed: "good", arming: "warn", failsafe: "warn", held: "warn", stopped: "bad", lost: "bad", silent: "warn", apart: "warn" };
const UNHEARD = ["silent", "lost", "last", "apart"];

/** @type {Record<string, (car: Car) => boolean>} the filters, in the order of their buttons */
export const FILTERS = {
  all: () => true,
  unheard: (car) => UNHEARD.includes(car.presence),
  low: (car) => car.under_voltage === true || (car.battery_percent ?? 100) <= LOW,
};

/** @param {Car} car which may have no name yet */
export const nameOf = (car) => car.name || car.id;

/** @param {Car} a @param {Car} b by number, then by name */
export const order = (a, b) => (a.number || 100) - (b.number || 100) || nameOf(a).localeCompare(nameOf(b)) || (a.id < b.id ? -1 : 1);

/** @param {number|null} seconds @param {Say} say */
export function since(seconds, say) {
  const unit = (seconds ?? 0) < 100 ? "s" : (seconds ?? 0) < 6000 ? "min" : "h";
  return say(`garage.time.${unit}`, { n: Math.floor((seconds ?? 0) / { s: 1, min: 60, h: 3600 }[unit]) });
}

/** @param {Car} car @returns {string} presence of a car that is not live, else its state; a held car at rest is "held" */
export function conditionOf({ presence, state, lesson }) {
  if (presence !== "live") return presence;
  return lesson === "hold" && state === "disarmed" ? "held" : (state ?? "live");
}

/** @param {Car} car @returns {string} good, warn, bad or "" */
export const toneOf = (car) => TONES[conditionOf(car)] ?? "";

/** @param {Car} car @param {Say} say @returns {string} its condition in words */
export function wordOf(car, say) {
  const condition = conditionOf(car);
  return say(`garage.is.${condition}`, { time: since(car.silent_s, say) }) || say(`state.${condition}`) || condition;
}

/** @param {string} colour six hex digits @returns {string} black or white, the better one on this colour */
export function inkOn(colour) {
  const [r, g, b] = [0, 2, 4].map((at) => (parseInt(colour.slice(at, at + 2), 16) / 255) ** 2.2);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > EVEN ? "#000000" : "#ffffff";
}

/**
 * The rows of a table that are on the screen, and as many beside them.
 *
 * @param {number} top of the table in the window, px @param {number} height of the window, px @param {number} row height, px
 * @returns {[number, number]} the first, and the one after the last
 */
export function rowsIn(top, height, row, count) {
  const first = Math.floor(-top / row);
  const more = Math.ceil(height / row);
  return [Math.max(0, Math.min(first - 5, count)), Math.max(0, Math.min(first + more + 6, count))];
}

/** @param {{stopped: number, of: number, missing: string[], after_s: number}} round an answer @param {Say} say */
export function lineOf({ stopped, of, missing, after_s }, say) {
  if (!of) return say("garage.stopped.none");
  const after = after_s < 0.1 ? say("garage.under", { n: "0.1" }) : after_s.toFixed(1);
  return say("garage.stopped", { stopped, of, after }) + (missing.length ? say("gap") + say("garage.missing") + say("colon").trimEnd() : "");
}

/** @param {string} id @param {Car|undefined} car which has not confirmed STOP @param {Say} say @returns {string} its name and why */
export function missingOf(id, car, say) {
  const why = say(`garage.why.${car?.presence}`, { time: since(car?.silent_s, say) }) || say("garage.why.live");
  return say("garage.who", { name: nameOf(car ?? { id }), why });
}
