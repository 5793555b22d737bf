/**
 * The facts about the car's computer: one row each. The bar of the HUD and the rows of the settings loop over this table.
 *
 * A new fact is one row here and its words: `host.<name>` for the bar, `health.<health>` for the settings.
 */

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
];

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
