/**
 * Tells the car its calibration, and sees whether it follows: over the link, for only the driver may, and read back over HTTP.
 */

import { clock } from "../sticks.js";

/** A wheel that rolls out, or a brake, may take so long before the car stands. */
const PATIENCE_S = 4.0;
const PAUSE_MS = 200;

const pause = () => new Promise((done) => setTimeout(done, PAUSE_MS));
const same = (a, b) => Object.keys(a).every((key) => Math.abs(Number(a[key]) - Number(b[key])) < 1e-6);

/** @returns {Promise<any>} what the car follows and where that is from, null when it does not answer */
export async function ask() {
  const answer = await fetch("/api/v1/calibration").catch(() => null);
  return answer?.ok ? answer.json().catch(() => null) : null;
}

/**
 * @param {import("../link.js").Link} link
 * @param {import("./finding.js").Calibration|null} calibration null goes back to the configuration
 * @returns {Promise<any>} what `ask` returns once the car follows; null when it does not within some seconds
 */
export async function tell(link, calibration) {
  const giveUpAt = clock() + PATIENCE_S;
  while (clock() < giveUpAt) {
    if (link.state?.you !== "driver") say(link, "take");
    else say(link, calibration ? "calibrate" : "uncalibrate", calibration ?? {});
    await pause();
    const told = await ask();
    if (told && (calibration ? same(calibration, told.calibration) : told.origin === "configuration")) return told;
  }
  return null;
}

function say(link, type, fields = {}) {
  if (link.state) link.say(type, { ...fields, tick: link.tick });
}
