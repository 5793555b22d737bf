/**
 * What this phone prefers, and the words of its language.
 *
 * Kept in localStorage, where there is one; a value that is not (or no longer) a choice counts as the default.
 * Nothing of it is the car's business.
 */

const PLACE = "picar";
export const LANGUAGES = ["en", "zh-CN"];

/** Every preference: its default first, then the other choices; a number has its least and most. */
export const PREFERENCES = {
  layout: ["thumbs", "stick", "arrows", "tilt"],
  swap: [false, true],
  deadzone: { usual: 0, least: 0, most: 0.3 },
  expo: { usual: 0, least: 0, most: 0.9 },
  theme: ["auto", "light", "dark", "outdoor"],
  language: ["auto", ...LANGUAGES],
  view: ["follow", "fit"],
  vibration: [true, false],
  awake: [true, false],
};

/** @param {any} rule of PREFERENCES @param {any} value @returns {boolean} whether it may be that */
function allows(rule, value) {
  if (Array.isArray(rule)) return rule.includes(value);
  return typeof value === "number" && value >= rule.least && value <= rule.most;
}

export class Preferences {
  /** @type {Record<string, any>} */
  #values = {};
  /** @type {((name: string) => void)[]} */
  #listeners = [];
  #storage;

  /** @param {() => Storage} storage asked for each time: a browser may refuse it */
  constructor(storage) {
    this.#storage = storage;
    let kept = {};
    try {
      kept = JSON.parse(storage().getItem(PLACE) ?? "{}") ?? {};
    } catch {
      // None is kept, or nothing that can be read.
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
      // Then it lasts until the page is closed.
    }
    for (const listener of this.#listeners) listener(name);
  }

  /** @param {(name: string) => void} listener called after each change with the preference's name */
  listen(listener) {
    this.#listeners.push(listener);
  }
}

/** @param {readonly string[]} wanted best first @returns {string} one of LANGUAGES */
export function chooseLanguage(wanted) {
  for (const tag of wanted) {
    const base = tag.toLowerCase().split("-")[0];
    const match = LANGUAGES.find((language) => language.split("-")[0] === base);
    if (match) return match;
  }
  return LANGUAGES[0];
}

/** The dictionary: everything that a person reads comes from here. */
export class Words {
  /** @type {Record<string, string>} */
  #dictionary = {};
  /** @type {(() => void)[]} */
  #listeners = [];
  #language = "";

  /** @param {string} key @param {object} values for {names} @returns {string} in the user's language, or "" */
  say = (key, values = {}) =>
    (this.#dictionary[key] ?? "").replace(/\{(\w+)\}/g, (_, name) => String(values[name]));

  /** @param {() => void} listener called after the language has changed */
  listen(listener) {
    this.#listeners.push(listener);
  }

  /** @param {string} language one of LANGUAGES; tries again until its words come */
  async speak(language) {
    this.#language = language;
    try {
      const answer = await fetch(`/static/i18n/${language}.json`);
      if (!answer.ok) throw new Error(answer.statusText);
      const dictionary = await answer.json();
      if (language !== this.#language) return; // chosen again meanwhile
      this.#dictionary = dictionary;
    } catch {
      setTimeout(() => language === this.#language && this.speak(language), 1000);
      return;
    }
    document.documentElement.lang = language;
    this.fill(document);
    for (const listener of this.#listeners) listener();
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
