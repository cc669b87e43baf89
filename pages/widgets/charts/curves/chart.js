// One mounted Plotly chart. It is created once; everything after is extendTraces, or react with a constant uirevision.

import { DrawScheduler } from "../draw_scheduler.js";
import { ChartCard } from "./chart_card.js";
import { curvesOf, markNotes } from "./chart_spec.js";
import { layoutOf } from "./layout.js";
import { Readout } from "./readout.js";
import { buildTraces, FEW } from "./traces.js";
import { ZoomDetail } from "./zoom_detail.js";

const REST = 1.5; // times as long as a drawing took
const MAX_ENTRIES = 2000; // that are kept for those who measure the page

export class Chart {
  /**
   * @param {ChartSpec} spec
   * @param {Element} grid
   * @param {import("./chart_panel.js").ChartPanel} panel
   */
  constructor(spec, grid, panel) {
    this.spec = spec;
    this.panel = panel;
    this.card = new ChartCard(spec, grid);
    this.node = this.card.plot;
    this.readout = new Readout(this, this.card.root);
    this.zoom = new ZoomDetail(this);
    this.scheduler = new DrawScheduler(() => this.#draw(), REST);
    /** @type {import("./line.js").Line[]} */
    this.lines = [];
    this.stale = true; // rebuild rather than extend
    this.mounted = false;
    this.bare = true; // without a point, so that its axes have no numbers
    this.markCount = 0;
    this.node.dataset.nodeId = Math.random().toString(36).slice(2, 10);
    this.node.dataset.points = this.node.dataset.lastStep = "0";
  }

  /** Draw soon what is new, or everything. */
  schedule(rebuild = false) {
    this.stale ||= rebuild;
    if (this.panel.plotly) this.scheduler.request();
  }

  async #draw() {
    const { plotly, closed } = this.panel;
    if (!plotly || closed || !this.node.isConnected) return;
    const begins = this.bare && this.#countPoints() > 0;
    if (this.stale || begins || this.#countMarks() !== this.markCount) await this.#rebuild(plotly);
    else await this.#extend(plotly);
    this.card.show(this.spec.title, this.panel.runs.length, this.bare ? this.panel.emptyText(this) : "");
    this.#report();
  }

  /** @param {PlotlyLibrary} plotly */
  async #rebuild(plotly) {
    this.stale = false;
    this.markCount = this.#countMarks();
    this.bare = this.#countPoints() === 0;
    const { traces, lines } = buildTraces(this);
    this.lines = lines;
    this.card.showNotes(markNotes(this.spec, this.panel.visibleRuns));
    await plotly.react(this.node, traces, layoutOf(this, this.bare), this.panel.plotConfig);
    if (this.mounted) return;
    this.mounted = true;
    this.readout.listen();
    this.node.on("plotly_relayout", (change) => this.zoom.onRelayout(change));
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
  }

  remove() {
    this.panel.plotly?.purge(this.node);
    this.card.root.remove();
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
    this.node.dataset.detail = String(this.zoom.points);
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
