/**
 * The recordings on the car: a list, and for each one the player, replay, download and delete. The newest is first.
 */

import { timeOf } from "../hud/bar.js";
import { Dialog, byId, get, post } from "../panels/dialog.js";
import { dress, hide, write } from "../shell/shell.js";
import { PLAYER, Player } from "./player.js";
import { sizeOf } from "./record.js";
import { addressOf } from "./timeline.js";

const PATH = "/api/v1/recordings";
const BACK = `<button id="recordings-back" class="round" type="button" data-i18n-label="back" hidden>
  <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M15 5l-7 7 7 7"/></svg></button>`;
const FIELDS = `<div class="fields" tabindex="-1">
  <section id="shelf"><ul id="recordings-list"></ul><p id="recordings-none" class="note"></p>
    <button id="recordings-save" class="wide" type="button" data-i18n="recordings.save"></button>
    <p class="note" data-i18n="recordings.save.note"></p></section>
  <section id="player" hidden>${PLAYER}<div id="deeds"><button id="recordings-replay" type="button" data-i18n="recordings.replay"></button>
      <a id="recordings-download" data-i18n="recordings.download" download></a><button id="recordings-delete" type="button"></button></div>
    <p class="note" data-i18n="recordings.replay.note"></p></section>
  <p id="recordings-answer" role="status"></p>
</div>`;

export default class Recordings {
  #dialog;
  #tools;
  #player;
  /** @type {any[]} */ #list = [];
  /** Name of the open one. */ #name = "";
  /** Whether the next press deletes it. */ #sure = false;

  /** @param {import("../shell/shell.js").Tools} tools */
  constructor(tools) {
    this.#tools = tools;
    const { element } = (this.#dialog = new Dialog("recordings", tools, FIELDS, { before: BACK }));
    this.#player = new Player(tools.words);
    element.addEventListener("close", () => this.#turnTo(""));
    element.addEventListener("cancel", (event) => this.#name && event.cancelable && (event.preventDefault(), this.#turnTo("")));
    const does = { back: () => this.#turnTo(""), save: () => this.#save(), replay: () => this.#replay(), delete: () => this.#delete() };
    for (const [name, act] of Object.entries(does)) byId(`recordings-${name}`).addEventListener("click", act);
    byId("recordings-delete").addEventListener("blur", () => this.#ask(false));
    tools.words.listen(() => this.#show());
  }

  async open() {
    this.#tell("");
    await Promise.all([dress("/static/recording.css"), this.#dialog.show()]);
    if (!(await this.#load())) this.#tell("error.gone");
  }

  /** @returns {Promise<boolean>} whether the car has answered */
  async #load() {
    const answer = await get(PATH);
    this.#list = answer?.recordings ?? this.#list;
    this.#show();
    return answer !== null;
  }

  #show() {
    write(byId("recordings-none"), this.#list.length ? "" : this.#tools.words.say("recordings.none"));
    byId("recordings-list").replaceChildren(...this.#list.map((one) => this.#row(one)));
    this.#turnTo(this.#name);
  }

  #row(one) {
    const { name, s, bytes, pictures, live } = one;
    const element = (tag, fields, ...inside) => {
      const made = Object.assign(document.createElement(tag), fields);
      made.append(...inside);
      return made;
    };
    const kind = s === null ? (live ? "live" : "broken") : name.includes("-flight") ? "flight" : "facts";
    const facts = this.#tools.words.say(`recordings.${kind}`, { time: timeOf(s ?? 0), size: sizeOf(bytes) });
    const picture = pictures ? element("img", { src: addressOf(name, ".jpg"), alt: "", loading: "lazy" }) : element("i", {});
    const text = element("span", {}, element("b", { textContent: titleOf(one) }), element("small", { textContent: facts }));
    return element("li", {}, element("button", { type: "button", value: name, disabled: s === null, onclick: () => this.#turnTo(name) }, picture, text));
  }

  /** @param {string} name of a recording, "" for the list; the focus goes to its title, or back to its button */
  #turnTo(name) {
    const [before, one] = [this.#name, this.#list.find((each) => each.name === name)];
    this.#name = name;
    hide("shelf", name !== "");
    for (const id of ["player", "recordings-back"]) hide(id, name === "");
    write(byId("recordings-title"), one ? titleOf(one) : this.#tools.words.say("recordings.title"));
    byId("recordings-download").href = addressOf(name, ".mcap");
    this.#ask(false);
    if (name === before) return;
    this.#tell("");
    this.#player.close();
    if (name) this.#player.open(name);
    byId("recordings").querySelector(".fields").scrollTop = 0;
    byId("recordings-title").tabIndex = -1;
    (name ? byId("recordings-title") : this.#dialog.element.querySelector(`[value="${before}"]`))?.focus();
  }

  #replay() {
    const name = this.#name;
    for (const dialog of /** @type {NodeListOf<HTMLDialogElement>} */ (document.querySelectorAll("dialog[open]"))) dialog.close();
    this.#tools.replay(name);
  }

  /** The button asks before it deletes: a second press within the focus means yes. @param {boolean} sure */
  #ask(sure) {
    this.#sure = sure;
    write(byId("recordings-delete"), this.#tools.words.say(sure ? "recordings.sure" : "recordings.delete"));
  }

  async #delete() {
    if (!this.#sure) return (byId("recordings-delete").focus(), this.#ask(true));
    const answer = await fetch(addressOf(this.#name, ".mcap"), { method: "DELETE" }).catch(() => null);
    if (!answer?.ok) return this.#tell("error.delete");
    this.#turnTo("");
    await this.#load();
    this.#tell("deleted");
    byId("recordings-save").focus();
  }

  async #save() {
    this.#tell("saving");
    const { status, answer } = await post(PATH, {});
    if (status === 201) await this.#load();
    this.#tell(status === 201 ? "saved" : answer.error?.code === "recording_off" ? "off" : "error.save");
  }

  #tell(key) {
    write(byId("recordings-answer"), key && this.#tools.words.say(`recordings.${key}`));
  }
}

/** The clock of a car without a network may be wrong; an unreadable file has no time. */
function titleOf({ name, start }) {
  const { lang } = document.documentElement;
  const locale = navigator.languages.find((own) => own.startsWith(lang)) ?? lang; // en-GB writes dates unlike en-US
  return start ? new Date(start * 1000).toLocaleString(locale, { dateStyle: "medium", timeStyle: "medium" }) : name;
}
