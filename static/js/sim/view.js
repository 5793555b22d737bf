/**
 * The simulated car from above: ground, walls, trail, car with turning wheels, wheel speeds and a scale.
 *
 * It draws in requestAnimationFrame and only while something moves on the screen, so never on a hidden page. Between two
 * poses it interpolates, one pose behind. Lengths in m, angles in rad counter-clockwise, y is up.
 */

import { byId } from "../shell/shell.js";
import { clock } from "../sticks.js";

const CAR = { length: 0.25, width: 0.15, wheel: 0.065, tyre: 0.028 };
/** Length of ground along the shorter side of the free area in the mode "follow", in m. */
const GROUND = 1.6;
/** Size of the window, as a multiple of the area that has to fit. */
const MARGIN = 1.08;
const GRID = 0.25;
/** Grid lines in a tile of the floor. */
const TILE = 2;
/** Light of a lamp: m, and rad to each side. */
const BEAM = { length: 0.42, half: 0.22 };
/** A smaller view shows no picture; in px. */
const ROOM = 24;
/** Maximum number of grid lines on each side of the centre; a wider view has a coarser grid. */
const LINES = 400;
const TRAIL = { points: 600, apart: 0.02 };
/** Distance between two ribs of a tyre in m, and their speed at full wheel speed in m/s. */
const RIB = { apart: 0.016, speed: 0.8 };
/** Longest interpolation between two poses. */
const GLIDE_S = 0.25;
const LOCK = 0.49; // of the front wheels, rad
/** A lower view has no room for the scale; in px. */
const SCALE_FROM = 110;
/** Time constant of the camera. */
const CAMERA_S = 0.25;
const COLOURS = ["ground", "tile", "grid", "ink", "accent", "trail", "beam", "body", "wall", "edge"];

/** @typedef {{x: number, y: number, heading: number}} Pose */

/**
 * @param {Pose} from @param {Pose} to @param {number} part in [0, 1] of the way
 * @returns {Pose} turned the short way round
 */
export function between(from, to, part) {
  const turn = Math.atan2(Math.sin(to.heading - from.heading), Math.cos(to.heading - from.heading));
  return {
    x: from.x + (to.x - from.x) * part,
    y: from.y + (to.y - from.y) * part,
    heading: from.heading + turn * part,
  };
}

/**
 * Return the goal of the camera: over the car, or over all walls.
 *
 * @param {"follow"|"fit"} mode
 * @param {{x: number, y: number}} car
 * @param {number[][]} walls [left, bottom, right, top] of each, in m
 * @param {{width: number, height: number}} free size of the free area, px
 * @returns {{x: number, y: number, zoom: number}} centre in m, zoom in px / m
 */
export function aim(mode, car, walls, free) {
  const room = { width: Math.max(ROOM, free.width), height: Math.max(ROOM, free.height) };
  if (mode === "follow" || !walls.length) {
    return { x: car.x, y: car.y, zoom: Math.min(room.width, room.height * 1.6) / GROUND };
  }
  const [left, bottom, right, top] = [0, 1, 2, 3].map((side) =>
    Math[side < 2 ? "min" : "max"](...walls.map((wall) => wall[side])),
  );
  const [width, height] = [Math.max(GROUND, right - left), Math.max(GROUND, top - bottom)];
  const zoom = Math.min(room.width / width, room.height / height) / MARGIN;
  return { x: (left + right) / 2, y: (bottom + top) / 2, zoom };
}

export default class SimView {
  /** @type {HTMLCanvasElement} behind the whole page */ #canvas = byId("sim");
  /** @type {HTMLElement} the part of the page without controls */ #free = byId("news");
  #paint = /** @type {CanvasRenderingContext2D} */ (this.#canvas.getContext("2d"));
  #words;
  /** @type {number[][]} [left, bottom, right, top] of each, in m */ #walls;
  #box = new DOMRect();
  #from = { x: 0, y: 0, heading: 0 };
  /** @type {Pose|null} */ #to = null;
  #toAt = 0;
  #gap_s = 0;
  #glide_s = 0;
  #wheels = { left: 0, right: 0, steering: 0 };
  #turned = { left: 0, right: 0 };
  /** @type {{x: number, y: number}[]} */ #trail = [];
  #camera = { x: 0, y: 0, zoom: 0 };
  #drawnAt = 0;
  #frame = 0;
  /** @type {Record<string, string>} */ #colours = {};

