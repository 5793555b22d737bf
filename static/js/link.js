/**
 * The link to the car: one WebSocket, the newest tick, reconnecting, and the quality of the link.
 *
 * It does not decide which commands to send (sticks.js does). It never queues: a message that cannot be sent now is
 * dropped. Without WiFi a silent socket stays "open" for minutes, so only ticks prove that the link works.
 * Times are in seconds.
 */

import { clock } from "./sticks.js";

const RETRY_S = { first: 0.3, growth: 1.6, last: 3 };
/** The link is clogged when bytes wait in the send buffer for longer than this. */
const CLOGGED_S = 0.2;
/** Longest silence of a good link while this page does not drive. */
const WATCH_QUIET_S = 1.0;
/** A socket without a tick for this long is replaced. */
const DEAD_S = 3.0;
/** The same for a socket that is being opened: after many failures a browser delays the next one by up to 5 s. */
const OPENING_S = 6.0;
/** Interval of these checks. */
const WATCH_EVERY_S = 0.5;
/** "Link too slow" stays on the screen for this long after a refusal. */
const SLOW_SHOWN_S = 2.0;
/** The round trip is the shortest of this many answers (about a second): each one also waited for the next state. */
const TRIPS = 20;
/** Difference in travel time that two states may have. */
const TOLERANCE_S = 0.002;
/** Close code: this phone is no longer paired. */
const REVOKED = 4401;

