// One mounted Plotly chart. It is created once; everything after is extendTraces, or react with a constant uirevision.

import { TITLES, scaleOf } from "./axes.js";
import { CHARTS, Line, describe, plain } from "./lines.js";

const FAINT = 0.28;
const FEW = 40; // points of a line that are marked one by one
const BUSY = 1.5; // a chart rests this many times as long as it takes to draw

export class Chart {
  constructor(name, node, panel) {
    this.name = name;
    this.spec = CHARTS[name];
    this.node = node;
    this.panel = panel;
    this.lines = [];
    this.notes = [];
    this.detail = new Map();
    this.stale = true; // rebuild rather than extend
    this.due = false;
    this.restUntil = 0;
    node.dataset.nodeId = Math.random().toString(36).slice(2, 10);
    node.dataset.points = node.dataset.lastStep = "0";
  }

  /** Something is to be drawn: soon, but never so often that the page has no time for anything else. */
  schedule(rebuild = false) {
    this.stale ||= rebuild;
    if (this.due || !this.panel.plotly) return;
    this.due = true;
    const wait = Math.max(0, this.restUntil - performance.now());
    setTimeout(() => requestAnimationFrame(() => this.#draw()), wait);
  }

  async #draw() {
    this.due = false;
    if (this.panel.closed || !this.node.isConnected) return;
    const start = performance.now();
    if (this.stale || this.#markCount() !== this.marked || (this.bare && this.#points() > 0)) await this.#rebuild();
    else await this.#extend();
    this.#report();
    this.restUntil = performance.now() + BUSY * (performance.now() - start);
  }

  // --- traces ---

  async #rebuild() {
    this.stale = false;
    this.marked = this.#markCount();
    this.lines = [];
    this.notes = [];
    const traces = [];
    if (this.spec.planned) traces.push(this.#planned());
    for (const shown of this.panel.runs) traces.push(...this.#tracesOf(shown));
    await this.panel.plotly.react(this.node, traces, this.#layout(), this.panel.config);
    if (!this.listening) this.#listen();
  }

  #tracesOf(shown) {
    const run = this.panel.feed.run(shown.id);
    const options = this.panel.options;
    const color = this.panel.color(shown);
    const visible = this.panel.isVisible(shown);
    const name = plain(shown.label);
    const traces = this.spec.parts.flatMap((part) => this.#tracesOfPart(run, part, { color, visible, name, options }));
    if (this.spec.clip && shown.clip > 0) traces.push(this.#clip(shown, run, color, visible, name));
    traces.push(this.#marks(run, shown, color, visible, name));
    return traces;
  }

  #tracesOfPart(run, part, { color, visible, name, options }) {
    const line = new Line(run, part, options);
    const { x, y, smoothX, smoothY } = this.#withDetail(line, part);
    const label = part.label ? `${name} · ${part.label}` : name;
    const style = { color, width: part.dashed ? 1.8 : 1.6, dash: part.dashed ? "dash" : "solid", shape: "linear" };
    line.marked = part.kind === "epoch" && x.length < FEW;
    const base = { type: "scatter", mode: line.marked ? "lines+markers" : "lines", visible, line: style, marker: { size: 4, color },
      hoverinfo: "none", connectgaps: true, name: label };
    line.index = this.#count(line);
    const raw = { ...base, x, y };
    if (!line.smoother) return [raw];
    Object.assign(raw, { opacity: FAINT, hoverinfo: "skip", line: { ...style, width: 1 } });
    return [raw, { ...base, x: smoothX, y: smoothY, line: { ...style, width: 2 } }];
  }

  /** Where a line's traces stand among the chart's: the parts of a run, then its clip line, then its marks. */
  #count(line) {
    const before = this.lines.at(-1);
    const clips = (run) => (this.spec.clip && this.panel.shown(run.id)?.clip > 0 ? 1 : 0);
    let index = this.spec.planned ? 1 : 0;
    if (before) {
      index = before.index + (before.smoother ? 2 : 1);
      if (before.run !== line.run) index += 1 + clips(before.run);
    }
    this.lines.push(line);
    return index;
  }

  /** All points of a line; within a zoomed range the detailed ones that were asked for take the place of the thinned. */
  #withDetail(line, part) {
    const detail = this.detail.get(`${line.run.id}/${part.kind}/${part.name}`);
    return detail?.steps.length && line.curve?.steps.length ? line.takeWith(detail) : line.take();
  }

  #planned() {
    const planned = this.panel.data.planned;
    const scale = this.#plannedScale(planned);
    return { type: "scatter", mode: "lines", name: "planned", hoverinfo: "none", visible: Boolean(planned?.lr?.length),
      x: (planned?.steps ?? []).map(scale), y: planned?.lr ?? [],
      line: { color: this.panel.theme.muted, width: 1.5, dash: "dot" } };
  }

  #plannedScale(planned) {
    const mode = this.panel.options.x;
    if (mode === "step" || !planned) return (step) => step;
    const perEpoch = planned.steps_per_epoch;
    if (mode === "epoch" && perEpoch > 0) return (step) => step / perEpoch;
    const latest = this.panel.runs.at(-1);
    return latest ? scaleOf(this.panel.feed.run(latest.id), mode).x : (step) => step;
  }

  #clip(shown, run, color, visible, name) {
    const last = run.status?.progress?.total_steps || run.cursors?.step || 1;
    const { x } = scaleOf(run, this.panel.options.x);
    return { type: "scatter", mode: "lines", x: [x(0), x(last)], y: [shown.clip, shown.clip], visible, hoverinfo: "skip",
      name: `${name} · clip`, line: { color, width: 1, dash: "dot" } };
  }

