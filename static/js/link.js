/**
 * The link to the car: one WebSocket, the newest tick, reconnecting, and how good the link is.
 *
 * It does not decide what to send (sticks.js does). Nothing is ever queued for later: what cannot go out
 * now is dropped. A silent socket stays "open" for minutes when WiFi goes, so only ticks count as life.
 * Times are in seconds.
 */

import { clock } from "./sticks.js";

const RETRY_S = { first: 0.3, growth: 1.6, last: 3 };
/** Bytes that wait longer than this mean that the link does not carry them. */
const CLOGGED_S = 0.2;
/** A link that only watches may be quiet for this long. */
const WATCH_QUIET_S = 1.0;
/** A socket without a tick for this long is given up for a new one. */
const DEAD_S = 3.0;
/** "Link too slow" stays on the screen for this long after a refusal. */
const SLOW_SHOWN_S = 2.0;

/** @param {Location} location @returns {string} address of the WebSocket beside this page */
export function socketAddress(location) {
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`;
}

export class Link {
  #address;
  #socket = null;
  #retry_s = RETRY_S.first;
  #timer = 0;
  #openedAt = 0;
  #tickAt = 0;
  #seq = 0;
  #cloggedAt = null;
  #echoes = [];
  #slow = { age_s: 0, at: -Infinity };

  /** The newest messages, null while there is no link; `tick` is the newest seen. */
  hello = null;
  state = null;
  tick = 0;

  /** Called with each state, with each refusal's code, and after the link was lost. */
  onstate = () => {};
  onrefusal = () => {};
  onlost = () => {};

  /** @param {string} address ws:// or wss:// */
  constructor(address) {
    this.#address = address;
    this.#connect();
    setInterval(() => this.#watch(), 500);
  }

  /** @param {number} now s @returns {number} seconds since the newest tick came in */
  quiet(now) {
    return now - this.#tickAt;
  }

  /** @param {number} now s @param {boolean} driving @returns {boolean} too quiet or clogged to drive */
  weak(now, driving) {
    const limit = driving && this.hello ? this.hello.command_timeout_s : WATCH_QUIET_S;
    return this.quiet(now) > limit || this.#clogged(now);
  }

  /** @param {number} now s @returns {number|null} age of a command refused a moment ago, in s */
  slow(now) {
    return now - this.#slow.at < SLOW_SHOWN_S ? this.#slow.age_s : null;
  }

  /** @param {string} type of message @param {object} fields @returns {boolean} whether it was sent */
  say(type, fields = {}) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify({ type, ...fields }));
    if ("tick" in fields) this.#echoes.push(this.#tickAt);
    return true;
  }

  /** @param {number} throttle in [-1, 1] @param {number} steering in [-1, 1] @returns {boolean} sent */
  drive(throttle, steering) {
    const moves = throttle !== 0 || steering !== 0;
    if (!this.state || (moves && this.#clogged(clock()))) return false;
    const sticks = { throttle: round(throttle), steering: round(steering) };
    return this.say("drive", { seq: ++this.#seq, tick: this.tick, ...sticks });
  }

  /** The network or the screen is back: do not wait for the next try. */
  wake() {
    const silent = this.quiet(clock()) > WATCH_QUIET_S && clock() - this.#openedAt > WATCH_QUIET_S;
    if (this.#socket === null || silent) this.#reconnect(0);
  }

  #connect() {
    clearTimeout(this.#timer);
    this.#openedAt = clock();
    const socket = new WebSocket(this.#address, "picar.v1");
    socket.onmessage = (event) => this.#receive(JSON.parse(event.data));
    socket.onclose = () => this.#lost();
    this.#socket = socket;
  }

  #lost() {
    this.#reconnect(this.#retry_s);
    this.#retry_s = Math.min(this.#retry_s * RETRY_S.growth, RETRY_S.last);
  }

  #reconnect(after_s) {
    if (this.#socket) {
      this.#socket.onmessage = this.#socket.onclose = null;
      this.#socket.close();
    }
    this.#socket = this.hello = this.state = this.#cloggedAt = null;
    this.#echoes = [];
    this.#seq = 0;
    this.onlost();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#connect(), after_s * 1000);
  }

  #watch() {
    const now = clock();
    if (this.#socket && this.quiet(now) > DEAD_S && now - this.#openedAt > DEAD_S) this.#lost();
  }

  #receive(message) {
    if (message.type === "hello") {
      this.hello = message;
      this.#retry_s = RETRY_S.first;
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

  /** Forget the echoes up to the newest one the car has accepted. */
  #settle(state) {
    if (state.you !== "driver" || state.link.age_s === null) return;
    const accepted = this.#tickAt - state.link.age_s;
    while (this.#echoes.length && this.#echoes[0] <= accepted) this.#echoes.shift();
  }

  /** Refusals come in the order of the messages, so the oldest open echo tells the round trip. */
  #refusedAsStale() {
    const now = clock();
    const limit = this.hello?.command_timeout_s ?? 0;
    this.#slow = { age_s: Math.max(now - (this.#echoes.shift() ?? now), limit), at: now };
  }

  #clogged(now) {
    if (!this.#socket?.bufferedAmount) this.#cloggedAt = null;
    else this.#cloggedAt ??= now;
    return this.#cloggedAt !== null && now - this.#cloggedAt > CLOGGED_S;
  }
}

const round = (value) => Math.round(value * 1000) / 1000;
