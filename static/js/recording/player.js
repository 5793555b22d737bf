/**
 * Plays a recording inside the panel: picture, map with trail, meters of the wheels, on a timeline that can be moved.
 *
 * It sends nothing to the car. The timeline grows while its lines arrive; a picture is fetched when its time is shown.
 */

import { timeOf } from "../hud/bar.js";
import { attribute, byId, hide, property, write } from "../shell/shell.js";
import { clock } from "../sticks.js";
import { Pictures, Timeline } from "./timeline.js";

const TOPICS = ["/picar/wheels", "/pose", "/camera"];
/** The flight recorder has the commands alone. */
const STICKS = "/picar/cmd";
const STEP_MS = 33;
/** Ground along the shorter side of the map, at least, in m; the outline of the car. */
const GROUND = 1.6;
const CAR = [[0.13, 0], [0.05, 0.08], [-0.13, 0.08], [-0.13, -0.08], [0.05, -0.08]];
const SHAPES = { play: "M7 4v16l13-8z", pause: "M8 5v14M16 5v14" };

const meter = (side) => `<div id="player-${side}" class="meter"><b></b><span class="scale"><i class="room"></i><i class="fill"></i><i class="mark"></i></span><span></span></div>`;
export const PLAYER = `<div id="stage">${meter("left")}<div><canvas id="player-picture" role="img" data-i18n-label="recordings.picture"></canvas>
    <canvas id="player-map" role="img" data-i18n-label="recordings.map"></canvas></div>${meter("right")}</div>
  <div id="transport"><button id="play" class="round" type="button"><svg viewBox="0 0 24 24" aria-hidden="true"><path/></svg></button>
    <input id="seek" type="range" min="0" step="0.1" value="0" data-i18n-label="recordings.seek"><output></output></div>
  <p id="player-state" class="note"></p>`;

export class Player {
  #words;
  #timeline = new Timeline(TOPICS);
  /** @type {Pictures|null} */ #pictures = null;
  #loading = new AbortController();
  #at = 0;
  #playedAt = 0;
  #timer = 0;
  #drawn = -1;

