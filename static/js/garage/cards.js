/**
 * The cards on the page: a grid of cards, or above GRID_MOST a table that draws only the rows on the screen.
 *
 * A card is drawn when its car has changed, and writes only what differs. Names and texts of cars are text, never markup.
 */

import { attribute, byId, property, write } from "../shell/shell.js";
import { FILTERS, conditionOf, inkOn, nameOf, rowsIn, toneOf, wordOf } from "./rules.js";

/** With more cars than this, the page has a table. */
const GRID_MOST = 60;
/** What a car calls a driver without a name. */
const NAMELESS = /^c\d+$/;
const SILENT = "M12 3a9 9 0 1 0 0 18a9 9 0 1 0 0-18M12 7v5l3 3";
const LOST = "M2 9a15 15 0 0 1 20 0M9 16.500a5 5 0 0 1 6 0M3 3l18 18";
/** Paths of the icons, by the condition of a car. */
const ICONS = {
  ...{ armed: "M7 4l13 8-13 8z", arming: "M7 4l13 8-13 8z", disarmed: "M4 12l6 6L20 6", held: "M8 5v14M16 5v14" },
  ...{ stopped: "M8 2h8l6 6v8l-6 6H8l-6-6V8zM12 7v6M12 17v0", off: "M12 3v9M6 6a9 9 0 1 0 12 0", new: "M12 4v16M4 12h16" },
  ...{ apart: "M12 2v20M9 12H2m3-3-3 3 3 3m10-3h7m-3-3 3 3-3 3", silent: SILENT, last: SILENT, lost: LOST, failsafe: LOST },
};

/** The card or row of one car. */
class Row {
  element = byId("row").content.cloneNode(true).firstElementChild;
  /** @type {Record<string, any>} its elements, by class */ #parts;
  /** @type {any[]} what is drawn: a changed car is another object */ #drawn = [];

  /** @param {string} id of the car @param {import("../shell/shell.js").Words} words */
  constructor(id, words) {
    words.fill(this.element);
    this.element.dataset.id = id;
    this.#parts = Object.fromEntries([...this.element.querySelectorAll("[class]")].map((part) => [part.getAttribute("class"), part]));
  }

  /** @param {import("./rules.js").Car} car @param {boolean} held by a lesson of its own @param {boolean} teacher @param {any} say */
  draw(car, held, teacher, say) {
    const now = [car, held, teacher];
    if (now.every((value, index) => value === this.#drawn[index])) return;
    this.#drawn = now;
    const { element } = this;
    const parts = this.#parts;
    const { presence, colour, battery_percent: percent, battery_v: volts } = car;
    const paint = /^[0-9a-f]{6}$/i.test(colour ?? "") ? colour : "808080";
    property(element, "--colour", `#${paint}`);
    property(element, "--on-colour", inkOn(paint));
    attribute(element, "data-presence", presence);
    attribute(element, "data-tone", toneOf(car));
    attribute(parts.icon, "d", ICONS[conditionOf(car)] ?? ICONS.disarmed);
    const charge = percent !== null ? say("battery.percent", { percent, dot: "" }) : volts && say("battery.volts", { volts });
    const broken = presence === "apart" ? { code: "apart" } : car.problem;
    const texts = {
      number: String(car.number || "·"),
      name: nameOf(car),
      word: wordOf(car, say),
      driver: car.driver ? say("driver.other", { client: NAMELESS.test(car.driver) ? say("client") : car.driver }) : "",
      age: presence === "live" && car.link_ms !== null ? say("garage.ms", { n: Math.round(car.link_ms) }) : "",
      battery: car.under_voltage ? say("host.under_voltage") : charge || "",
      capped: (car.speed_cap ?? 1) < 1 ? say("garage.capped", { percent: Math.round(car.speed_cap * 100) }) : "",
      problem: broken ? say(`garage.problem.${broken.code}`) || broken.message : "",
    };
    for (const [part, words] of Object.entries(texts)) write(parts[part], words);
    attribute(parts.battery, "data-low", String(FILTERS.low(car)));
    attribute(parts.drive, "href", `/drive/${encodeURIComponent(car.id)}`);
    attribute(parts.drive, "target", teacher ? "_blank" : "_self"); // a teacher keeps the garage page
    attribute(parts.hold, "aria-pressed", String(held));
    const apart = presence === "apart";
    const ours = car.adopted && car.problem?.code !== "not_paired";
    const hidden = { drive: !ours, code: !ours, hold: apart || presence === "new", adopt: ours || apart };
    for (const [part, isHidden] of Object.entries(hidden)) parts[part].toggleAttribute("hidden", isHidden);
    for (const part of ["hold", "code", "adopt"]) parts[part].toggleAttribute("disabled", !teacher);
  }
}

/** All cards, in their order. */
export class Cards {
  #list = byId("cars");
  #words;
  /** @type {Map<string, Row>} by id of the car */ #rows = new Map();

  /** @param {import("../shell/shell.js").Words} words @param {Record<string, (id: string) => void>} acts of the buttons, by class */
  constructor(words, acts) {
    this.#words = words;
    words.listen(() => this.#rows.clear()); // their words are of another language
    this.#list.addEventListener("click", ({ target }) => acts[target.className]?.(target.closest("li").dataset.id));
  }

  /** @param {import("./rules.js").Car[]} shown in their order @param {any} garage what its messages say */
  show(shown, { own, teacher }) {
    const table = shown.length > GRID_MOST;
    attribute(this.#list, "data-view", table ? "table" : "grid");
    property(this.#list, "--count", String(shown.length));
    const { top, height } = this.#list.getBoundingClientRect();
    const [first, end] = table ? rowsIn(top, innerHeight, height / shown.length, shown.length) : [0, Infinity];
    const focused = document.activeElement?.closest("li")?.dataset.id; // its row stays
    const wanted = shown.flatMap((car, at) => {
      if ((at < first || at >= end) && car.id !== focused) return [];
      const row = this.#rows.get(car.id) ?? new Row(car.id, this.#words);
      this.#rows.set(car.id, row);
      row.draw(car, own[car.id]?.mode === "hold", teacher, this.#words.say);
      property(row.element, "--at", String(at));
      attribute(row.element, "aria-posinset", String(at + 1));
      attribute(row.element, "aria-setsize", String(shown.length));
      return [row.element];
    });
    arrange(this.#list, wanted);
  }
}

/** Give a list these children, and move none that is in its place: a moved element loses the focus. @param {Element} list @param {Element[]} wanted */
export function arrange(list, wanted) {
  for (const old of [...list.children]) if (!wanted.includes(old)) old.remove();
  wanted.forEach((element, at) => list.children[at] !== element && list.insertBefore(element, list.children[at]));
}
