/**
 * The simulated car from above: ground, trail, car, wheel speeds and a scale; it follows the car.
 *
 * Drawn in requestAnimationFrame and only while something moves on the screen; between two poses it
 * interpolates, one pose behind. Lengths in m, angles in rad counter-clockwise, y is up.
 */

import { clock } from "./sticks.js";

const CAR = { length: 0.25, width: 0.15, wheel: 0.065, tyre: 0.028 };
/** So much ground the shorter side of the free area shows, in m. */
const GROUND = 1.6;
const GRID = 0.25;
const TRAIL = { points: 600, apart: 0.02 };
/** Poses further apart in time than this are not joined by a slow glide. */
const GLIDE_S = 0.25;
const COLOURS = ["ground", "grid", "ink", "accent", "trail", "body"];

/**
 * @param {{x: number, y: number, heading: number}} from
 * @param {{x: number, y: number, heading: number}} to
 * @param {number} part in [0, 1] of the way
 * @returns {{x: number, y: number, heading: number}} turned the short way round
 */
export function between(from, to, part) {
  const turn = Math.atan2(Math.sin(to.heading - from.heading), Math.cos(to.heading - from.heading));
  return {
    x: from.x + (to.x - from.x) * part,
    y: from.y + (to.y - from.y) * part,
    heading: from.heading + turn * part,
  };
}

export class SimView {
  #canvas;
  #free;
  #words;
  #paint;
  #from = null;
  #to = null;
  #toAt = 0;
  #glide_s = 0;
  #wheels = { left: 0, right: 0 };
  #trail = [];
  #frame = 0;
  #colours = {};