  /** @param {import("../shell/shell.js").Tools} tools */
  constructor({ words, link }) {
    this.#words = words;
    this.#walls = link.hello?.car.walls ?? [];
    const sizes = new ResizeObserver(() => this.dress());
    for (const element of [this.#free, this.#canvas]) sizes.observe(element); // the canvas may become an inset
    for (const event of ["resize", "scroll"]) addEventListener(event, () => this.dress(), true);
    document.addEventListener("visibilitychange", () => this.#wake());
    words.listen(() => this.#wake());
  }

  /** @param {{pose?: any, applied: any}} state of a simulated car */
  show({ pose, applied }) {
    if (!pose) return;
    if (this.#canvas.hidden) {
      this.#canvas.hidden = false;
      this.dress();
    }
    const now = clock();
    const last = this.#to ?? pose;
    const same = last.x === pose.x && last.y === pose.y && last.heading === pose.heading;
    const { throttle = 0, left = throttle, right = throttle, steering = 0 } = applied;
    const wheels = { left, right, steering };
    const coasting = `${Object.values(wheels)}` === `${Object.values(this.#wheels)}`;
    if (this.#to && same && coasting && !left && !right) return;
    this.#from = this.#to ? this.#pose(now) : pose;
    this.#to = pose;
    const gap_s = Math.min(now - this.#toAt, GLIDE_S);
    this.#glide_s = Math.max(gap_s, this.#gap_s); // a short gap between two states often follows a long one
    this.#gap_s = gap_s;
    this.#toAt = now;
    this.#wheels = wheels;
    this.#leaveTrail(pose);
    this.#wake();
  }

  /** Forget the pose and the trail: the next pose may be anywhere. */
  forget() {
    this.#to = null;
    this.#trail = [];
  }

  /** Read size and colours from the page again. */
  dress() {
    if (this.#canvas.hidden) return;
    const inset = this.#canvas.closest("button");
    const box = (inset ?? this.#free).getBoundingClientRect();
    this.#box = inset ? new DOMRect(0, 0, box.width, box.height) : this.#canvas.clientWidth ? box : new DOMRect();
    this.#canvas.width = (inset ? box.width : innerWidth) * devicePixelRatio;
    this.#canvas.height = (inset ? box.height : innerHeight) * devicePixelRatio;
    const style = getComputedStyle(this.#canvas);
    for (const name of COLOURS) this.#colours[name] = style.getPropertyValue(`--${name}`);
    this.#wake();
  }

  #wake() {
    if (!document.hidden && this.#to) this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  #pose(now) {
    const part = this.#glide_s > 0 ? Math.min(1, (now - this.#toAt) / this.#glide_s) : 1;
    return between(this.#from, /** @type {Pose} */ (this.#to), part);
  }

  #leaveTrail({ x, y }) {
    const last = this.#trail.at(-1);
    if (last && Math.hypot(x - last.x, y - last.y) < TRAIL.apart) return;
    this.#trail.push({ x, y });
    if (this.#trail.length > TRAIL.points) this.#trail.shift();
  }

  /** @returns {boolean} whether the camera is still on its way */
  #film(pose, dt) {
    const mode = document.body.dataset.view === "fit" ? "fit" : "follow";
    const goal = aim(mode, pose, this.#walls, this.#box);
    const camera = this.#camera;
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const near = Math.abs(goal.zoom - camera.zoom) < goal.zoom / 200;
    const part = calm || !camera.zoom || (near && mode === "follow") ? 1 : 1 - Math.exp(-dt / CAMERA_S);
    for (const axis of ["x", "y", "zoom"]) camera[axis] += (goal[axis] - camera[axis]) * part;
    const far = Math.hypot(goal.x - camera.x, goal.y - camera.y) * camera.zoom > 0.5;
    return far || Math.abs(goal.zoom - camera.zoom) > goal.zoom / 500;
  }

  #draw() {
    this.#frame = 0;
    if (!this.#to) return;
    const now = clock();
    const dt = Math.min(now - this.#drawnAt, 0.1);
    this.#drawnAt = now;
    const pose = this.#pose(now);
    const filming = this.#film(pose, dt);
    for (const side of ["left", "right"]) this.#turned[side] += this.#wheels[side] * RIB.speed * dt;
    const { x, y, zoom } = this.#camera;
    const box = this.#box;
    const paint = this.#paint;
    paint.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    paint.clearRect(0, 0, innerWidth, innerHeight);
    if (box.width < ROOM || box.height < ROOM) return; // a larger window starts it again
    paint.translate(box.left + box.width / 2, box.top + box.height / 2);
    paint.save();
    paint.scale(zoom, -zoom);
    paint.translate(-x, -y);
    this.#drawGround(Math.hypot(innerWidth, innerHeight) / zoom);
    this.#drawTrail(pose);
    this.#drawCar(pose);
    paint.restore();
    this.#drawScale(box, zoom);
    const turning = this.#wheels.left || this.#wheels.right;
    if (filming || now - this.#toAt < (turning ? GLIDE_S : this.#glide_s)) this.#wake();
  }

  #drawGround(reach) {
    const paint = this.#paint;
    const { x, y, zoom } = this.#camera;
    const apart = GRID * Math.max(1, Math.ceil(reach / GRID / LINES));
    const lines = Math.ceil(reach / apart);
    const middle = { x: Math.round(x / apart) * apart, y: Math.round(y / apart) * apart };
    this.#drawTiles(reach, apart * TILE);
    paint.lineWidth = 1 / zoom;
    paint.strokeStyle = this.#colours.grid;
    paint.beginPath();
    for (let number = -lines; number <= lines; number += 1) {
      const at = { x: middle.x + number * apart, y: middle.y + number * apart };
      line(paint, at.x, y - reach, at.x, y + reach);
      line(paint, x - reach, at.y, x + reach, at.y);
    }
    paint.stroke();
    paint.fillStyle = this.#colours.wall;
    paint.strokeStyle = this.#colours.edge;
    paint.lineWidth = 2 / zoom;
    paint.beginPath();
    for (const [left, bottom, right, top] of this.#walls) {
      paint.roundRect(left, bottom, right - left, top - bottom, 0.03);
    }
    paint.fill();
    paint.stroke();
  }

  /** Every second tile of a chessboard, around the camera. */
  #drawTiles(reach, size) {
    const paint = this.#paint;
    const [column, row] = [Math.floor(this.#camera.x / size), Math.floor(this.#camera.y / size)];
    const count = Math.ceil(reach / size);
    paint.fillStyle = this.#colours.tile;
    paint.beginPath();
    for (let i = column - count; i <= column + count; i += 1) {
      for (let j = row - count + ((row - count + i) & 1); j <= row + count; j += 2) paint.rect(i * size, j * size, size, size);
    }
    paint.fill();
  }

  #drawTrail(pose) {
    const paint = this.#paint;
    paint.lineWidth = 0.02;
    paint.lineJoin = paint.lineCap = "round";
    paint.strokeStyle = this.#colours.trail;
    paint.beginPath();
    for (const { x, y } of [...this.#trail.slice(0, -1), pose]) paint.lineTo(x, y);
    paint.stroke();
  }

  #drawCar({ x, y, heading }) {
    const { length, width, tyre } = CAR;
    const paint = this.#paint;
    paint.save();
    paint.translate(x, y);
    paint.rotate(heading);
    paint.fillStyle = this.#colours.beam;
    for (const side of [-1, 1]) {
      paint.beginPath();
      paint.moveTo(length / 2, side * width * 0.32);
      paint.arc(length / 2, side * width * 0.32, BEAM.length, -BEAM.half, BEAM.half);
      paint.fill();
    }
    for (const along of [-0.3, 0.3]) {
      const angle = along > 0 ? -this.#wheels.steering * LOCK : 0;
      this.#drawWheel(along * length, (width + tyre) / 2, this.#turned.left, angle);
      this.#drawWheel(along * length, -(width + tyre) / 2, this.#turned.right, angle);
    }
    paint.fillStyle = this.#colours.body;
    box(paint, -length / 2, -width / 2, length, width, 0.04);
    paint.fillStyle = this.#colours.ground;
    box(paint, length * 0.06, -width * 0.36, length * 0.2, width * 0.72, 0.02);
    box(paint, -length * 0.4, -width * 0.3, length * 0.1, width * 0.6, 0.012);
    paint.fillStyle = this.#colours.edge;
    for (const side of [-1, 1]) box(paint, length * 0.44, side * width * 0.32 - 0.014, 0.012, 0.028, 0.006);
    this.#drawSpeed(this.#wheels.left, width / 2 + tyre * 1.8);
    this.#drawSpeed(this.#wheels.right, -width / 2 - tyre * 1.8);
    paint.restore();
  }

  /** A wheel from above; its ribs move as it turns. */
  #drawWheel(along, across, turned, angle) {
    const { wheel, tyre } = CAR;
    const paint = this.#paint;
    paint.save();
    paint.translate(along, across);
    if (angle) paint.rotate(angle);
    paint.fillStyle = this.#colours.ink;
    box(paint, -wheel / 2, -tyre / 2, wheel, tyre, 0.008);
    paint.strokeStyle = this.#colours.ground;
    paint.lineWidth = 0.004;
    paint.beginPath();
    const start = ((turned % RIB.apart) + RIB.apart) % RIB.apart;
    for (let at = start + 0.004; at < wheel - 0.003; at += RIB.apart) {
      line(paint, at - wheel / 2, -tyre / 2, at - wheel / 2, tyre / 2);
    }
    paint.stroke();
    paint.restore();
  }

  /** A bar beside the car; its length is the speed of that side. */
  #drawSpeed(speed, across) {
    const length = speed * CAR.length * 0.8;
    this.#paint.fillStyle = this.#colours.accent;
    box(this.#paint, Math.min(0, length), across - 0.009, Math.abs(length), 0.018, 0.009);
  }

  #drawScale({ width, height }, zoom) {
    if (height < SCALE_FROM) return;
    const paint = this.#paint;
    const length = zoom * GRID < 40 ? 1 : GRID;
    const large = /** @type {any} */ (this.#canvas).currentCSSZoom ?? 1; // a canvas does not scale its drawing
    const right = width / 2 - 62 * large;
    const bottom = height / 2 - 6 * large;
    const left = right - length * zoom;
    paint.strokeStyle = paint.fillStyle = this.#colours.ink;
    paint.lineWidth = 1.5 * large;
    paint.beginPath();
    line(paint, left, bottom, right, bottom);
    line(paint, left, bottom - 4, left, bottom + 1);
    line(paint, right, bottom - 4, right, bottom + 1);
    paint.stroke();
    paint.font = `${12 * large}px system-ui, sans-serif`;
    paint.textAlign = "right";
    paint.fillText(this.#words.say("sim.scale", { length }), right - 4, bottom - 5);
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
