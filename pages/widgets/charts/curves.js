// What this tab knows of its runs: curves by cursor, states, and the one connection they come over.

import { Health } from "./looks.js";
import { LiveSocket } from "./socket.js";

const KINDS = ["step", "epoch"];
const THIN_EVERY = 5000; // ms between requests to thin a run afresh

/** What smoothing starts from: the means that came with a series, or its points where none were left out. */
export function levelOf(series) {
  if (series.level) return series.level;
  return { steps: Array.from(series.steps), values: Array.from(series.values), spans: Array.from(series.steps, () => 1) };
}

/** One series: growing arrays, what smoothing starts from, and marks where it had no finite number. */
class Curve {
  constructor(series) {
    this.steps = series ? Array.from(series.steps) : [];
    this.values = series ? Array.from(series.values) : [];
    this.level = series ? levelOf(series) : { steps: [], values: [], spans: [] };
    this.marks = series?.marks ?? [];
  }

  append(series, after) {
    for (let i = 0; i < series.n; i++) {
      if (series.steps[i] > after) {
        this.steps.push(series.steps[i]);
        this.values.push(series.values[i]);
      }
    }
    const { steps, values, spans } = levelOf(series);
    for (let i = 0; i < steps.length; i++) {
      if (steps[i] > after) {
        this.level.steps.push(steps[i]);
        this.level.values.push(values[i]);
        this.level.spans.push(Math.min(spans[i], steps[i] - after)); // a bucket may begin before what is new
      }
    }
    for (const mark of series.marks ?? []) if (mark[1] > after) this.marks = this.marks.concat([mark]);
  }
}

/** All curves of one run. */
export class Run {
  constructor(id) {
    this.id = id;
    this.cursors = null;
    this.status = null;
    this.kinds = { step: {}, epoch: {} };
    this.opening = 0; // points that the last snapshot brought, to know when deltas have piled up
    this.extra = 0;
    this.asked = 0; // when a freshly thinned snapshot was last asked for
  }

  curve(kind, name) {
    return this.kinds[kind][name];
  }

  /** Take a snapshot's segments in place of everything. */
  replace(segments) {
    this.cursors = Object.fromEntries(KINDS.map((kind) => [kind, -1]));
    this.opening = this.extra = 0;
    for (const segment of segments) {
      this.kinds[segment.kind] = Object.fromEntries(segment.series.map((series) => [series.name, new Curve(series)]));
      this.cursors[segment.kind] = segment.to;
      for (const series of segment.series) this.opening = Math.max(this.opening, series.n);
    }
  }

  /** Append a delta's segment; false when something before it is missing. */
  append(segment) {
    const after = this.cursors[segment.kind];
    if (segment.after > after) return false;
    if (segment.to <= after) return true;
    for (const series of segment.series) {
      const curve = (this.kinds[segment.kind][series.name] ??= new Curve());
      curve.append(series, after);
      this.extra = Math.max(this.extra, curve.steps.length - this.opening);
    }
    this.cursors[segment.kind] = segment.to;
    return true;
  }
}

/** The tab's runs and their connection; panels come and go. */
export class Feed {
  constructor(base) {
    this.runs = new Map();
    this.panels = new Map();
    this.state = "closed";
    this.everOpen = false;
    this.healths = new Map();
    this.questions = new Map();
    this.question = 0;
    this.points = 2000;
    this.socket = new LiveSocket(`${base.replace(/^http/, "ws")}/api/live`, this);
  }

  run(id) {
    if (!this.runs.has(id)) this.runs.set(id, new Run(id));
    return this.runs.get(id);
  }

  show(panel, ids, token, points) {
    this.panels.set(panel, ids);
    this.points = points;
    this.socket.setToken(token);
    this.#watch();
  }

  /** The layers and pictures of one of the panel's runs, too: there is one such panel at a time. */
  showHealth(id) {
    if (this.watched === id) return;
    this.watched = id;
    this.#askHealth();
  }

  health(id) {
    if (!this.healths.has(id)) this.healths.set(id, new Health());
    return this.healths.get(id);
  }

  #askHealth() {
    const run = this.watched ?? null;
    this.socket.send({ type: "health", run, seen: run === null ? {} : this.health(run).seen });
  }

  hide(panel) {
    this.panels.delete(panel);
    this.#watch();
  }

  #watch() {
    const ids = [...new Set([...this.panels.values()].flat())].sort((a, b) => a - b);
    this.socket.watch(ids, this.points);
  }

  /** Ask for a part of some curves in detail; `answer` gets the segments, unless a newer question of `who` came since. */
  askRange(who, ids, series, x0, x1, answer) {
    const id = ++this.question;
    for (const [known, question] of this.questions) if (question.who === who) this.questions.delete(known);
    this.questions.set(id, { who, answer });
    this.socket.send({ type: "range", id, runs: ids, series, x0, x1 });
  }

  // --- what the socket calls ---

  cursors(id) {
    return this.runs.get(id)?.cursors ?? null;
  }

  onState(state) {
    this.state = state;
    this.everOpen ||= state === "open";
    if (state === "open" && this.watched) this.#askHealth();
    for (const panel of this.panels.keys()) panel.onConnection(state);
  }

  onMessage(message) {
    if (message.t === "status") {
      this.run(message.run).status = message;
      this.#tell(message.run, (panel) => panel.onStatus(message.run));
    } else if (message.t === "range") {
      this.questions.get(message.id)?.answer(message.segments);
      this.questions.delete(message.id);
    } else if (message.t === "health" || message.t === "view") {
      if (!this.health(message.run).take(message)) this.#askHealth(); // something is missing: all of it, please
      this.#tell(message.run, (panel) => panel.onHealth?.(message));
    } else {
      performance.mark("trainscope-received", { detail: message.segments.map(({ run, kind, to }) => ({ run, kind, to })) });
      const byRun = Map.groupBy ? Map.groupBy(message.segments, (segment) => segment.run) : groupByRun(message.segments);
      for (const [id, segments] of byRun) this.#take(this.run(id), message.t, segments);
    }
  }

  #take(run, type, segments) {
    if (type === "snapshot") {
      run.replace(segments);
      this.#tell(run.id, (panel) => panel.onSnapshot(run.id));
      return;
    }
    if (!run.cursors) return; // its snapshot is on the way
    if (!segments.every((segment) => run.append(segment))) {
      this.socket.send({ type: "resync", run: run.id, cursors: run.cursors });
    }
    const piledUp = run.extra > 2 * Math.max(run.opening, this.points);
    if (piledUp && performance.now() - run.asked > THIN_EVERY) {
      run.asked = performance.now();
      this.socket.send({ type: "snapshot", runs: [run.id] });
    }
    this.#tell(run.id, (panel) => panel.onDelta(run.id));
  }

  #tell(id, what) {
    for (const [panel, ids] of this.panels) if (ids.includes(id)) what(panel);
  }
}

function groupByRun(segments) {
  const groups = new Map();
  for (const segment of segments) groups.set(segment.run, [...(groups.get(segment.run) ?? []), segment]);
  return groups;
}

/** Any number of panels share one feed, also when Streamlit mounts them anew. */
export function sharedFeed(base) {
  return (window.__trainscopeFeed ??= new Feed(base));
}
