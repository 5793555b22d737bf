/**
 * The page around its features: preferences, words, buttons, the parts that load on demand, and the session.
 *
 * One file, because a first visit may take at most twelve requests. It holds nothing that drives the car.
 * Preferences stay in the localStorage of this browser; a stored value that is not (or no longer) valid counts as the default.
 */

import { Changing } from "../sticks.js";

const PLACE = "picar";
const RETRY_MS = 1000;
/** A click follows its finger within this time. */
const CLICK_MS = 300;
const BUZZ_MS = { stopped: [160], failsafe: [60, 60, 60], frozen: [80], obstacle: [40], limit: [15] };
export const LANGUAGES = ["en", "zh-CN"];

/** Every preference: the default first, then the other choices; a number has a range. */
export const PREFERENCES = {
  layout: ["thumbs", "stick", "arrows", "tilt"],
  swap: [false, true],
  deadzone: { usual: 0, least: 0, most: 0.3 },
  expo: { usual: 0, least: 0, most: 0.9 },
  limit: { usual: 0.3, least: 0.05, most: 1 }, // speed limit, a share of the cap: a new phone begins in gear 1
  theme: ["auto", "light", "dark", "outdoor"],
  language: ["auto", ...LANGUAGES],
  view: ["follow", "fit"],
  scene: ["camera+map", "camera", "map", "map+camera"], // the large one first
  quality: ["auto", "low"],
  vibration: [true, false],
  awake: [true, false],
  guest: [false, true], // no choice: whether this phone is a guest, or was one
};

/**
 * The list of the parts that load on demand. Each is one module; its default export is a class, constructed once.
 *
 * A part with `open` is a dialog. With `needs` it gets a button in the settings, labelled by the word `<name>.title`;
 * `needs` says when the button works (`Settings` has the list). `words` names the dictionary of the part, if it has one.
 */
export const PARTS = {
  sim: { load: () => import("../sim/view.js") },
  video: { load: () => import("../video/video.js") },
  arrows: { load: () => import("../inputs/arrows.js") },
  gamepad: { load: () => import("../inputs/gamepad.js") },
  tilt: { load: () => import("../inputs/tilt.js") },
  aux: { load: () => import("../aux/aux.js"), words: "aux" },
  wake: { load: () => import("./wake.js") },
  obstacle: { load: () => import("../hud/obstacle.js"), words: "obstacle" },
  record: { load: () => import("../recording/record.js"), words: "recording" },
  replay: { load: () => import("../recording/replay.js"), words: "recording" },
  settings: { load: () => import("../panels/settings.js") },
  pair: { load: () => import("../panels/pair.js") },
  lift: { load: () => import("../panels/lift.js") },
  tune: { load: () => import("../tune/tune.js"), words: "tune", needs: "free" },
  recordings: { load: () => import("../recording/recordings.js"), words: "recording", needs: "link" },
  invite: { load: () => import("../panels/invite.js"), needs: "link" },
  wifi: { load: () => import("../panels/wifi.js"), words: "wifi", needs: "link" },
  power: { load: () => import("../panels/power.js"), needs: "link" },
};

/**
 * Everything that the page gives to a part.
 *
 * @typedef {object} Tools
 * @property {Preferences} preferences
 * @property {Words} words
 * @property {import("../link.js").Link} link
 * @property {import("../sticks.js").Sticks} sticks what all inputs want
 * @property {import("../hud/hud.js").Hud} hud
 * @property {(key: string, values?: object) => void} note show a message for some seconds
 * @property {() => void} stop send STOP
 * @property {(step: number) => void} limit change the speed limit by this share of max_speed
 * @property {() => void} lifted a finger, key or stick came up
 * @property {() => void} letGo release every input
 * @property {() => boolean} driving whether the sticks go to the car
 * @property {(release: () => void) => void} onLetGo call this too whenever every input is released
 * @property {(hear: (code: string) => void) => void} onRefusal call this with the code of each refusal
 * @property {() => void} record record, or stop recording
 * @property {(name: string) => void} replay prepare the replay of a recording
 * @property {(name: PanelName, options?: object) => Promise<boolean>} open a dialog; every input is released first
 * @property {import("../aux/aux.js").default} [aux] lights, horns, pan and tilt, for the gamepad
 */
