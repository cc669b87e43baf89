// How far a run goes, and the planned curve up to there: a plan never stretches the axis of runs that have ended.

import { isOver } from "../status_line.js";
import { scaleOf } from "./axes.js";

/** @typedef {import("../live/run.js").Run} Run */

/**
 * Returns a run's last step: where it has ended, else where it is to end; infinite where that is not known yet.
 * @param {Run} run
 * @param {RunWords} words
 */
export function lastStepOf({ status, cursors }, words) {
  if (isOver(status, words)) return Math.max(0, cursors?.step ?? 0);
  return status?.progress?.total_steps || Number.POSITIVE_INFINITY;
}

/**
 * Returns the x up to which a plan is drawn behind these runs.
 * @param {Run[]} runs
 * @param {import("./axes.js").AxisMode} mode
 * @param {RunWords} words
 */
export function planEnd(runs, mode, words) {
  const ends = runs.map((run) => {
    const step = lastStepOf(run, words);
    return Number.isFinite(step) ? scaleOf(run, mode).toX(step) : step;
  });
  return ends.length ? Math.max(...ends) : Number.POSITIVE_INFINITY;
}

/**
 * Returns a curve up to `end`, with its value there.
 * @param {number[]} x Ascending.
 * @param {number[]} y
 * @param {number} end
 */
export function cutAt(x, y, end) {
  const behind = x.findIndex((at) => at > end);
  if (behind < 0) return { x, y };
  const [kept, values] = [x.slice(0, behind), y.slice(0, behind)];
  if (behind > 0) {
    const share = (end - x[behind - 1]) / (x[behind] - x[behind - 1]);
    kept.push(end);
    values.push(y[behind - 1] + share * (y[behind] - y[behind - 1]));
  }
  return { x: kept, y: values };
}
