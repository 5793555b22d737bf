/**
 * What a recording holds: messages with their times, and the places of the pictures in the file.
 *
 * The car reads the file and sends its messages as lines of JSON (docs/protocol.md); a picture is fetched by its bytes when
 * it is shown. Times in s since the first message.
 */

/** The most bytes of a request for neighbouring pictures, its pictures while they play and else, and the kept answers. */
const WINDOW = { bytes: 600_000, playing: 45, still: 4, kept: 3 };

/** @param {string} name @param {string} suffix @returns {string} address of a form of the recording */
export const addressOf = (name, suffix) => `/api/v1/recordings/${encodeURIComponent(name)}${suffix}`;

export class Timeline {
  /** By topic, in order; `t` is the time. @type {Record<string, any[]>} */ rows;
  /** What the file says of itself, as text: name, version, max_speed, steers, walls. @type {Record<string, string>} */ about = {};
  /** Time of the newest message. */ length_s = 0;

  /** @param {string[]} topics */
  constructor(topics) {
    this.rows = Object.fromEntries(topics.map((topic) => [topic, []]));
  }

  /** @param {string} text a line */
  add(text) {
    const { t, topic, data, ...picture } = JSON.parse(text);
    if (topic === "metadata") this.about = data;
    if (!this.rows[topic] || data?.motor) return; // a single motor turns while tuning: no sticks
    this.length_s = Math.max(this.length_s, t);
    this.rows[topic].push({ t, ...data, ...picture });
  }

  /** @param {string} topic @param {number} t @returns {number} index of the newest row at this time, -1 before the first */
  indexAt(topic, t) {
    const rows = this.rows[topic];
    let [low, high] = [0, rows.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (rows[middle].t <= t) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** Add the lines of the car's answer as they arrive. @param {string} name @param {AbortSignal} [signal] @param {() => void} [arrived] called after each piece */
  async read(name, signal, arrived = () => {}) {
    const answer = await fetch(`${addressOf(name, ".jsonl")}?topics=${Object.keys(this.rows)}`, { signal });
    if (!answer.ok || !answer.body) throw new Error(answer.statusText);
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (let done = false; !done; arrived()) {
      const piece = await reader.read();
      const lines = (rest + (piece.value ?? "")).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.add(line);
      done = piece.done;
    }
  }
}

/** The pictures of a recording: fetched in windows around the wanted one, of which the newest are kept. */
export class Pictures {
  #name;
  #rows;
  /** @type {{start: number, end: number, bytes: ArrayBuffer}[]} */ #windows = [];
  #busy = false;

  /** @param {string} name @param {any[]} rows of the topic /camera */
  constructor(name, rows) {
    this.#name = name;
    this.#rows = rows;
  }

  /**
   * @param {number} index of a picture @param {boolean} plays whether the next ones are soon wanted
   * @param {() => void} arrived called after a request, which may have brought it
   * @returns {Blob|null} null if it is not here; one request at a time fetches it, or those soon wanted
   */
  get(index, plays, arrived) {
    const row = this.#rows[index];
    if (!row) return null;
    const found = this.#holding(row);
    const ahead = this.#rows[index + WINDOW.playing / 3];
    if (!found) this.#fetch(index, plays ? WINDOW.playing : WINDOW.still, arrived);
    else if (plays && ahead && !this.#holding(ahead)) this.#fetch(this.#rows.findIndex(({ at }) => at >= found.end), WINDOW.playing, arrived);
    return found ? new Blob([found.bytes.slice(row.at - found.start, row.at - found.start + row.bytes)]) : null;
  }

  #holding({ at, bytes }) {
    return this.#windows.find(({ start, end }) => at >= start && at + bytes <= end);
  }

  async #fetch(first, most, arrived) {
    if (this.#busy) return;
    this.#busy = true;
    const [start, end] = windowOf(this.#rows, first, most);
    const answer = await fetch(addressOf(this.#name, ".mcap"), { headers: { Range: `bytes=${start}-${end - 1}` } }).catch(() => null);
    const bytes = answer?.status === 206 && (await answer.arrayBuffer().catch(() => null));
    if (bytes) this.#windows = [{ start, end, bytes }, ...this.#windows].slice(0, WINDOW.kept);
    this.#busy = false;
    if (bytes) arrived();
  }
}

/** @param {{at: number, bytes: number}[]} rows @param {number} first index @param {number} most pictures @returns {number[]} bytes to request: start, end */
export function windowOf(rows, first, most) {
  const start = rows[first].at;
  const fits = ({ at, bytes }, index) => index === 0 || (at >= start && at + bytes - start <= WINDOW.bytes);
  const wanted = rows.slice(first, first + most).filter(fits);
  const { at, bytes } = wanted[wanted.length - 1];
  return [start, at + bytes];
}
