/**
 * The record button of the driver, and the red dot with time and size that everybody sees while the car records.
 *
 * The car records; this page only asks for it. It loads with the first press, or when the car records.
 */

import { attribute, byId, dress, hide, write } from "../shell/shell.js";
import { timeOf } from "../hud/bar.js";

const DOT = '<span id="taping" hidden><i></i><b role="status"></b><span></span></span>';

/** @param {number} bytes @returns {string} in MB */
export const sizeOf = (bytes) => (bytes / 1e6).toFixed(bytes < 1e5 ? 2 : bytes < 1e7 ? 1 : 0);

export default class Record {
  #tools;
  /** Why the last recording ended, as long as the car says so. */ #ended = "";
  #runs = false;

  /** @param {import("../shell/shell.js").Tools} tools */
  constructor(tools) {
    this.#tools = tools;
    dress("/static/recording.css");
    byId("info").insertAdjacentHTML("afterbegin", DOT);
    tools.onRefusal((code) => code.startsWith("recording_") && tools.note(`recording.${code}`));
    tools.words.listen(() => this.show());
    this.show();
  }

  /** Start a recording, or end it. */
  toggle() {
    const { link, note } = this.#tools;
    if (!link.drives) return note("recording.wheel");
    link.request("record", { on: !this.#runs });
  }

  /** Show the newest state. */
  show() {
    const { link, note, words } = this.#tools;
    const { s, bytes = 0, ended = "" } = link.state?.recording ?? {};
    const runs = s !== undefined;
    if (ended && ended !== this.#ended) note(`recording.ended.${ended}`);
    else if (this.#runs && !runs && link.drives) note("recording.saved");
    this.#ended = ended;
    this.#runs = runs;
    hide("taping", !runs);
    const [, word, values] = byId("taping").children;
    write(word, runs ? words.say("recording.runs") : "");
    write(values, runs ? words.say("recording.size", { time: timeOf(s), size: sizeOf(bytes) }) : "");
    attribute(byId("record"), "aria-pressed", String(runs));
    attribute(byId("record"), "aria-label", words.say(runs ? "recording.stop" : "record"));
  }
}
