/**
 * The link to the garage: one WebSocket that speaks `picar.garage.v1`.
 *
 * Laws: it never queues, a message that cannot be sent now is dropped. A socket that was silent for SILENT_MS counts as
 * lost, whatever the browser says: the garage sends something every 2 s.
 */

const SILENT_MS = 6000;
const RETRY_MS = 1500;
/** Close code: this browser is no longer paired. */
const REVOKED = 4401;

export class GarageLink {
  /** @type {WebSocket|null} */ #socket = null;
  #resting = false;
  /** The end of silence, or the next try. */ #timer = 0;
  /** The first message of this connection, null without one. @type {any} */ hello = null;
  /** @type {(message: any) => void} */ onmessage = () => {};
  /** Called with whether the garage refused this browser, or no connection came about. @type {(refused: boolean) => void} */
  onlost = () => {};

  /** @param {string} type @param {object} fields @returns {boolean} whether it was sent */
  say(type, fields = {}) {
    if (!this.hello || this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify({ type, ...fields }));
    return true;
  }

  /** Do not try again until `wake`. */
  rest() {
    this.#resting = true;
    if (!this.#socket) clearTimeout(this.#timer);
  }

  /** Connect now, also in place of a connection: a browser that has paired may do more. */
  wake() {
    this.#resting = false;
    const old = this.#socket;
    this.hello = null;
    this.#connect();
    old?.close();
  }

  #connect() {
    const socket = new WebSocket(`${location.origin.replace("http", "ws")}/garage/ws`, "picar.garage.v1");
    this.#socket = socket;
    this.#watch(socket);
    socket.onmessage = ({ data }) => {
      if (socket !== this.#socket) return;
      this.#watch(socket);
      const message = JSON.parse(data);
      this.hello ??= message;
      this.onmessage(message);
    };
    socket.onclose = ({ code }) => this.#lose(socket, code === REVOKED || !this.hello);
  }

  #watch(socket) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#lose(socket, false), SILENT_MS);
  }

  #lose(socket, refused) {
    if (socket !== this.#socket) return;
    this.#socket = this.hello = null;
    socket.close();
    clearTimeout(this.#timer);
    if (!this.#resting) this.#timer = setTimeout(() => this.#connect(), RETRY_MS * (0.5 + Math.random()));
    this.onlost(refused);
  }
}
