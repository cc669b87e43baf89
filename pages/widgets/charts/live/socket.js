// One WebSocket per tab. Speaks the protocol that pages/live/routes.py documents; knows nothing of charts.

import { decode } from "./decode.js";

const PROTOCOL = 3;
const RETRY_FIRST = 400;
const RETRY_MOST = 15000;
const PING_EVERY = 20000;
const LINGER = 10000; // a page change should not cost a connection
const NOT_ALLOWED = 4401;

/**
 * What the socket calls.
 * @typedef {object} SocketListener
 * @property {(message: LiveMessage) => void} onMessage
 * @property {(state: ConnectionState) => void} onState
 * @property {(run: number) => Cursors | null} cursors Asked on reconnecting.
 */

export class LiveSocket {
  /**
   * @param {string} url
   * @param {SocketListener} listener
   */
  constructor(url, listener) {
    this.url = url;
    this.listener = listener;
    /** @type {string | null} */
    this.token = null;
    /** @type {string | null} */
    this.pageToken = null;
    /** @type {number[]} */
    this.runs = [];
    this.points = 2000;
    this.attempt = 0;
    /** @type {WebSocket | null} */
    this.socket = null;
    this.ready = false;
    this.refused = false;
    document.addEventListener("visibilitychange", () => this.#retrySoon());
    window.addEventListener("online", () => this.#retrySoon());
  }

  /** @param {string} token */
  setToken(token) {
    if (!token || token === this.pageToken) return;
    this.pageToken = this.token = token;
    this.refused = false;
    if (this.ready) this.#authenticate();
    else this.#open();
  }

  /**
   * Subscribe to these runs, in place of those before.
   * @param {number[]} runs
   * @param {number} points
   */
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

  /** @param {object} message */
  send(message) {
    if (this.ready) this.#send(message);
  }

  /** @param {object} message */
  #send(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  #open() {
    if (this.socket || !this.token || this.refused || !this.runs.length) return;
    clearTimeout(this.retry);
    const socket = new WebSocket(this.url);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    socket.onopen = () => this.#authenticate();
    socket.onmessage = (event) => this.#onMessage(event.data);
    socket.onclose = (event) => this.#onClose(event.code);
  }

  #authenticate() {
    this.#send({ type: "auth", protocol: PROTOCOL, token: this.token });
  }

  /** @param {string | ArrayBuffer} data */
  #onMessage(data) {
    const message = typeof data === "string" ? JSON.parse(data) : decode(data);
    if (message.t === "ready") this.#begin(message.expires_in);
    else if (message.t === "token") this.#onToken(message);
    else if (message.t === "error") console.warn(`live charts: ${message.message}`);
    else if (message.t !== "pong") this.listener.onMessage(message);
  }

  /** @param {number} expires Seconds until the token does. */
  #begin(expires) {
    const first = !this.ready;
    this.ready = true;
    this.attempt = 0;
    this.#renewIn(expires);
    this.#subscribe();
    clearInterval(this.pinging);
    this.pinging = setInterval(() => this.#send({ type: "ping" }), PING_EVERY);
    if (first) this.listener.onState("open");
  }

  #subscribe() {
    /** @type {Record<number, Cursors>} */
    const cursors = {};
    for (const run of this.runs) {
      const known = this.listener.cursors(run);
      if (known) cursors[run] = known;
    }
    this.#send({ type: "subscribe", runs: this.runs, points: this.points, cursors });
  }

  /** @param {number} seconds */
  #renewIn(seconds) {
    clearTimeout(this.renewal);
    this.renewal = setTimeout(() => this.#send({ type: "refresh" }), Math.max(1, seconds * 0.6) * 1000);
  }

  /** @param {{ token: string, expires_in: number }} message */
  #onToken(message) {
    this.token = message.token;
    this.#renewIn(message.expires_in);
  }

  /** @param {number} code */
  #onClose(code) {
    this.socket = null;
    this.ready = false;
    clearInterval(this.pinging);
    clearTimeout(this.renewal);
    if (!this.runs.length) return;
    // Only a new token can help here; the next rerun of the page brings one.
    this.refused = code === NOT_ALLOWED;
    this.listener.onState(this.refused ? "refused" : "closed");
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