  /** @param {import("../shell/shell.js").Words} words */
  constructor(words) {
    this.#words = words;
    byId("play").addEventListener("click", () => (this.#timer ? this.#pause() : this.#play()));
    byId("seek").addEventListener("input", () => this.#show((this.#at = Number(byId("seek").value))));
    new ResizeObserver(() => this.#show()).observe(byId("stage"));
  }

  /** @param {string} name of the recording */
  async open(name) {
    this.close();
    const timeline = (this.#timeline = new Timeline(name.includes("-flight") ? [...TOPICS, STICKS] : TOPICS));
    const { signal } = (this.#loading = new AbortController());
    this.#pictures = new Pictures(name, timeline.rows["/camera"]);
    [this.#at, this.#drawn] = [0, -1];
    const failed = await timeline.read(name, signal, () => signal.aborted || this.#show()).catch(() => !signal.aborted);
    if (failed) write(byId("player-state"), this.#words.say("recordings.error.unreadable"));
  }

  close() {
    this.#pause();
    this.#loading.abort();
    this.#pictures = null;
  }

  #play() {
    if (this.#at >= this.#timeline.length_s) this.#at = 0;
    this.#playedAt = clock();
    this.#timer = setInterval(() => this.#step(clock()), STEP_MS);
    this.#show();
  }

  #pause() {
    this.#timer = clearInterval(this.#timer) ?? 0;
    this.#show();
  }

  #step(now) {
    this.#at = Math.min(this.#at + now - this.#playedAt, this.#timeline.length_s);
    this.#playedAt = now;
    if (this.#at === this.#timeline.length_s) this.#pause();
    else this.#show();
  }

  #show(at = this.#at) {
    if (!this.#pictures) return;
    const { say } = this.#words;
    const { rows, about, length_s } = this.#timeline;
    const times = { at: timeOf(at), of: timeOf(length_s) };
    attribute(byId("seek"), "max", length_s.toFixed(1));
    byId("seek").value = at;
    attribute(byId("seek"), "aria-valuetext", say("recordings.at", times));
    write(byId("transport").lastElementChild, say("recording.replay.time", times));
    attribute(byId("play"), "aria-label", say(this.#timer ? "recordings.pause" : "recordings.play"));
    attribute(/** @type {Element} */ (byId("play").querySelector("path")), "d", this.#timer ? SHAPES.pause : SHAPES.play);
    const sticks = rows[STICKS]?.[this.#timeline.indexAt(STICKS, at)];
    const { state = "", applied = {}, target = {} } = rows["/picar/wheels"][this.#timeline.indexAt("/picar/wheels", at)] ?? { target: sticks };
    write(byId("player-state"), rows[STICKS] ? say("recordings.sticks") : say(`state.${state}`));
    for (const [side, axis] of [["left", "throttle"], ["right", "steering"]]) {
      const [each, name] = [byId(`player-${side}`), about.steers === "true" || rows[STICKS] ? axis : side];
      property(each, "--applied", (applied[name] ?? 0).toFixed(3));
      property(each, "--wanted", (target[name] ?? 0).toFixed(3));
      write(each.firstElementChild, `${Math.round(((sticks ?? applied)[name] ?? 0) * 100)}%`);
      write(each.lastElementChild, say(name === axis ? `${axis}.label` : side));
    }
    hide("player-map", !rows["/pose"].length);
    hide("player-picture", !rows["/camera"].length);
    this.#drawMap(byId("player-map"), rows["/pose"]);
    this.#drawPicture(byId("player-picture"), Math.max(0, this.#timeline.indexAt("/camera", at)));
  }

  async #drawPicture(canvas, index) {
    const pictures = this.#pictures;
    const picture = index !== this.#drawn && pictures?.get(index, this.#timer !== 0, () => this.#show());
    if (!picture) return;
    this.#drawn = index;
    const bitmap = await createImageBitmap(picture).catch(() => null); // a broken picture leaves the one before
    if (!bitmap || pictures !== this.#pictures || this.#drawn !== index) return;
    Object.assign(canvas, { width: bitmap.width, height: bitmap.height });
    canvas.getContext("2d").drawImage(bitmap, 0, 0);
    bitmap.close();
  }

  /** Walls, the whole trail, the part that was driven so far, and the car. */
  #drawMap(canvas, poses) {
    if (!canvas.clientWidth || !poses.length) return;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight].map((px) => px * devicePixelRatio);
    Object.assign(canvas, { width, height });
    const trail = poses.map(({ pose: { position: { x, y } } }) => [x, y]);
    const ends = (axis) => [Math.min, Math.max].map((end) => trail.reduce((most, place) => end(most, place[axis]), trail[0][axis]));
    const [[left, right], [bottom, top]] = [ends(0), ends(1)];
    const zoom = Math.min(width, height) / Math.max(GROUND, (right - left) * 1.2, (top - bottom) * 1.2);
    const paint = canvas.getContext("2d");
    const colour = (name) => getComputedStyle(canvas).getPropertyValue(`--${name}`);
    const draw = (path, stroke, fill = "transparent") => {
      Object.assign(paint, { strokeStyle: stroke, fillStyle: fill, lineWidth: Math.max(0.02, 2 / zoom), lineJoin: "round" });
      paint.beginPath();
      for (const [x, y] of path) paint.lineTo(x, y);
      paint.fill();
      paint.stroke();
    };
    paint.setTransform(zoom, 0, 0, -zoom, width / 2 - ((left + right) / 2) * zoom, height / 2 + ((bottom + top) / 2) * zoom);
    for (const [x0, y0, x1, y1] of JSON.parse(this.#timeline.about.walls ?? "[]")) draw([[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]], colour("edge"), colour("wall"));
    const now = Math.max(0, this.#timeline.indexAt("/pose", this.#at));
    draw(trail, colour("line"));
    draw(trail.slice(0, now + 1), colour("accent"));
    const { position: { x, y }, orientation: { z, w } } = poses[now].pose;
    paint.translate(x, y);
    paint.rotate(2 * Math.atan2(z, w));
    draw([...CAR, CAR[0]], colour("ink"), colour("body"));
  }
}
