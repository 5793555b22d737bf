/**
 * How the car's computer is, fact by fact: what the car does not know is "unknown", and never left out.
 */

import { BUSY_PERCENT, HOT_C, WEAK_DBM } from "../hud/hud.js";

const TOO_HOT_C = 80; // here a Pi slows itself down

/**
 * @param {any} host of a state
 * @param {(key: string, values?: object) => string} say
 * @returns {{name: string, value: string, grade: string}[]} grade is "", "warn", "bad" or "unknown"
 */
export function healthOf(host, say) {
  const { temperature_c, wifi_dbm, cpu_percent, uptime_s } = host;
  const line = (name, { key = "value", values = {}, grade = "" }) => ({
    name: say(`health.${name}`),
    value: grade === "unknown" ? say("health.unknown") : say(`health.${name}.${key}`, values),
    grade,
  });
  return [
    line("voltage", trouble(host.under_voltage, host.under_voltage_seen)),
    line("throttled", trouble(host.throttled, host.throttled_seen)),
    line("temperature", number(temperature_c, temperature_c >= HOT_C, temperature_c >= TOO_HOT_C)),
    line("wifi", number(wifi_dbm, wifi_dbm <= WEAK_DBM)),
    line("cpu", number(cpu_percent, cpu_percent >= BUSY_PERCENT)),
    line("uptime", known(uptime_s) ? { values: clockOf(uptime_s) } : { grade: "unknown" }),
  ];
}

const known = (value) => value !== null && value !== undefined;

function number(value, warn, bad = false) {
  if (!known(value)) return { grade: "unknown" };
  return { values: { value }, grade: bad ? "bad" : warn ? "warn" : "" };
}

/** What is the case now is bad; what only was, a warning. */
function trouble(now, seen) {
  if (now) return { key: "now", grade: "bad" };
  if (seen) return { key: "before", grade: "warn" };
  if (!known(now)) return { grade: "unknown" };
  return { key: known(seen) ? "never" : "not-now" };
}

function clockOf(seconds) {
  return { h: Math.floor(seconds / 3600), min: Math.floor(seconds / 60) % 60 };
}