  /**
   * @param {HTMLCanvasElement} canvas behind the whole page
   * @param {HTMLElement} free the part of the page that nothing covers
   * @param {(key: string, values?: object) => string} words
   */
  constructor(canvas, free, words) {
    this.#canvas = canvas;
    this.#free = free;
    this.#words = words;
    this.#paint = canvas.getContext("2d");
    addEventListener("resize", () => this.#dress());
    matchMedia("(prefers-color-scheme: light)").addEventListener("change", () => this.#dress());
    document.addEventListener("visibilitychange", () => this.#wake());
  }

  /** @param {{pose?: object, applied: {left: number, right: number}}} state of a simulated car */
  show({ pose, applied }) {
    if (!pose) return;
    if (this.#canvas.hidden) {
      this.#canvas.hidden = false;
      this.#dress();
    }
    const now = clock();
    const last = this.#to ?? pose;
    const same = last.x === pose.x && last.y === pose.y && last.heading === pose.heading;
    const coasting = applied.left === this.#wheels.left && applied.right === this.#wheels.right;
    if (this.#to && same && coasting) return;
    this.#from = this.#to ? this.#pose(now) : pose;
    this.#to = pose;
    this.#glide_s = Math.min(now - this.#toAt, GLIDE_S);
    this.#toAt = now;
    this.#wheels = applied;
    this.#leaveTrail(pose);
    this.#wake();
  }

  /** The next pose may be anywhere: do not draw a way to it. */
  forget() {
    this.#to = null;
    this.#trail = [];
  }

  /** Take size and colours from the page. */
  #dress() {
    if (this.#canvas.hidden) return;
    const ratio = devicePixelRatio;
    this.#canvas.width = innerWidth * ratio;
    this.#canvas.height = innerHeight * ratio;
    const style = getComputedStyle(this.#canvas);
    for (const name of COLOURS) this.#colours[name] = style.getPropertyValue(`--${name}`);
    this.#wake();
  }

  #wake() {
    if (!document.hidden && this.#to) this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  #pose(now) {
    const part = this.#glide_s > 0 ? Math.min(1, (now - this.#toAt) / this.#glide_s) : 1;
    return between(this.#from, this.#to, part);
  }

  #leaveTrail({ x, y }) {
    const last = this.#trail.at(-1);
    if (last && Math.hypot(x - last.x, y - last.y) < TRAIL.apart) return;
    this.#trail.push({ x, y });
    if (this.#trail.length > TRAIL.points) this.#trail.shift();
  }

  #draw() {
    this.#frame = 0;
    const now = clock();
    const pose = this.#pose(now);
    const box = this.#free.getBoundingClientRect();
    const zoom = Math.min(box.width, box.height * 1.6) / GROUND;
    const paint = this.#paint;
    paint.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    paint.clearRect(0, 0, innerWidth, innerHeight);
    paint.translate(box.left + box.width / 2, box.top + box.height / 2);
    this.#drawScale(box, zoom);
    paint.scale(zoom, -zoom);
    paint.translate(-pose.x, -pose.y);
    this.#drawGrid(pose, Math.hypot(innerWidth, innerHeight) / zoom);
    this.#drawTrail(pose);
    this.#drawCar(pose);
    if (now - this.#toAt < this.#glide_s) this.#wake();
  }

  #drawGrid({ x, y }, reach) {
    const paint = this.#paint;
    const first = (value) => Math.floor((value - reach) / GRID) * GRID;
    paint.lineWidth = 0.004;
    paint.strokeStyle = this.#colours.grid;
    paint.beginPath();
    for (let at = first(x); at < x + reach; at += GRID) line(paint, at, y - reach, at, y + reach);
    for (let at = first(y); at < y + reach; at += GRID) line(paint, x - reach, at, x + reach, at);
    paint.stroke();
  }

  #drawTrail(pose) {
    const paint = this.#paint;
    paint.lineWidth = 0.02;
    paint.lineJoin = paint.lineCap = "round";
    paint.strokeStyle = this.#colours.trail;
    paint.beginPath();
    for (const { x, y } of this.#trail.slice(0, -1)) paint.lineTo(x, y);
    paint.lineTo(pose.x, pose.y);
    paint.stroke();
  }

  #drawCar({ x, y, heading }) {
    const { length, width, wheel, tyre } = CAR;
    const paint = this.#paint;
    paint.save();
    paint.translate(x, y);
    paint.rotate(heading);
    paint.fillStyle = this.#colours.ink;
    for (const along of [-0.3, 0.3]) {
      for (const side of [-1, 1]) {
        const across = (side * (width + tyre)) / 2;
        box(paint, along * length - wheel / 2, across - tyre / 2, wheel, tyre, 0.01);
      }
    }
    paint.fillStyle = this.#colours.body;
    box(paint, -length / 2, -width / 2, length, width, 0.04);
    paint.fillStyle = this.#colours.ground;
    box(paint, length * 0.08, -width * 0.34, length * 0.22, width * 0.68, 0.02);
    this.#drawSpeed(this.#wheels.left, width / 2 + tyre * 1.8);
    this.#drawSpeed(this.#wheels.right, -width / 2 - tyre * 1.8);
    paint.restore();
  }

  /** A bar beside each side of the car, as long as that side is fast. */
  #drawSpeed(speed, across) {
    const length = speed * CAR.length * 0.8;
    this.#paint.fillStyle = this.#colours.accent;
    box(this.#paint, Math.min(0, length), across - 0.009, Math.abs(length), 0.018, 0.009);
  }

  #drawScale({ width, height }, zoom) {
    const paint = this.#paint;
    const right = width / 2 - 62;
    const bottom = height / 2 - 6;
    paint.strokeStyle = paint.fillStyle = this.#colours.ink;
    paint.lineWidth = 1.5;
    paint.beginPath();
    line(paint, right - GRID * zoom, bottom, right, bottom);
    paint.stroke();
    paint.font = "11px system-ui, sans-serif";
    paint.textAlign = "right";
    paint.fillText(this.#words("sim.scale", { length: GRID }), right, bottom - 4);
  }
}

function line(paint, x0, y0, x1, y1) {
  paint.moveTo(x0, y0);
  paint.lineTo(x1, y1);
}

function box(paint, x, y, width, height, radius) {
  paint.beginPath();
  paint.roundRect(x, y, width, height, radius);
  paint.fill();
}
