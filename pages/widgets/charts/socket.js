// One WebSocket per tab. Speaks the protocol that pages/live/routes.py documents; knows nothing of charts.

const PROTOCOL = 2;
const RETRY_FIRST = 400;
const RETRY_MOST = 15000;
const PING_EVERY = 20000;
const LINGER = 10000; // a page change should not cost a connection

const TYPES = { u1: Uint8Array, i4: Int32Array, f4: Float32Array };
const text = new TextDecoder();

/** A packed message (trainer/curves/packing.py): its header, with typed arrays laid over the bytes, by name. */
export function unpack(message) {
  const { buffer, byteOffset } = message instanceof ArrayBuffer ? new Uint8Array(message) : message;
  const size = new DataView(buffer).getUint32(byteOffset, true);
  let at = byteOffset + 4;
  const header = JSON.parse(text.decode(new Uint8Array(buffer, at, size)));
  at += size;
  const arrays = {};
  for (const [name, type, shape] of header.arrays) {
    const count = shape.reduce((product, side) => product * side, 1);
    arrays[name] = new TYPES[type](buffer, at, count);
    arrays[name].shape = shape;
    at += Math.ceil(arrays[name].byteLength / 4) * 4;
  }
  return { ...header, arrays };
}

/** A binary message of the server: curves get their points, and a view its picture. */
export function decode(buffer) {
  const message = unpack(buffer);
  if (message.t === "view") return { ...message, picture: unpack(message.arrays.view) };
  if (message.segments) layPoints(message);
  return message;
}

/** Give each series its part of the message's points and means (trainer/curves/messages.py). */
function layPoints({ segments, arrays: { steps, values, means } }) {
  let point = 0;
  let bucket = 0;
  for (const series of segments.flatMap((segment) => segment.series)) {
    series.steps = steps.subarray(point, point + series.n);
    series.values = values.subarray(point, point + series.n);
    point += series.n;
    if (!series.means) continue;
    const [n, first, last, width] = series.means;
    series.level = levelOf(means.subarray(bucket, bucket + n), first, last, width);
    bucket += n;
  }
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
    if (this.ready) this.#send({ type: "auth", protocol: PROTOCOL, token });
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
    socket.onopen = () => this.#send({ type: "auth", protocol: PROTOCOL, token: this.token });
    socket.onmessage = (event) => this.#hear(event.data);
    socket.onclose = (event) => this.#closed(event.code);
  }

  #hear(data) {
    const message = typeof data === "string" ? JSON.parse(data) : decode(data);
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
