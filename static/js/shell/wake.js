/**
 * Keeps the screen on while this page drives, and for a minute afterwards.
 *
 * On a secure link it uses the browser's wake lock. Plain http has no wake lock, but Chromium and Firefox keep the screen
 * on for a playing video from a stream, however small and silent: so a canvas of four pixels is played in a corner.
 * (Chromium: VideoWakeLock::ShouldBeActive; Firefox: ShouldCreateVideoWakeLock.) Safari requires sound for that, so on
 * plain http its screen may turn off.
 */

/** The screen may turn off this long after the last command. */
const LINGER_S = 60;
const FRAMES_PER_S = 1;

export default class Awake {
  /** @type {WakeLockSentinel|null} */ #lock = null;
  /** @type {HTMLVideoElement|null} */ #video = null;
  #wanted = false;
  #asking = false;
  #timer = 0;

  constructor() {
    // The browser takes its lock back whenever the page is hidden.
    document.addEventListener("visibilitychange", () => this.#ask());
  }

  /** Keep the screen on from now on. */
  hold() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#rest(), LINGER_S * 1000);
    if (this.#wanted) return;
    this.#wanted = true;
    this.#ask();
  }

  async #ask() {
    if (!this.#wanted || document.hidden || this.#asking) return;
    this.#asking = true;
    try {
      if (navigator.wakeLock) this.#lock = await navigator.wakeLock.request("screen");
      else await this.#play();
    } catch {
      // A phone in power-saving mode refuses; the next press tries again.
      this.#wanted = false;
    }
    this.#asking = false;
  }

  async #play() {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = 2;
    this.#video ??= document.createElement("video");
    this.#video.className = "awake";
    this.#video.muted = this.#video.playsInline = true;
    this.#video.setAttribute("aria-hidden", "true");
    this.#video.srcObject ??= canvas.captureStream(FRAMES_PER_S);
    canvas.getContext("2d")?.fillRect(0, 0, 2, 2);
    document.body.append(this.#video);
    await this.#video.play();
  }

  #rest() {
    this.#wanted = false;
    this.#lock?.release();
    this.#video?.remove();
    this.#lock = this.#video = null;
  }
}
