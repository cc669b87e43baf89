// One WebSocket per tab. Speaks the protocol that pages/live/routes.py documents; knows nothing of charts.

const RETRY_FIRST = 400;
const RETRY_MOST = 15000;
const PING_EVERY = 20000;
const LINGER = 10000; // a page change should not cost a connection

const TYPES = { u1: Uint8Array, i4: Int32Array, f4: Float32Array };
const text = new TextDecoder();

/** A message of packed arrays (trainer/health/packing.py) that begins at byte `at`: header, arrays by name, and its end. */
export function unpack(buffer, at = 0) {
  const size = new DataView(buffer).getUint32(at, true);
  const header = JSON.parse(text.decode(new Uint8Array(buffer, at + 4, size)));
  const arrays = {};
  let end = at + 4 + size;
  for (const [name, type, shape] of header.arrays) {
    const count = shape.reduce((product, side) => product * side, 1);
    arrays[name] = new TYPES[type](buffer, end, count);
    arrays[name].shape = shape;
    end += Math.ceil(arrays[name].byteLength / 4) * 4;
  }
  return { ...header, arrays, end };
}

/** A binary message of either kind. */
function read(buffer) {
  const size = new DataView(buffer).getUint32(0, true);
  const { t } = JSON.parse(text.decode(new Uint8Array(buffer, 4, size)));
  if (t === "health") return unpack(buffer);
  if (t !== "view") return decode(buffer);
  const message = unpack(buffer);
  return { ...message, picture: unpack(buffer, message.end) };
}

/** A server's binary message: its header, with typed arrays laid over the message where each series says n. */
export function decode(buffer) {
  const size = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(text.decode(new Uint8Array(buffer, 4, size)));
  let at = 4 + size;
  for (const frame of header.frames) {
    for (const series of frame.series) {
      series.steps = new Int32Array(buffer, at, series.n);
      series.values = new Float32Array(buffer, at + 4 * series.n, series.n);
      at += 8 * series.n;
    }
  }
  for (const frame of header.frames) {
    for (const series of frame.series) {
      if (!series.means) continue;
      const [n, first, last, width] = series.means;
      series.level = levelOf(new Float32Array(buffer, at, n), first, last, width);
      at += 4 * n;
    }
  }
  return header;
}

/** Bucket means as steps (the last of each), values and spans (how many steps each stands for). */
function levelOf(means, first, last, width) {
  const level = { steps: [], values: [], spans: [] };
  means.forEach((mean, i) => {
    if (Number.isNaN(mean)) return; // nothing finite there: the series' marks say so
    const begin = first + i * width;
    const end = Math.min(last, begin + width - 1);
    level.steps.push(end);
    level.values.push(mean);
    level.spans.push(end - begin + 1);
  });
  return level;
}

export class LiveSocket {
  /** `heard` gets onMessage(header), onState("open" | "closed" | "refused"), and cursors(run) is asked on reconnecting. */
  constructor(url, heard) {
    this.url = url;
    this.heard = heard;
    this.token = null;
    this.runs = [];
    this.points = 2000;
    this.attempt = 0;
    this.socket = null;
    this.ready = false;
    document.addEventListener("visibilitychange", () => this.#retrySoon());
    window.addEventListener("online", () => this.#retrySoon());
  }

  setToken(token) {
    if (!token || token === this.pageToken) return;
    this.pageToken = this.token = token;
    this.refused = false;
    if (this.ready) this.#send({ type: "auth", token });
    else this.#open();
  }

  watch(runs, points) {
    const same = runs.length === this.runs.length && runs.every((run, i) => run === this.runs[i]);
    if (same && points === this.points) return;
    this.runs = runs;
    this.points = points;
    clearTimeout(this.linger);
    if (!runs.length) this.linger = setTimeout(() => this.socket?.close(1000), LINGER);
    else if (!this.socket) this.#open();
    else if (this.ready) this.#subscribe();
  }

  send(message) {
    if (this.ready) this.#send(message);
  }

  #send(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  #open() {
    if (this.socket || !this.token || this.refused || !this.runs.length) return;
    clearTimeout(this.retry);
    const socket = new WebSocket(this.url);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    socket.onopen = () => this.#send({ type: "auth", token: this.token });
    socket.onmessage = (event) => this.#hear(event.data);
    socket.onclose = (event) => this.#closed(event.code);
  }

  #hear(data) {
    const message = typeof data === "string" ? JSON.parse(data) : read(data);
    if (message.t === "ready") this.#begin(message.expires_in);
    else if (message.t === "token") this.#renewed(message);
    else if (message.t === "error") console.warn(`live charts: ${message.message}`);
    else if (message.t !== "pong") this.heard.onMessage(message);
  }

  #begin(expires) {
    const first = !this.ready;
    this.ready = true;
    this.attempt = 0;
    this.#renewIn(expires);
    this.#subscribe();
    clearInterval(this.pinging);
    this.pinging = setInterval(() => this.#send({ type: "ping" }), PING_EVERY);
    if (first) this.heard.onState("open");
  }

  #subscribe() {
    const cursors = {};
    for (const run of this.runs) {
      const known = this.heard.cursors(run);
      if (known) cursors[run] = known;
    }
    this.#send({ type: "subscribe", runs: this.runs, points: this.points, cursors });
  }

  #renewIn(seconds) {
    clearTimeout(this.renewal);
    this.renewal = setTimeout(() => this.#send({ type: "refresh" }), Math.max(1, seconds * 0.6) * 1000);
  }

  #renewed(message) {
    this.token = message.token;
    this.#renewIn(message.expires_in);
  }

  #closed(code) {
    this.socket = null;
    this.ready = false;
    clearInterval(this.pinging);
    clearTimeout(this.renewal);
    if (!this.runs.length) return;
    // Only a new token can help here; the next rerun of the page brings one.
    this.refused = code === 4401;
    this.heard.onState(this.refused ? "refused" : "closed");
    if (this.refused) return;
    const wait = Math.min(RETRY_MOST, RETRY_FIRST * 2 ** this.attempt++) * (0.5 + Math.random());
    this.retry = setTimeout(() => this.#open(), wait);
  }

  #retrySoon() {
    if (document.hidden || this.socket || !this.runs.length) return;
    this.attempt = 0;
    this.#open();
  }
}
