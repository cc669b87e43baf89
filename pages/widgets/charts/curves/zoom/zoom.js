// What the charts are zoomed into: one x range for all of them, which is requested in full detail, and a y range for each.

import { scaleOf } from "../axes.js";

/** @typedef {import("./geometry.js").Range} Range */

const ASK_PAUSE = 120; // ms without a change of the range before it is requested
const LAST_STEP = 2 ** 31 - 1;

export class Zoom {
  /** @param {import("../chart_panel.js").ChartPanel} panel */
  constructor(panel) {
    this.panel = panel;
    /** @type {Range | null} */
    this.x = null;
    /** @type {Map<string, Range>} */
    this.y = new Map(); // by chart
    /** @type {Map<string, Series>} */
    this.series = new Map();
    this.widest = 0; // width of the x axis before it was zoomed
  }

  get active() {
    return this.x !== null || this.y.size > 0;
  }

  /** Points that the detail holds. */
  get points() {
    return [...this.series.values()].reduce((sum, series) => sum + series.n, 0);
  }

  /**
   * Returns a line's detail, or nothing where it has none.
   * @param {import("../line.js").Line} line
   */
  detailOf({ run, part }) {
    return this.series.get(`${run.id}/${part.kind}/${part.name}`);
  }

  /**
   * Zoom all charts in x and one of them in y; what is not given stays.
   * @param {import("../chart.js").Chart} chart
   * @param {{ x?: Range | null, y?: Range | null }} ranges
   */
  into(chart, { x, y }) {
    if (y) this.y.set(chart.spec.name, y);
    if (x) this.#setX(x, chart.axes?.x.range ?? x);
    this.panel.onZoom();
  }

  reset() {
    if (!this.active) return;
    this.y.clear();
    this.#dropX();
    this.panel.onZoom();
  }

  /**
   * @param {Range} range
   * @param {Range} before
   */
  #setX(range, before) {
    if (!this.x) this.widest = before[1] - before[0];
    if (range[1] - range[0] >= this.widest) return this.#dropX(); // pinched out again
    this.x = range;
    clearTimeout(this.asking);
    this.asking = setTimeout(() => this.#request(range), ASK_PAUSE);
  }

  #dropX() {
    clearTimeout(this.asking);
    this.x = null;
    this.series.clear();
    this.panel.feed.dropRange(this);
  }

  /** @param {Range} range */
  #request([from, to]) {
    const { panel } = this;
    const runs = panel.visibleRuns.map(({ run }) => run);
    if (!runs.length) return;
    const scales = runs.map((run) => scaleOf(run, panel.options.x));
    const x0 = Math.max(0, Math.min(...scales.map(({ toStep }) => Math.floor(toStep(from)))));
    const x1 = Math.min(LAST_STEP, Math.max(x0, ...scales.map(({ toStep }) => Math.ceil(toStep(to)))));
    if (!Number.isFinite(x0) || !Number.isFinite(x1)) return;
    const series = panel.charts.flatMap(({ spec }) => spec.parts.map(({ name }) => name));
    const request = { runs: runs.map(({ id }) => id), series: [...new Set(series)], x0, x1 };
    panel.feed.requestRange(this, request, (segments) => this.#onSegments(segments));
  }

  /** @param {Segment[]} segments */
  #onSegments(segments) {
    this.series.clear();
    for (const { run, kind, series } of segments) {
      for (const one of series) this.series.set(`${run}/${kind}/${one.name}`, one);
    }
    this.panel.redraw();
  }
}
