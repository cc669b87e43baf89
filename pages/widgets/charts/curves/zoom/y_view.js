// What of a chart's values is in view from bottom to top, and which runs are above.

import { digits } from "../../format.js";
import { robustTop } from "./robust_top.js";

export class YView {
  /** @param {import("../chart.js").Chart} chart */
  constructor(chart) {
    this.chart = chart;
    /** @type {number | null} */
    this.robust = null; // the top that leaves diverged runs out
    /** @type {Map<number, number>} */
    this.above = new Map(); // highest value by run
    this.content = "";
  }

  /**
   * The top of the axis, null where it is that of the values.
   * @returns {number | null}
   */
  get top() {
    return this.chart.log || this.chart.panel.options.full ? null : this.robust;
  }

  /** Look at what the lines have drawn. Returns whether the view is another than before. */
  update() {
    const lines = this.#lines();
    this.robust = robustTop(lines);
    this.above.clear();
    for (const { run, highest } of this.robust === null ? [] : lines) {
      if (highest > (this.robust ?? 0))
        this.above.set(run.id, Math.max(highest, this.above.get(run.id) ?? 0));
    }
    const content = `${this.robust} ${[...this.above.keys()]}`;
    const changed = content !== this.content;
    this.content = content;
    return changed;
  }

  /** The runs that are above, in words. */
  get notes() {
    const above = this.chart.log ? [] : [...this.above];
    return above.map(([run, highest]) => `${this.chart.panel.shown(run)?.label} (up to ${digits(highest)})`);
  }

  /** Of what has no natural bounds: only that can run away. */
  #lines() {
    const { lines, panel, spec } = this.chart;
    if (!spec.log || spec.planned) return [];
    const visible = new Set(panel.visibleRuns.map(({ run }) => run));
    return lines.flatMap(({ run, curve, highest }) =>
      curve && visible.has(run) ? [{ run, values: curve.values, highest }] : [],
    );
  }
}
