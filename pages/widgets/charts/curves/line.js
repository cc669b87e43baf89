// A curve on its way to a chart, and how far it has been drawn.

import { levelOf, levelOfPoints } from "../live/run.js";
import { scaleOf } from "./axes.js";
import { Smoother } from "./smoother.js";
import { splice } from "./zoom/splice.js";

/** @typedef {import("../live/run.js").Run} Run */
/** @typedef {{ x: number[], y: number[], smoothX: number[], smoothY: number[] }} Points */
/** @typedef {{ x: import("./axes.js").AxisMode, log: boolean, smooth: number, full: boolean }} ChartOptions */

/** The traces of one part of a run: the raw line, and behind it in the chart's list the smoothed one where there is one. */
export class Line {
  /**
   * @param {Run} run
   * @param {ChartPart} part
   * @param {ChartOptions} options
   * @param {number} trace The place of its first trace among the chart's.
   */
  constructor(run, part, options, trace) {
    this.run = run;
    this.part = part;
    this.trace = trace;
    this.curve = run.curve(part.kind, part.name);
    this.scale = scaleOf(run, options.x);
    const total = run.status?.progress?.total_steps ?? run.cursors?.step ?? 0;
    this.smoother = part.smoothed && options.smooth > 0 ? new Smoother(options.smooth, total) : null;
    this.marked = false; // whether its points are marked one by one
    this.highest = Number.NEGATIVE_INFINITY; // value so far
    this.next = 0;
    this.nextLevel = 0;
  }

  /** The step up to which it has been drawn. */
  get lastStep() {
    return this.curve?.steps[this.next - 1] ?? 0;
  }

  /**
   * Returns the points that have come since the last call.
   * @returns {Points}
   */
  take() {
    this.curve ??= this.run.curve(this.part.kind, this.part.name); // a series may begin after the first epoch only
    if (!this.curve) return { x: [], y: [], smoothX: [], smoothY: [] };
    const { steps, values, level } = this.curve;
    const points = this.#points(steps.slice(this.next), values.slice(this.next), level);
    this.#advance(this.curve);
    return points;
  }

  /**
   * Returns all points from the start, with a zoomed range's `detail` in the place of what was thinned.
   * @param {Series} detail
   */
  takeWith(detail) {
    if (!this.curve?.steps.length || !detail.steps.length) return this.take();
    const whole = levelOfPoints(this.curve.steps, this.curve.values);
    const { steps, values } = splice(whole, levelOfPoints(detail.steps, detail.values));
    const points = this.#points(steps, values, splice(this.curve.level, levelOf(detail)));
    this.#advance(this.curve);
    this.nextLevel = this.curve.level.steps.length;
    return points;
  }

  /** @param {import("../live/run.js").Curve} curve Drawn to its end now. */
  #advance({ steps, values }) {
    for (; this.next < steps.length; this.next++) this.highest = Math.max(this.highest, values[this.next]);
  }

  /**
   * @param {number[]} steps
   * @param {number[]} values
   * @param {Level<number[]>} level
   * @returns {Points}
   */
  #points(steps, values, level) {
    /** @type {Points} */
    const points = { x: steps.map(this.scale.toX), y: values, smoothX: [], smoothY: [] };
    for (; this.smoother && this.nextLevel < level.steps.length; this.nextLevel++) {
      const i = this.nextLevel;
      points.smoothX.push(this.scale.toX(level.steps[i]));
      points.smoothY.push(
        this.smoother.next(level.steps[i], level.values[i], Math.max(level.spans[i], this.part.every)),
      );
    }
    return points;
  }
}