/** @typedef {keyof typeof PARTS} PartName */
/** @template {PartName} Name @typedef {InstanceType<Awaited<ReturnType<typeof PARTS[Name]["load"]>>["default"]>} Made */
/** @typedef {{[Name in PartName]: Made<Name> extends {open: (options: any) => unknown} ? Name : never}[PartName]} PanelName */

/** @param {string} id @returns {any} the element; the markup determines its kind */
export const byId = (id) => document.getElementById(id);

/** Write a text unless it is there: a screen reader reads each written text. @param {Element} element @param {string} words */
export function write(element, words) {
  if (element.textContent !== words) element.textContent = words;
}

/** @param {string} id @param {string} words */
export const text = (id, words) => write(byId(id), words);

/** @param {string} id @param {boolean} hidden */
export const hide = (id, hidden) => (byId(id).hidden = hidden);

/** Set an attribute unless it has this value. @param {Element} element @param {string} name @param {string} value */
export function attribute(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** Set a property of the style unless it has this value. @param {HTMLElement} element @param {string} name @param {string} value */
export function property(element, name, value) {
  if (element.style.getPropertyValue(name) !== value) element.style.setProperty(name, value);
}

/**
 * Load a thing that the page cannot do without, again and again until it arrives.
 *
 * @template Thing @param {() => Promise<Thing>} load @returns {Promise<Thing>}
 */
export async function surely(load) {
  try {
    return await load();
  } catch {
    await new Promise((wake) => setTimeout(wake, RETRY_MS));
    return surely(load);
  }
}

/** @type {Record<string, Promise<void>>} requested style sheets */ const dressed = {};

/** Load a style sheet, again and again until it arrives. @param {string} href @returns {Promise<void>} the end of the first try */
export function dress(href) {
  dressed[href] ??= new Promise((tried) => surely(() => new Promise((done, fail) => {
    const sheet = Object.assign(document.createElement("link"), { rel: "stylesheet", href, onload: done, onerror: () => fail(sheet.remove()) });
    document.head.append(sheet);
  }).finally(tried)));
  return dressed[href];
}

/** @param {any} rule of PREFERENCES @param {any} value @returns {boolean} whether the rule allows the value */
function allows(rule, value) {
  if (Array.isArray(rule)) return rule.includes(value);
  return typeof value === "number" && value >= rule.least && value <= rule.most;
}

/** The choices of this phone's user. Listeners get the name of the changed preference. */
export class Preferences extends Changing {
  /** @type {Record<string, any>} */ #values = {};
  #storage;

  /** @param {() => Storage} storage called for each access: a browser may refuse it */
  constructor(storage) {
    super();
    this.#storage = storage;
    let kept = {};
    try {
      kept = JSON.parse(storage().getItem(PLACE) ?? "{}") ?? {};
    } catch {
      // No stored preferences, or unreadable ones.
    }
    for (const [name, rule] of Object.entries(PREFERENCES)) {
      const usual = Array.isArray(rule) ? rule[0] : rule.usual;
      this.#values[name] = allows(rule, kept[name]) ? kept[name] : usual;
    }
  }

  /** @param {string} name @returns {any} */
  get(name) {
    return this.#values[name];
  }

  /** @param {string} name @param {any} value */
  set(name, value) {
    if (!allows(PREFERENCES[name], value) || this.#values[name] === value) return;
    this.#values[name] = value;
    try {
      this.#storage().setItem(PLACE, JSON.stringify(this.#values));
    } catch {
      // The value then lasts until the page is closed.
    }
    this.changed(name);
  }

  /** Set theme, layout and view on the page. */
  arrange() {
    const theme = this.get("theme");
    const bright = matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark";
    document.documentElement.dataset.theme = theme === "auto" ? bright : theme;
    for (const name of ["layout", "swap", "view"]) document.body.dataset[name] = this.get(name);
  }
}

/** @param {readonly string[]} wanted best first @returns {string} one of LANGUAGES */
export function chooseLanguage(wanted) {
  const base = (tag) => tag.toLowerCase().split("-")[0];
  const matches = wanted.map((tag) => LANGUAGES.find((language) => base(language) === base(tag)));
  return matches.find(Boolean) ?? LANGUAGES[0];
}

/** The dictionary: all text on the page comes from it. Its listeners are called after a change of the language. */
export class Words extends Changing {
  /** By the names of their files. @type {Record<string, Record<string, string>>} */ #dictionaries = {};
  /** What these names begin with: the words of the page, and of parts. */ #files = new Set([""]);
  /** What the keys of this page's own words begin with. */ #own;
  #language = "";
  /** The language on the page, whose words have arrived. */ #shown = "";

  /** @param {string} own name of a part whose words replace those of the page: `own.key` goes before `key` */
  constructor(own = "") {
    super();
    this.#own = own && `${own}.`;
    this.#files.add(this.#own);
  }

  /** @param {string} key @param {object} values for {names} @returns {string} in the user's language, or "" */
  say = (key, values = {}) => {
    const look = (name) => [...this.#files].map((file) => this.#dictionaries[file + this.#shown]?.[name]).find(Boolean);
    const found = look(this.#own + key) ?? look(key);
    return (found ?? "").replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
  };

  /** @param {string} preference a language, or "auto"; loading is repeated until its words arrive */
  async speak(preference) {
    const language = preference === "auto" ? chooseLanguage(navigator.languages) : preference;
    this.#language = language;
    await surely(async () => language === this.#language && this.#load(language));
    if (language !== this.#language) return; // another language was chosen meanwhile
    this.#shown = document.documentElement.lang = language;
    this.fill(document);
    this.changed();
  }

  /** Load the words of a part, in every language from now on. @param {string} part @returns {Promise<void>} */
  learn(part) {
    this.#files.add(`${part}.`);
    return this.#load(this.#language);
  }

  async #load(language) {
    const missing = [...this.#files].map((file) => file + language).filter((name) => !this.#dictionaries[name]);
    await Promise.all(missing.map(async (name) => {
      const answer = await fetch(`/static/i18n/${name}.json`);
      if (!answer.ok) throw new Error(answer.statusText);
      this.#dictionaries[name] = await answer.json();
    }));
  }

  /** @param {ParentNode} root whose marked elements get their words */
  fill(root) {
    for (const element of /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll("[data-i18n]"))) {
      element.textContent = this.say(element.dataset.i18n ?? "");
    }
    for (const element of /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll("[data-i18n-label]"))) {
      element.setAttribute("aria-label", this.say(element.dataset.i18nLabel ?? ""));
    }
  }
}

/**
 * Call `act` when a finger comes up on the button: a browser sends no click for a second finger.
 *
 * The finger must have come down on the visible button. A browser sends a click, and after a hang a pointerdown, also
 * for a finger that was there before the button appeared.
 *
 * @param {string} id of the button @param {() => void} act
 */
export function tap(id, act) {
  const button = byId(id);
  /** @type {number|null} */ let pointer = null;
  let [shownAt, liftedAt] = [-Infinity, -Infinity]; // ms, as the timeStamp of an event
  new MutationObserver(() => (shownAt = performance.now())).observe(button, { attributeFilter: ["hidden"] });
  button.addEventListener("pointerdown", ({ pointerId, timeStamp }) => timeStamp > shownAt && (pointer = pointerId));
  addEventListener("pointercancel", ({ pointerId }) => pointerId === pointer && (pointer = null));
  addEventListener("pointerup", ({ pointerId, clientX, clientY, timeStamp }) => {
    liftedAt = timeStamp;
    if (pointerId !== pointer) return;
    pointer = null;
    if (button.contains(document.elementFromPoint(clientX, clientY))) act();
  });
  // Keyboard and screen readers; the click that follows a finger does not count.
  button.addEventListener("click", ({ detail, timeStamp }) => (detail === 0 || timeStamp - liftedAt > CLICK_MS) && act());
}

/** A STOP button acts on the press. @param {HTMLElement} button @param {() => void} stop */
export function press(button, stop) {
  button.addEventListener("pointerdown", stop);
  button.addEventListener("click", (event) => event.detail === 0 && stop()); // Enter, screen readers
}

/** Vibrate, if the user has touched the page: else browsers log a warning. @param {string} why @param {Preferences} preferences */
export function buzz(why, preferences) {
  if (!BUZZ_MS[why] || !preferences.get("vibration")) return;
  if (navigator.userActivation?.hasBeenActive) navigator.vibrate?.(BUZZ_MS[why]);
}

/** Loads each part of PARTS once, when it is first wanted. */
export class Parts {
  #tools;
  /** @type {Partial<Record<PartName, Promise<any>>>} */ #wanted = {};

  /** @param {Tools} tools */
  constructor(tools) {
    this.#tools = tools;
  }

  /** Load a part, again and again until it arrives. @template {PartName} Name @param {Name} name @returns {Promise<Made<Name>>} */
  get(name) {
    this.#wanted[name] ??= surely(() => this.#load(name)).then((Part) => new Part(this.#tools));
    return /** @type {Promise<any>} */ (this.#wanted[name]);
  }

  /** @template {PartName} Name @param {Name} name @returns {Promise<Made<Name>>|undefined} undefined if not wanted so far */
  had(name) {
    return this.#wanted[name];
  }

  /**
   * Open a dialog. One that does not load now does not open later.
   *
   * @param {PanelName} name @param {object} options @returns {Promise<boolean>} whether it loaded
   */
  async open(name, options = {}) {
    this.#tools.letGo(); // while a dialog is open, this page does not drive
    if (!(await this.#load(name).catch(() => null))) return false;
    /** @type {any} */ (await this.get(name)).open(options);
    return true;
  }

  /** @param {PartName} name @returns {Promise<any>} its class */
  async #load(name) {
    try {
      const { load, words = "" } = /** @type {{load: () => Promise<any>, words?: string}} */ (PARTS[name]);
      const [part] = await Promise.all([load(), words && this.#tools.words.learn(words)]);
      return part.default;
    } catch (error) {
      this.#tools.note("why.missing");
      throw error;
    }
  }
}

/** Whether this page may use the car: pairing by link, the reason of a refusal, and an update of the car. */
export class Session {
  #tools;
  /** The version of the car that sent this page. @type {string|null} */
  #version = null;

  /** @param {Tools} tools */
  constructor(tools) {
    this.#tools = tools;
    addEventListener("hashchange", () => this.pair());
    this.pair();
  }

  /** Pair by the token in the address, which a QR code put there; remove it from the address at once. */
  pair() {
    const token = new URLSearchParams(location.hash.slice(1)).get("pair");
    if (!token) return;
    history.replaceState(null, "", location.pathname + location.search);
    this.#ask({ token });
  }

  /** Open the pairing dialog, again and again until it loads: nobody pressed a button that they could press again. */
  #ask(options) {
    return surely(async () => (await this.#tools.open("pair", options)) || Promise.reject());
  }

  /** Reload the page after an update of the car, once no dialog is open and no input is held. @param {any} hello */
  welcome({ car }) {
    const { hud, sticks } = this.#tools;
    this.#version ??= car.version;
    if (car.version === this.#version) return;
    const dialog = /** @type {HTMLDialogElement|null} */ (document.querySelector("dialog[open]"));
    if (!dialog && !sticks.held) return location.reload();
    hud.trouble = "outdated";
    dialog?.addEventListener("close", () => location.reload(), { once: true });
  }

  /** Find out why the WebSocket was refused: a browser does not report the reason, the car's HTTP interface does. */
  async refused() {
    const { hud, link } = this.#tools;
    try {
      const answer = await fetch("/api/v1/session");
      const session = await answer.json();
      if (!answer.ok || link.hello) return; // connected meanwhile
      byId("car").textContent ||= session.car;
      const moved = session.host && session.host !== location.host; // a proxy changed the Host header
      hud.trouble = moved ? "proxy" : session.allowed ? "full" : "barred";
      if (!session.allowed && !moved) {
        link.rest();
        this.#ask({ session, again: this.#version !== null });
      }
    } catch {
      hud.trouble = ""; // the car does not answer at all
    }
    hud.show();
  }
}
