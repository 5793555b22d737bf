/**
 * The picture of the camera. Sends no command to the car.
 *
 * Laws:
 * - The newest picture or none: an overtaken one is not drawn.
 * - A picture is acknowledged (`seen`) once it is drawn. A hidden page asks for none.
 * - An old picture never looks live: from OLD_S on it is grey and dark, and its age is shown large.
 * - The link to the car comes first: this socket opens after the link's first state, and closes with the link.
 */

import { socketAddress } from "../link.js";
import { attribute, buzz, byId, dress, surely, tap, write } from "../shell/shell.js";
import { clock } from "../sticks.js";

/** Ages from which on a picture is marked. */
const [LATE_S, OLD_S] = [0.4, 1.5];
const SHOW_EVERY_MS = 100;
const RETRY_S = { first: 0.3, growth: 1.6, last: 3, full: 5 };
/** Close codes: this phone is no longer paired; the driver needs the place. */
const [REVOKED, FULL] = [4401, 4408];
/** "Low data": pictures a second, and the level of quality. */
const LOW = { fps: 10, level: 3 };
/** Before the JPEG; see docs/protocol.md. */
const HEAD_BYTES = 20;
const STREAM = "/stream.mjpg";
/** What "look" shows next; after both it shows the camera. */
const NEXT = { camera: "map", map: "camera+map" };

const NOTE = `<div id="lens" hidden><p><span role="alert"></span> <b></b> <span role="status"></span></p>
    <button id="eye" type="button" data-i18n="video.eye" hidden></button></div>
  <div id="beside">
    <button id="inset" type="button" data-i18n-label="video.swap" hidden></button>
    <button id="photo" class="round" type="button" accesskey="p" data-i18n-label="video.photo" hidden>
      <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M3 7h4l2-3h6l2 3h4v12H3z"/><circle cx="12" cy="12.500" r="3.500"/></svg>
    </button>
  </div>`;

export default class Video {
  #tools;
  #canvas = Object.assign(document.createElement("canvas"), { id: "picture", hidden: true });
  #paint = /** @type {CanvasRenderingContext2D} */ (this.#canvas.getContext("2d", { alpha: false }));
  /** @type {WebSocket|null} */ #socket = null;
  /** This page's id at the car. */ #client = "";
  #retry_s = RETRY_S.first;
  #timer = 0;
  /** The newest message about the camera; `fps` is the most, 0 while it is unknown. */
  #camera = { state: "", code: "", message: "", fps: 0, rotation: 0, mirror: false };
  /** Faults in another language, requested with the first one. @type {any} */ #faults;
  /** Waits to be drawn. @type {{bitmap: ImageBitmap, seq: number, fresh: number}|null} */ #next = null;
  #seq = 0;
  #frame = 0;
  /** Of the timer: after a hang of the page, a message may have waited since the first. */
  #beats = [clock(), clock()];
  /** When the drawn picture was taken, at the earliest. @type {number|null} */ #freshAt = null;
  /** Since when pictures are wanted. */ #expectedAt = 0;
  #frozen = false;

