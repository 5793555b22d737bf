/**
 * The rules of a replay, without clock, page or network: which sticks are held now, and when the replay is over.
 *
 * The car follows the recorded sticks while the driver holds the button. It does not retrace a path: it has no encoders.
 *
 * Laws:
 * - It begins at rest: the car is armed, its wheels stand, and no other input has had the sticks for CALM_S.
 * - The car's speed limit is at most the recorded one. A lower limit stretches the time in the same ratio.
 * - It ends, and never goes on: when the button comes up, when the car is not armed or has another driver, at any refusal,
 *   at another input, another speed limit or a weak link, and when a command is more than LATE_S behind its time.
 * - An end means neutral, and the next press starts from the beginning.
 *
 * Times in s, sticks in [-1, 1], speed limits as a share of max_speed.
 */

/** Rest before the start. */
export const CALM_S = 1;
/** A command that is later than this ends the replay: behind the clock, or behind the next command of a recorded gap. */
export const LATE_S = 0.2;
/** A car that does not come to rest in this time ends the press. */
const PATIENCE_S = 4;
/** Two speed limits that differ by less are the same. */
const SAME = 0.005;
const NEUTRAL = { throttle: 0, steering: 0 };

/** @typedef {{t: number, throttle: number, steering: number}} Command t in s since the first one */
/** @typedef {{commands: Command[], limit: number, length_s: number}} Plan limit: the lowest recorded one */
/**
 * What a replay has to know of the car and the page.
 *
 * @typedef {{mine: boolean, state: string, still: boolean, free: boolean, weak: boolean, ready: boolean, limit: number}} Seen
 *   mine: this page has the wheel; still: nothing is wanted, and the wheels stand; free: no other input holds a stick;
 *   weak: the link is too weak to drive; ready: the sender passes the sticks on; limit: the car's speed limit
 */

const moves = ({ throttle, steering }) => throttle !== 0 || steering !== 0;

/**
 * Make a plan of the recorded commands, from the first one that moves to the last one and the zero after it.
 *
 * @param {(Command & {speed_limit: number})[]} recorded in order @param {number} share max_speed of then in that of now
 * @returns {Plan|null} null if no command moves
 */
export function planOf(recorded, share = 1) {
  const moving = recorded.filter(moves);
  if (!moving.length) return null;
  const [start, end] = [recorded.indexOf(moving[0]), recorded.indexOf(moving[moving.length - 1]) + 2];
  const commands = recorded.slice(start, end).map(({ t, throttle, steering }) => ({ t: t - moving[0].t, throttle, steering }));
  const limit = moving.reduce((least, { speed_limit }) => Math.min(least, speed_limit * share), 1);
  return { commands, limit: Math.floor(limit * 100 + 1e-6) / 100, length_s: commands[commands.length - 1].t };
}

export class Replay {
  #plan;
  #next = 0;
  #held = NEUTRAL;
  #pressedAt = 0;
  #calmAt = 0;
  #startedAt = 0;
  #limit = 0;

  /** "idle", "waiting" for rest, or "running". */
  phase = "idle";
  /** Why the last one ended: a word of `recording.end.`, "" before the first end. */
  why = "";

  /** @param {Plan} plan */
  constructor(plan) {
    this.#plan = plan;
  }

  /** The button came down. @param {number} now */
  press(now) {
    Object.assign(this, { phase: "waiting", why: "" });
    this.#pressedAt = this.#calmAt = now;
    this.#next = 0;
    this.#held = NEUTRAL;
  }

  /** It is over. @param {string} why */
  end(why) {
    if (this.phase === "idle") return;
    Object.assign(this, { phase: "idle", why });
    this.#held = NEUTRAL;
  }

  /** @param {number} now @returns {number} position in the recorded time */
  position(now) {
    return this.phase === "running" ? Math.min((now - this.#startedAt) * this.#rate, this.#plan.length_s) : 0;
  }

  /** Recorded seconds in a second. */
  get #rate() {
    return Math.min(1, this.#limit / this.#plan.limit);
  }

  /** @param {number} now @param {Seen} seen @returns {{throttle: number, steering: number}} sticks to hold; neutral after an end */
  step(now, seen) {
    if (this.phase === "waiting") this.#wait(now, seen);
    if (this.phase === "running") this.#run(now, seen);
    return this.#held;
  }

  #wait(now, seen) {
    const { mine, state, still, free, weak, ready, limit } = seen;
    if (!free) return this.end("other");
    if (state === "stopped") return this.end("state");
    if (now - this.#pressedAt > PATIENCE_S) return this.end("rest");
    if (!mine || state !== "armed" || !still || weak || !ready || limit > this.#plan.limit + SAME) this.#calmAt = now;
    if (now - this.#calmAt < CALM_S) return undefined;
    this.#startedAt = now;
    this.#limit = limit;
    this.phase = "running";
  }

  #run(now, { mine, state, free, weak, ready, limit }) {
    if (!mine) return this.end("wheel");
    if (state !== "armed") return this.end("state");
    if (!free || !ready) return this.end("other");
    if (weak) return this.end("link");
    if (Math.abs(limit - this.#limit) > SAME) return this.end("limit");
    const { commands } = this.#plan;
    const at = (now - this.#startedAt) * this.#rate;
    const due = commands[this.#next];
    if (due && (at - due.t) / this.#rate > LATE_S) return this.end("late");
    while (this.#next < commands.length && commands[this.#next].t <= at) this.#held = commands[this.#next++];
    const gap_s = this.#next ? at - commands[this.#next - 1].t : 0;
    if (this.#next === commands.length) return this.end("done");
    return gap_s > LATE_S && moves(this.#held) ? this.end("gap") : undefined;
  }
}
