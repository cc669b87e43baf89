// From steps to what the x axis shows, and curves smoothed for the eye.

export const MODES = { step: "Step", epoch: "Epoch", time: "Time" };
export const TITLES = { step: "step", epoch: "epoch", time: "seconds of training" };

/** Functions from step to x and back, for one run. */
export function scaleOf(run, mode) {
  if (mode === "epoch") return epochScale(run);
  if (mode === "time") return between(run?.curve("step", "seconds") ?? run?.curve("epoch", "seconds"));
  return { x: (step) => step, step: (x) => x };
}

function epochScale(run) {
  const { total_steps: steps, epochs } = run?.status?.progress ?? {};
  if (steps > 0 && epochs > 0) {
    const each = steps / epochs;
    return { x: (step) => step / each, step: (x) => x * each };
  }
  return between(run?.curve("epoch", "epoch"));
}

/** Linear between known points, and straight on beyond them. */
function between(curve) {
  const [steps, values] = curve?.steps.length ? [curve.steps, curve.values] : [[0], [0]];
  return { x: (step) => interpolate(steps, values, step), step: (x) => interpolate(values, steps, x) };
}

function interpolate(xs, ys, x) {
  if (xs.length === 1) return xs[0] === 0 ? ys[0] : (ys[0] * x) / xs[0];
  let low = 0;
  let high = xs.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (xs[middle] <= x) low = middle;
    else high = middle;
  }
  const width = xs[high] - xs[low];
  return width ? ys[low] + ((x - xs[low]) * (ys[high] - ys[low])) / width : ys[low];
}

/**
 * Exponential moving average over steps, not over points, so that a thinned stretch and a full one are smoothed alike.
 * `amount` 0..0.99 chooses the time constant: amount / (1 - amount) five-hundredths of the run.
 */
export class Smoother {
  constructor(amount, total) {
    this.constant = Math.max(0.5, ((amount / (1 - amount)) * Math.max(total, 50)) / 500);
    this.sum = 0;
    this.weight = 0;
    this.last = null;
  }

  /** `value` stands for the `span` steps up to `step`: a point for one, a bucket's mean for all of the bucket. */
  next(step, value, span = 1) {
    const gap = this.last === null ? span : Math.max(0, step - this.last);
    const keep = Math.exp(-gap / this.constant);
    const share = 1 - Math.exp(-Math.min(span, gap) / this.constant);
    this.last = step;
    this.sum = this.sum * keep + value * share;
    this.weight = this.weight * keep + share;
    return this.sum / this.weight;
  }
}