  /** Crosses on the axis where a series had no finite number; they have a scale of their own, so they never leave it. */
  #marks(run, shown, color, visible, name) {
    const { x } = scaleOf(run, this.panel.options.x);
    const marks = this.spec.parts.flatMap((part) =>
      (run.curve(part.kind, part.name)?.marks ?? []).map((mark) => ({ part, mark })));
    if (visible) this.notes.push(...marks.map(({ part, mark }) => `${shown.label}: ${describe(part, mark)}`));
    return { type: "scatter", mode: "markers", yaxis: "y2", visible: visible && marks.length > 0, name: `${name} · non-finite`,
      x: marks.map(({ mark }) => x(mark[0])), y: marks.map(() => 0.03), cliponaxis: false, hoverinfo: "skip",
      marker: { symbol: "x", size: 9, color, line: { color: this.panel.theme.background, width: 1 } } };
  }

  #markCount() {
    let count = 0;
    for (const { id } of this.panel.runs) {
      for (const part of this.spec.parts) count += this.panel.feed.run(id).curve(part.kind, part.name)?.marks.length ?? 0;
    }
    return count;
  }

  /** Points that there are to draw, the planned curve's included. */
  #points() {
    let count = this.spec.planned ? (this.panel.data.planned?.lr?.length ?? 0) : 0;
    for (const { id } of this.panel.runs) {
      for (const part of this.spec.parts) count += this.panel.feed.run(id).curve(part.kind, part.name)?.steps.length ?? 0;
    }
    return count;
  }

  async #extend() {
    const x = [];
    const y = [];
    const indices = [];
    for (const line of this.lines) {
      // A series may appear only after the first epoch.
      line.curve ??= line.run.curve(line.part.kind, line.part.name);
      const points = line.take();
      if (!points.x.length) continue;
      if (line.marked && line.next >= FEW) this.schedule(true);
      x.push(points.x);
      y.push(points.y);
      indices.push(line.index);
      if (!line.smoother) continue;
      x.push(points.smoothX);
      y.push(points.smoothY);
      indices.push(line.index + 1);
    }
    if (indices.length) await this.panel.plotly.extendTraces(this.node, { x, y }, indices);
  }

  // --- layout ---

  #layout() {
    const { theme, options } = this.panel;
    const axis = { color: theme.muted, gridcolor: theme.grid, linecolor: theme.grid, zeroline: false, automargin: true,
      tickfont: { size: 11 }, ticks: "", fixedrange: false };
    const log = options.log && this.spec.log;
    const bare = this.bare = this.#points() === 0; // numbers on the axes of nothing would only be made up
    return {
      uirevision: "keep",
      margin: { l: 48, r: 12, t: 8, b: 36 },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: theme.font, color: theme.text, size: 12 },
      showlegend: false,
      hovermode: "x",
      hoverdistance: -1,
      dragmode: this.panel.touch ? false : "zoom",
      modebar: { bgcolor: "rgba(0,0,0,0)", color: theme.muted, activecolor: theme.text },
      xaxis: { ...axis, title: { text: TITLES[options.x], font: { size: 11 }, standoff: 6 }, showspikes: true, spikemode: "across",
        spikethickness: 1, spikesnap: "cursor", spikedash: "solid", spikecolor: theme.grid, showticklabels: !bare, showgrid: !bare, rangemode: "nonnegative", uirevision: options.x },
      yaxis: { ...axis, showticklabels: !bare, showgrid: !bare, type: log ? "log" : "linear", uirevision: log, exponentformat: "power", nticks: 6,
        rangemode: this.spec.planned ? "tozero" : "normal", // a level rate would else be drawn on a range of nothing
        tickformat: this.#tickFormat(log) },
      yaxis2: { overlaying: "y", range: [0, 1], visible: false, fixedrange: true },
    };
  }

  #tickFormat(log) {
    if (this.name === "metric" && this.panel.data.metric?.percent) return ".0%";
    return log ? ".2~g" : ".3~g";
  }

  // --- zoom ---

  #listen() {
    this.listening = true;
    this.readout.listen();
    this.node.on("plotly_relayout", (change) => this.#zoomed(change));
  }

  #zoomed(change) {
    if (change["xaxis.autorange"]) {
      if (!this.detail.size) return;
      this.detail.clear();
      this.schedule(true);
      return;
    }
    const from = change["xaxis.range[0]"] ?? change["xaxis.range"]?.[0];
    const to = change["xaxis.range[1]"] ?? change["xaxis.range"]?.[1];
    if (from === undefined || to === undefined) return;
    clearTimeout(this.asking);
    this.asking = setTimeout(() => this.#ask(from, to), 120);
  }

  #ask(from, to) {
    const ids = this.panel.runs.filter((shown) => this.panel.isVisible(shown)).map((shown) => shown.id);
    if (!ids.length) return;
    const spans = ids.map((id) => {
      const { step } = scaleOf(this.panel.feed.run(id), this.panel.options.x);
      return [Math.floor(step(from)), Math.ceil(step(to))];
    });
    const x0 = Math.max(0, Math.min(...spans.map((span) => span[0])));
    const x1 = Math.min(2 ** 31 - 1, Math.max(x0, ...spans.map((span) => span[1])));
    if (!Number.isFinite(x0) || !Number.isFinite(x1)) return;
    const names = this.spec.parts.map((part) => part.name);
    this.panel.feed.askRange(this.node, ids, names, x0, x1, (segments) => this.#detailed(segments));
  }

  #detailed(segments) {
    this.detail.clear();
    for (const segment of segments) {
      for (const series of segment.series) this.detail.set(`${segment.run}/${segment.kind}/${series.name}`, series);
    }
    this.schedule(true);
  }

  // --- for tests and for those who cannot see it ---

  #report() {
    let points = 0;
    let last = 0;
    const reached = {};
    for (const line of this.lines) {
      points += line.next;
      const step = line.curve?.steps[line.next - 1] ?? 0;
      last = Math.max(last, step);
      reached[line.run.id] = Math.max(reached[line.run.id] ?? 0, step);
    }
    this.node.dataset.points = String(points);
    this.node.dataset.lastStep = String(last);
    this.node.dataset.detail = String([...this.detail.values()].reduce((sum, series) => sum + series.n, 0));
    this.panel.drawn(this, points, reached);
  }
}
