// One mounted Plotly chart. It is created once; everything after is extendTraces or react.

import { setText } from "../dom.js";
import { DrawScheduler } from "../draw_scheduler.js";
import { changesInWords, unshownChanges } from "./changes.js";
import { ChartCard } from "./chart_card.js";
import { curvesOf, markNotes } from "./chart_spec.js";
import { Crosshair } from "./hover/crosshair.js";
import { Readout } from "./hover/readout.js";
import { layoutOf } from "./layout.js";
import { download } from "./picture.js";
import { summaryOf } from "./summary.js";
import { buildTraces, exitTraces, FEW } from "./traces.js";
import { Gestures } from "./zoom/gestures.js";
import { YView } from "./zoom/y_view.js";

const OUT_OF_VIEW_EVERY = 2000; // ms between two drawings of what nobody sees
const MAX_ENTRIES = 2000; // that are kept for those who measure the page
const TOLD_EVERY = 10_000; // ms between two summaries in words of a run under way

export class Chart {
  /**
   * @param {ChartSpec} spec
   * @param {Element} grid
   * @param {import("./chart_panel.js").ChartPanel} panel
   */
  constructor(spec, grid, panel) {
    this.spec = spec;
    this.panel = panel;
    this.card = new ChartCard(spec, grid, {
      download: (format) => this.#download(format),
      note: (text) => panel.status.note(text),
      reset: () => panel.zoom.reset(),
      toggleFull: () => panel.options.set({ full: !panel.options.full }),
      resize: () => panel.plotly?.Plots.resize(this.node),
    });
    this.node = this.card.plot;
    this.readout = new Readout(this, this.card.frame);
    this.crosshair = new Crosshair(this, this.card.frame);
    this.gestures = new Gestures(this);
    this.yView = new YView(this);
    this.scheduler = new DrawScheduler(() => this.#draw());
    /** @type {import("./line.js").Line[]} */
    this.lines = [];
    this.inView = true;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.later = undefined;
    this.viewObserver = new IntersectionObserver((entries) => {
      this.inView = entries[entries.length - 1].isIntersecting;
      if (this.inView) this.schedule();
    });
    this.viewObserver.observe(this.card.root);
    this.stale = true; // rebuild rather than extend
    this.mounted = false;
    this.bare = true; // without a point, so that its axes have no numbers
    this.markCount = 0;
    this.toldAt = 0;
    this.node.dataset.nodeId = Math.random().toString(36).slice(2, 10);
    this.node.dataset.points = this.node.dataset.lastStep = "0";
  }

  /** Whether the y axis is logarithmic. */
  get log() {
    return this.panel.options.log && this.spec.log;
  }

  /**
   * The axes as they are laid out, null before the first drawing.
   * @returns {import("./zoom/geometry.js").Axes | null}
   */
  get axes() {
    const { xaxis: x, yaxis: y } = this.node._fullLayout ?? {};
    return this.mounted && x && y ? { x, y } : null;
  }

  get layout() {
    return layoutOf(this, this.bare);
  }

  /** Draw soon what is new, or everything; `atOnce` where a person waits for it. */
  schedule(rebuild = false, atOnce = false) {
    this.stale ||= rebuild;
    if (!this.panel.plotly) return;
    if (atOnce || !this.mounted) this.scheduler.request(true);
    else if (this.inView || this.bare) this.scheduler.request();
    else this.later ??= setTimeout(() => this.#catchUp(), OUT_OF_VIEW_EVERY);
  }

  #catchUp() {
    this.later = undefined;
    this.scheduler.request();
  }

  async #draw() {
    const { plotly, closed, zoom } = this.panel;
    if (!plotly || closed || !this.node.isConnected) return;
    const begins = this.bare && this.#countPoints() > 0;
    if (this.stale || begins || this.#countMarks() !== this.markCount) await this.#rebuild(plotly);
    else await this.#extend(plotly);
    this.card.show(this.spec.title, this.bare ? this.panel.emptyText(this) : "", zoom.active);
    this.crosshair.place();
    this.#report();
  }

  /** @param {PlotlyLibrary} plotly */
  async #rebuild(plotly) {
    this.stale = false;
    this.markCount = this.#countMarks();
    this.bare = this.#countPoints() === 0;
    const { traces, lines } = buildTraces(this);
    this.lines = lines;
    this.card.showNotes([...markNotes(this.spec, this.panel.visibleRuns), ...unshownChanges(this.panel)]);
    this.yView.update();
    this.card.showAbove(this.yView.notes, this.panel.options.full);
    if (this.yView.top !== null) traces.push(...exitTraces(this, this.yView.top));
    await plotly.react(this.node, traces, this.layout, this.panel.plotConfig);
    this.mounted = true;
    this.#tell();
  }

  /** @param {PlotlyLibrary} plotly */
  async #extend(plotly) {
    /** @type {{ x: number[][], y: number[][] }} */
    const points = { x: [], y: [] };
    /** @type {number[]} */
    const traces = [];
    for (const line of this.lines) {
      const { x, y, smoothX, smoothY } = line.take();
      if (!x.length) continue;
      if (line.marked && line.next >= FEW) this.schedule(true);
      points.x.push(x);
      points.y.push(y);
      traces.push(line.trace);
      if (!line.smoother) continue;
      points.x.push(smoothX);
      points.y.push(smoothY);
      traces.push(line.trace + 1);
    }
    if (traces.length) await plotly.extendTraces(this.node, points, traces);
    if (this.yView.update()) this.schedule(true);
    if (performance.now() - this.toldAt > TOLD_EVERY) this.#tell();
  }

  remove() {
    this.viewObserver.disconnect();
    this.panel.plotly?.purge(this.node);
    this.card.root.remove();
  }

  /** Rewrite the summary in words. */
  #tell() {
    this.toldAt = performance.now();
    const summary = summaryOf(this.spec, this.panel.visibleRuns);
    setText(this.card.summary, [summary, ...changesInWords(this.panel)].join(" "));
  }

  /** @param {import("./picture.js").Format} format */
  #download(format) {
    const { plotly, status } = this.panel;
    if (plotly && this.mounted)
      download(plotly, this, format).catch(() => status.note("The picture could not be saved. Try again."));
  }

  #curves() {
    return this.panel.runs.flatMap(({ id }) => curvesOf(this.spec, this.panel.feed.run(id)));
  }

  #countMarks() {
    return this.#curves().reduce((sum, { curve }) => sum + curve.marks.length, 0);
  }

  /** Points that there are to draw, the planned curve's included. */
  #countPoints() {
    const planned = this.spec.planned ? (this.panel.data.planned?.lr.length ?? 0) : 0;
    return this.#curves().reduce((sum, { curve }) => sum + curve.steps.length, planned);
  }

  /** What is drawn, for tests and for those who measure the page. */
  #report() {
    /** @type {Record<number, number>} */
    const reached = {};
    for (const { run, lastStep } of this.lines) reached[run.id] = Math.max(reached[run.id] ?? 0, lastStep);
    const points = this.lines.reduce((sum, line) => sum + line.next, 0);
    this.node.dataset.points = String(points);
    this.node.dataset.lastStep = String(Math.max(0, ...Object.values(reached)));
    this.node.dataset.detail = String(this.panel.zoom.points);
    if (points) markDrawn({ chart: this.spec.name, reached });
  }
}

/** @param {object} detail */
function markDrawn(detail) {
  if (performance.getEntriesByName("trainscope-drawn").length > MAX_ENTRIES) {
    performance.clearMarks("trainscope-drawn");
    performance.clearMarks("trainscope-received");
  }
  performance.mark("trainscope-drawn", { detail });
}