/** @param {Location} location @returns {string} address of the WebSocket beside this page */
export function socketAddress(location) {
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`;
}

export class Link {
  #address;
  /** @type {WebSocket|null} */ #socket = null;
  #retry_s = RETRY_S.first;
  #timer = 0;
  #resting = false;
  #openedAt = 0;
  #tickAt = 0;
  #watchedAt = clock();
  #seq = 0;
  /** @type {number|null} */ #cloggedAt = null;
  /** @type {{tickAt: number, sentAt: number}[]} */ #echoes = [];
  /** @type {number[]} */ #trips = [];
  #slow = { age_s: 0, at: -Infinity };

  /** The newest hello and state, null without a link; `tick` is the newest received. @type {any} */
  hello = null;
  /** @type {any} */ state = null;
  tick = 0;
  /** Whether the car refused or closed the last connection on purpose. */
  barred = false;

  /** Called with each hello, with each state, with the code of each refusal. @type {(message: any) => void} */
  onhello = () => {};
  /** @type {(state: any) => void} */ onstate = () => {};
  /** @type {(code: string) => void} */ onrefusal = () => {};
  /** Called with `barred` after the link was lost. @type {(barred: boolean) => void} */
  onlost = () => {};

  /** @param {string} address ws:// or wss:// */
  constructor(address) {
    this.#address = address;
    this.#connect();
    setInterval(() => this.#watch(), WATCH_EVERY_S * 1000);
  }

  /** @param {number} now s @returns {number} seconds since the newest tick arrived */
  quiet(now) {
    return now - this.#tickAt;
  }

  /** @param {number} now s @param {boolean} driving @returns {boolean} whether the link is too quiet or clogged to drive */
  weak(now, driving) {
    const limit = driving && this.hello ? this.hello.command_timeout_s : WATCH_QUIET_S;
    return this.quiet(now) > limit || this.clogged(now);
  }

  /** @param {number} now s @returns {number|null} age in s of a command that was just refused as late */
  slow(now) {
    return now - this.#slow.at < SLOW_SHOWN_S ? this.#slow.age_s : null;
  }

  /** The round trip in s, or null while this page does not drive. @returns {number|null} */
  get trip() {
    return this.#trips.length ? Math.min(...this.#trips) : null;
  }

  /** @returns {boolean} whether this page has the wheel */
  get drives() {
    return this.state?.you === "driver";
  }

  /** @param {string} type of message @param {object} fields @returns {boolean} whether it was sent */
  say(type, fields = {}) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify({ type, ...fields }));
    if ("tick" in fields) this.#echoes.push({ tickAt: this.#tickAt, sentAt: clock() });
    return true;
  }

  /** Send a message that carries the newest tick. @param {string} type @param {object} fields @returns {boolean} sent */
  request(type, fields = {}) {
    return this.state !== null && this.say(type, { ...fields, tick: this.tick });
  }

  /** @param {number} throttle in [-1, 1] @param {number} steering in [-1, 1] @returns {boolean} sent */
  drive(throttle, steering) {
    return this.#command("drive", { throttle: round(throttle), steering: round(steering) }, throttle || steering);
  }

  /** Turn one motor. @param {string} side name of the motor @param {number} duty cycle @returns {boolean} sent */
  jog(side, duty) {
    return this.#command("jog", { side, duty: round(duty) }, duty);
  }

  /** Set an output beside the motors. @param {string} name @param {number} value in [-1, 1] @returns {boolean} sent */
  aux(name, value) {
    return this.#command("aux", { name, value: round(value) }, value);
  }

  /** Reconnect now instead of at the next try: the network or the screen is back. */
  wake() {
    this.#resting = false;
    const silent = this.quiet(clock()) > WATCH_QUIET_S && clock() - this.#openedAt > WATCH_QUIET_S;
    if (this.#socket === null || silent) this.#reconnect(0);
  }

  /** Do not reconnect until `wake`: the car refuses this phone. */
  rest() {
    this.#resting = true;
  }

  /** A command that moves the car is not sent over a clogged link. */
  #command(type, fields, moves) {
    if (!this.state || (moves && this.clogged(clock()))) return false;
    return this.request(type, { seq: ++this.#seq, ...fields });
  }

  #connect() {
    clearTimeout(this.#timer);
    if (this.#resting) return;
    this.#openedAt = clock();
    const socket = new WebSocket(this.#address, "picar.v1");
    socket.onmessage = (event) => this.#receive(JSON.parse(event.data));
    socket.onclose = ({ code }) => this.#lost(code === REVOKED || this.hello === null);
    this.#socket = socket;
  }

  #lost(barred = false) {
    this.#reconnect(this.#retry_s, barred);
    this.#retry_s = Math.min(this.#retry_s * RETRY_S.growth, RETRY_S.last);
  }

  #reconnect(after_s, barred = false) {
    if (this.#socket) {
      this.#socket.onmessage = this.#socket.onclose = null;
      this.#socket.close();
    }
    this.#socket = this.hello = this.state = this.#cloggedAt = null;
    this.#echoes = [];
    this.#trips = [];
    this.#seq = 0;
    this.barred = barred;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#connect(), after_s * 1000);
    this.onlost(barred);
  }

  /** Replace a silent socket. After a hang of the page, messages may wait unread: then decide at the next check. */
  #watch() {
    const now = clock();
    const hung = now - this.#watchedAt > 2 * WATCH_EVERY_S;
    this.#watchedAt = now;
    if (hung || !this.#socket) return;
    const patience_s = this.#socket.readyState === WebSocket.CONNECTING ? OPENING_S : DEAD_S;
    if (this.quiet(now) > patience_s && now - this.#openedAt > patience_s) this.#lost();
  }

  #receive(message) {
    if (message.type === "hello") {
      this.hello = message;
      this.#retry_s = RETRY_S.first;
      if (message.car.wants_clock) this.say("clock", { unix_s: Date.now() / 1000 }); // for the car's certificate
      this.onhello(message);
    } else if (message.type === "state") {
      this.#tickAt = clock();
      this.tick = message.tick;
      this.state = message;
      this.#settle(message);
      this.onstate(message);
    } else if (message.type === "error") {
      if (message.code === "stale") this.#refusedAsStale();
      this.onrefusal(message.code);
    }
  }

  /** Measure the round trip of the newest command that the car accepted; drop its echo and all older ones. */
  #settle(state) {
    if (state.you !== "driver" || state.link.age_s === null) {
      this.#trips.length = 0;
      return;
    }
    const accepted = this.#tickAt - state.link.age_s;
    /** @type {number|null} */ let sentAt = null;
    let tickAt = -Infinity;
    while (this.#echoes.length && this.#echoes[0].tickAt <= accepted + TOLERANCE_S) {
      const echo = this.#echoes.shift();
      if (echo && echo.tickAt > tickAt) ({ tickAt, sentAt } = echo);
    }
    if (sentAt === null) return;
    this.#trips.push(this.#tickAt - sentAt);
    if (this.#trips.length > TRIPS) this.#trips.shift();
  }

  /** Refusals arrive in the order of the messages, so the oldest open echo gives the round trip. */
  #refusedAsStale() {
    const now = clock();
    const limit = this.hello?.command_timeout_s ?? 0;
    const sent = this.#echoes.shift();
    this.#slow = { age_s: Math.max(now - (sent?.tickAt ?? now), limit), at: now };
  }

  /** @param {number} now s @returns {boolean} whether messages do not leave the send buffer */
  clogged(now) {
    if (!this.#socket?.bufferedAmount) this.#cloggedAt = null;
    else this.#cloggedAt ??= now;
    return this.#cloggedAt !== null && now - this.#cloggedAt > CLOGGED_S;
  }
}

const round = (value) => Math.round(value * 1000) / 1000;
