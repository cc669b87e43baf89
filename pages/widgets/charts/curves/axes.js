// From steps to what the x axis shows, and back.

/** @typedef {"step" | "epoch" | "time"} AxisMode */
/** @typedef {{ toX: (step: number) => number, toStep: (x: number) => number }} Scale */
/** @typedef {import("../live/run.js").Run} Run */
/** @typedef {import("../live/run.js").Curve} Curve */

/** @type {Record<AxisMode, { label: string, title: string, head: (x: number) => string }>} */
export const MODES = {
  step: { label: "Step", title: "step", head: (x) => `step ${Math.round(x)}` },
  epoch: { label: "Epoch", title: "epoch", head: (x) => `epoch ${x.toFixed(2)}` },
  time: { label: "Time", title: "seconds of training", head: (x) => `${x.toFixed(1)} s` },
};

/** @type {Scale} */
const IDENTITY = { toX: (step) => step, toStep: (x) => x };

/**
 * Returns the x axis of one run.
 * @param {Run | undefined} run
 * @param {AxisMode} mode
 * @returns {Scale}
 */
export function scaleOf(run, mode) {
  if (mode === "epoch") return epochScale(run);
  if (mode === "time") return between(run?.curve("step", "seconds") ?? run?.curve("epoch", "seconds"));
  return IDENTITY;
}

/**
 * Returns the x axis of a planned curve, which belongs to no run: by time it is drawn at the pace of `latest`.
 * @param {PlannedCurve | null} planned
 * @param {AxisMode} mode
 * @param {Run | undefined} latest
 */
export function plannedScale(planned, mode, latest) {
  if (mode === "step" || !planned) return IDENTITY;
  if (mode === "epoch" && planned.steps_per_epoch > 0) return byEpoch(planned.steps_per_epoch);
  return latest ? scaleOf(latest, mode) : IDENTITY;
}

/** @param {Run | undefined} run */
function epochScale(run) {
  const { total_steps: steps = 0, epochs = 0, steps_per_epoch: each } = run?.status?.progress ?? {};
  const even = each === undefined || each * epochs === steps; // else the batch size has changed
  if (steps > 0 && epochs > 0 && even) return byEpoch(steps / epochs);
  const curve = run?.curve("epoch", "epoch");
  return between(curve && { steps: [0, ...curve.steps], values: [0, ...curve.values] });
}

/**
 * @param {number} stepsPerEpoch
 * @returns {Scale}
 */
function byEpoch(stepsPerEpoch) {
  return { toX: (step) => step / stepsPerEpoch, toStep: (x) => x * stepsPerEpoch };
}

/**
 * Linear between known points, and straight on beyond them.
 * @param {Pick<Curve, "steps" | "values"> | undefined} curve
 * @returns {Scale}
 */
function between(curve) {
  const [steps, values] = curve?.steps.length ? [curve.steps, curve.values] : [[0], [0]];
  return { toX: (step) => interpolate(steps, values, step), toStep: (x) => interpolate(values, steps, x) };
}

/**
 * @param {number[]} xs Ascending.
 * @param {number[]} ys
 * @param {number} x
 */
function interpolate(xs, ys, x) {
  if (xs.length === 1) return xs[0] === 0 ? ys[0] : (ys[0] * x) / xs[0];
  const low = Math.min(lastUpTo(xs, x), xs.length - 2);
  const width = xs[low + 1] - xs[low];
  return width ? ys[low] + ((x - xs[low]) * (ys[low + 1] - ys[low])) / width : ys[low];
}

/**
 * Returns the index of the last element of an ascending array that is at most `x`, 0 where there is none.
 * @param {ArrayLike<number>} xs
 * @param {number} x
 */
function lastUpTo(xs, x) {
  let low = 0;
  let high = xs.length;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (xs[middle] <= x) low = middle;
    else high = middle;
  }
  return low;
}

/**
 * Returns the index of the element of an ascending array that is nearest to `x`.
 * @param {ArrayLike<number>} xs
 * @param {number} x
 */
export function nearest(xs, x) {
  const low = lastUpTo(xs, x);
  const high = Math.min(low + 1, xs.length - 1);
  return x - xs[low] <= xs[high] - x ? low : high;
}
