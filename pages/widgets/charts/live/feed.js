// The tab's one connection: what it knows of runs and their health, and the panels that it notifies.

import { HealthData } from "./health_data.js";
import { Run } from "./run.js";
import { LiveSocket } from "./socket.js";

const THIN_EVERY = 5000; // ms between requests for a freshly thinned run

export class Feed {
  /** @param {string} base */
  constructor(base) {
    /** @type {Map<number, Run>} */
    this.runs = new Map();
    /** @type {Map<number, HealthData>} */
    this.healths = new Map();
    /** @type {Map<FeedListener, HealthWish[]>} */
    this.healthWishes = new Map();
    this.healthAsked = "[]";
    /** @type {Map<FeedListener, number[]>} */
    this.listeners = new Map();
    /** @type {Map<number, { owner: object, onSegments: (segments: Segment[]) => void }>} */
    this.rangeRequests = new Map();
    this.lastRequest = 0;
    /** @type {ConnectionState} */
    this.state = "closed";
    this.everOpen = false;
    this.points = 2000;
    this.socket = new LiveSocket(`${base.replace(/^http/, "ws")}/api/live`, this);
  }

  /**
   * @param {number} id
   * @returns {Run}
   */
  run(id) {
    const run = this.runs.get(id) ?? new Run(id);
    this.runs.set(id, run);
    return run;
  }

  /**
   * @param {number} id
   * @returns {HealthData}
   */
  health(id) {
    const health = this.healths.get(id) ?? new HealthData();
    this.healths.set(id, health);
    return health;
  }

  // --- what panels request ---

  /**
   * Notify a panel of these runs, in place of those before.
   * @param {FeedListener} listener
   * @param {number[]} ids
   * @param {string} token
   * @param {number} points The most of one series that it can show.
   */
  watch(listener, ids, token, points) {
    this.listeners.set(listener, ids);
    this.points = points;
    this.socket.setToken(token);
    this.#subscribe();
  }

  /** @param {FeedListener} listener */
  unwatch(listener) {
    this.listeners.delete(listener);
    this.healthWishes.delete(listener);
    this.#subscribe();
    this.#wishHealth();
  }

  #subscribe() {
    const ids = [...new Set([...this.listeners.values()].flat())].sort((a, b) => a - b);
    this.socket.watch(ids, this.points);
  }

  /**
   * Follow the health of some of the runs that a panel watches, too, in place of those before.
   * @param {FeedListener} listener
   * @param {HealthWish[]} wishes
   */
  watchHealth(listener, wishes) {
    this.healthWishes.set(listener, wishes);
    this.#wishHealth();
  }

  /** What panels wish to know of runs; all of a run where one of them wishes all. */
  get #wishes() {
    /** @type {Map<number, HealthWish>} */
    const byRun = new Map();
    for (const wish of [...this.healthWishes.values()].flat()) {
      if (byRun.get(wish.run)?.views !== null) byRun.set(wish.run, wish);
    }
    return [...byRun.values()].sort((a, b) => a.run - b.run);
  }

  #wishHealth() {
    const asked = JSON.stringify(this.#wishes);
    if (asked === this.healthAsked) return;
    this.healthAsked = asked;
    this.#requestHealth();
  }

  #requestHealth() {
    const runs = this.#wishes.map((wish) => ({ ...wish, seen: this.health(wish.run).seen }));
    this.socket.send({ type: "health", runs });
  }

  /**
   * Request a part of some curves in detail; a newer request of the same owner replaces this one.
   * @param {object} owner
   * @param {{ runs: number[], series: string[], x0: number, x1: number }} range
   * @param {(segments: Segment[]) => void} onSegments
   */
  requestRange(owner, range, onSegments) {
    const id = ++this.lastRequest;
    this.dropRange(owner);
    this.rangeRequests.set(id, { owner, onSegments });
    this.socket.send({ type: "range", id, ...range });
  }

  /**
   * Ignore the answer to an owner's request.
   * @param {object} owner
   */
  dropRange(owner) {
    for (const [known, request] of this.rangeRequests) {
      if (request.owner === owner) this.rangeRequests.delete(known);
    }
  }

  // --- what the socket calls ---

  /** @param {number} id */
  cursors(id) {
    return this.runs.get(id)?.cursors ?? null;
  }

  /** @param {ConnectionState} state */
  onState(state) {
    this.state = state;
    this.everOpen ||= state === "open";
    if (state === "open" && this.healthWishes.size) this.#requestHealth();
    for (const listener of this.listeners.keys()) listener.onConnection(state);
  }

  /** @param {LiveMessage} message */
  onMessage(message) {
    switch (message.t) {
      case "status":
        this.run(message.run).status = message;
        this.#notify(message.run, (listener) => listener.onStatus(message.run));
        break;
      case "range":
        this.#onRange(message);
        break;
      case "health":
      case "view":
        if (!this.health(message.run).add(message)) this.#requestHealth();
        this.#notify(message.run, (listener) => listener.onHealth(message));
        break;
      default:
        this.#onCurves(message);
    }
  }

  /** @param {CurvesMessage} message */
  #onRange({ id = 0, segments }) {
    this.rangeRequests.get(id)?.onSegments(segments);
    this.rangeRequests.delete(id);
  }

  /** @param {CurvesMessage} message */
  #onCurves({ t, segments }) {
    const received = segments.map(({ run, kind, to }) => ({ run, kind, to }));
    performance.mark("trainscope-received", { detail: received });
    for (const id of new Set(segments.map(({ run }) => run))) {
      const own = segments.filter(({ run }) => run === id);
      if (t === "snapshot") this.#onSnapshot(this.run(id), own);
      else this.#onDelta(this.run(id), own);
    }
  }

  /**
   * @param {Run} run
   * @param {Segment[]} segments
   */
  #onSnapshot(run, segments) {
    run.replace(segments);
    this.#notify(run.id, (listener) => listener.onSnapshot(run.id));
  }

  /**
   * @param {Run} run
   * @param {Segment[]} segments
   */
  #onDelta(run, segments) {
    if (!run.cursors) return; // its snapshot is on the way
    if (!segments.every((segment) => run.append(segment))) {
      this.socket.send({ type: "resync", run: run.id, cursors: run.cursors });
    }
    const piledUp = run.deltaPoints > 2 * Math.max(run.snapshotPoints, this.points);
    if (piledUp && performance.now() - run.thinnedAt > THIN_EVERY) {
      run.thinnedAt = performance.now();
      this.socket.send({ type: "snapshot", runs: [run.id] });
    }
    this.#notify(run.id, (listener) => listener.onDelta(run.id));
  }

  /**
   * @param {number} id
   * @param {(listener: FeedListener) => void} call
   */
  #notify(id, call) {
    for (const [listener, ids] of this.listeners) if (ids.includes(id)) call(listener);
  }
}

/** @type {Feed | undefined} */
let feed;

/**
 * Returns the feed that all panels of the tab share, also when Streamlit mounts them again.
 * @param {string} base
 */
export function sharedFeed(base) {
  feed ??= window.__trainscopeFeed = new Feed(base);
  return feed;
}