  /** @param {import("../shell/shell.js").Tools} tools */
  constructor(tools) {
    this.#tools = tools;
    const { preferences, words } = tools;
    dress("/static/video.css");
    byId("news").insertAdjacentHTML("beforeend", NOTE);
    byId("link").insertAdjacentHTML("beforeend", '<small id="seen"></small>');
    this.#canvas.setAttribute("role", "img");
    this.#canvas.dataset.i18nLabel = "video.label";
    byId("view").append(this.#canvas);
    tap("photo", () => this.#photo());
    tap("eye", () => preferences.set("scene", "map"));
    tap("inset", () => preferences.set("scene", this.#scene.split("+").reverse().join("+")));
    document.addEventListener("visibilitychange", () => this.#turn());
    preferences.listen((name) => (name === "quality" ? this.#want() : this.#show()));
    words.fill(document);
    words.listen(() => this.#show());
    setInterval(() => this.#tick(), SHOW_EVERY_MS);
  }

  /** Called with each state of the link: open the socket. */
  watch() {
    const { hello } = this.#tools.link;
    const client = hello?.car.camera ? hello.client : "";
    if (hello && !client) this.#freshAt = null;
    if (client === this.#client) return;
    this.forget();
    this.#client = client;
    this.#expectedAt = clock();
    this.#connect();
  }

  /** The link is lost: close the socket. The picture stays, and grows old. */
  forget() {
    this.#client = this.#camera.state = this.#camera.code = "";
    this.#retry_s = RETRY_S.first;
    this.#socket?.close();
    this.#drop();
    this.#show();
  }

  /** Show the next of camera, map (near, then all of it) and both. @returns {boolean} false if there is no choice */
  look() {
    const { preferences } = this.#tools;
    const scene = this.#scene;
    if (!this.#client || !scene) return false;
    const near = scene.startsWith("map") && !byId("sim").hidden && preferences.get("view") === "follow";
    preferences.set("view", near ? "fit" : "follow");
    if (!near) preferences.set("scene", NEXT[scene] ?? "camera");
    return true;
  }

  #connect() {
    if (!this.#client) return;
    const socket = new WebSocket(`${socketAddress(location)}/video?client=${this.#client}`, "picar-video.v1");
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.#want();
    socket.onmessage = ({ data }) => (typeof data === "string" ? this.#hear(JSON.parse(data)) : this.#decode(data, socket));
    socket.onclose = ({ code }) => this.#retry(code);
    this.#socket = socket;
  }

  /** Forget the socket, and do not close it: a close means that the driver drives by eye. */
  #drop() {
    clearTimeout(this.#timer);
    if (this.#socket) this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket = this.#next = null;
    this.#seq = this.#camera.fps = 0;
  }

  /** Connect again; the car then drops the old socket. A refused handshake has no code: ask once for room. */
  #retry(code) {
    const { fps, state } = this.#camera;
    const full = code === FULL || (!fps && state === "full");
    this.#drop();
    Object.assign(this.#camera, { state: full ? "full" : "lost", code: "" });
    if (code === REVOKED) return;
    this.#timer = setTimeout(() => this.#connect(), (full ? RETRY_S.full : this.#retry_s) * 1000);
    this.#retry_s = Math.min(this.#retry_s * RETRY_S.growth, RETRY_S.last);
    if (fps || full) return;
    fetch(STREAM, { method: "HEAD" }).then(({ status }) => {
      if (status === 503 && this.#camera.state === "lost") this.#retry(FULL);
    }, () => {});
  }

  #send(type, fields) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify({ type, ...fields }));
  }

  /** The page is hidden or shown. The clock stands while a phone sleeps: a picture from before is old. */
  #turn() {
    if (document.hidden) {
      if (this.#next) this.#next.fresh -= OLD_S;
      if (this.#freshAt !== null) this.#freshAt -= OLD_S;
    }
    this.#want();
    this.#show();
  }

  /** Tell the car how many pictures are wanted, and whether the picture fills the screen. */
  #want() {
    const scene = this.#scene;
    const paused = document.hidden || scene === "map";
    const low = this.#tools.preferences.get("quality") === "low";
    const { fps } = this.#camera;
    if (paused) this.#send("want", { fps: 0 });
    else if (fps) this.#send("want", low ? { ...LOW, fps: Math.min(LOW.fps, fps) } : { fps });
    this.#send("by", { camera: scene.startsWith("camera") });
    if (paused) this.#expectedAt = Infinity;
    else if (this.#expectedAt === Infinity) this.#expectedAt = clock();
  }

  #hear(message) {
    if (message.type !== "camera") return;
    const { fps } = this.#camera;
    this.#camera = message;
    if (message.fps !== fps) this.#want();
    this.#show();
  }

  async #decode(bytes, socket) {
    const head = new DataView(bytes);
    const seq = head.getUint32(4);
    const came = Math.min(clock(), this.#beats[0] + (2 * SHOW_EVERY_MS) / 1000);
    const fresh = came - (head.getUint16(2) + head.getUint32(8)) / 1000; // less its age at sending and a trip
    try {
      const bitmap = await createImageBitmap(new Blob([bytes.slice(HEAD_BYTES)]));
      if (socket !== this.#socket || seq <= this.#seq) return bitmap.close(); // a newer one was faster
      this.#next?.bitmap.close();
      this.#next = { bitmap, seq, fresh };
      this.#seq = seq;
      this.#frame ||= requestAnimationFrame(() => this.#draw());
    } catch {
      if (socket === this.#socket) this.#retry(0); // a picture that is none: it must not be acknowledged
    }
  }

  #draw() {
    this.#frame = 0;
    if (!this.#next) return;
    const { bitmap, seq, fresh } = this.#next;
    this.#next = null;
    const { width, height } = bitmap;
    if (this.#canvas.width !== width || this.#canvas.height !== height) Object.assign(this.#canvas, { width, height });
    const down = this.#camera.rotation === 180;
    const across = down !== (this.#camera.mirror === true); // the page turns what the camera cannot
    this.#paint.setTransform(across ? -1 : 1, 0, 0, down ? -1 : 1, across ? width : 0, down ? height : 0);
    this.#paint.drawImage(bitmap, 0, 0);
    bitmap.close();
    this.#freshAt = fresh;
    this.#retry_s = RETRY_S.first;
    this.#send("seen", { seq });
    this.#show();
  }

  /** The views on the screen, the large one first; "" before the first picture. Without a map, "map" shows nothing. */
  get #scene() {
    const scene = this.#tools.preferences.get("scene");
    if (this.#freshAt === null) return "";
    return byId("sim").hidden && scene !== "map" ? "camera" : scene;
  }

  #arrange(scene) {
    document.body.dataset.scene = scene; // the style sheet hides the map without a place
    this.#canvas.hidden = byId("photo").hidden = !scene.includes("camera");
    const [large, small] = scene.split("+").map((name) => (name === "camera" ? this.#canvas : byId("sim")));
    byId("view").append(large);
    if (small) byId("inset").append(small);
    byId("inset").hidden = !small;
    this.#want();
  }

  #tick() {
    this.#beats = [this.#beats[1], clock()];
    this.#show();
  }

  #show() {
    const { words, link, preferences } = this.#tools;
    const scene = this.#scene;
    if (document.body.dataset.scene !== scene) this.#arrange(scene);
    const place = scene === "map" ? (byId("sim").hidden ? "none" : preferences.get("view")) : scene;
    attribute(byId("look"), "aria-label", words.say(scene ? `look.${place}` : "look"));
    const now = clock();
    const shown = scene.includes("camera");
    const age_s = shown ? now - /** @type {number} */ (this.#freshAt) : 0;
    const grade = age_s >= OLD_S ? "old" : age_s >= LATE_S ? "late" : "";
    document.body.dataset.picture = grade;
    const age = words.say(grade ? "video.s" : "video.ms", { age: grade ? age_s.toFixed(1) : Math.ceil(age_s * 100) * 10 });
    write(byId("seen"), shown ? words.say("video.age", { age }) : "");
    const frozen = grade === "old" && now - this.#expectedAt >= OLD_S && link.hello !== null;
    if (frozen && !this.#frozen) buzz("frozen", preferences);
    this.#frozen = frozen;
    const [[alert, seconds, status], eye] = [byId("lens").firstChild.children, byId("eye")];
    const slow = frozen && (link.state?.video?.cap ?? 1) < 1 ? words.say("video.slow") : "";
    const why = scene === "map" ? "" : this.#why(); // a picture that is not wanted has no faults
    write(status, [why, slow].filter(Boolean).join(words.say("gap")));
    write(alert, frozen ? words.say("video.frozen") : "");
    write(seconds, frozen ? age : "");
    eye.hidden = !frozen || !link.drives || !scene.startsWith("camera");
    byId("lens").hidden = !status.textContent && !frozen;
  }

  /** Why there is no picture, or "". */
  #why() {
    const { state, code, message } = this.#camera;
    if (!code) return this.#tools.words.say(`video.${state}`); // "" for a live camera
    if (document.documentElement.lang === "en") return message;
    this.#faults ??= surely(() => import("./faults.js")).then((it) => (this.#faults = it));
    return this.#faults.sentenceOf?.(code, message) ?? "";
  }

  /** Save the picture on this phone. */
  #photo() {
    this.#canvas.toBlob((photo) => {
      if (!photo) return;
      const href = URL.createObjectURL(photo);
      const time = new Date().toLocaleString("sv"); // 2026-11-26 18:15:00
      const download = `picar-${time.replace(" ", "-").replaceAll(":", "")}.jpg`;
      Object.assign(document.createElement("a"), { href, download }).click();
      setTimeout(() => URL.revokeObjectURL(href), 10000);
      this.#tools.note("video.saved");
    }, "image/jpeg");
  }
}
