// Which curves each chart shows, and how far each of them has been drawn.

import { Smoother, scaleOf } from "./axes.js";
import { levelOf } from "./curves.js";

export const CHARTS = {
  loss: { title: "Loss", log: true, parts: [
    { kind: "step", name: "loss", label: "train", smooth: true },
    { kind: "epoch", name: "val_loss", label: "validation", dashed: true },
  ] },
  lr: { title: "Learning rate", log: true, planned: true, empty: "The schedule, as it was followed", parts: [{ kind: "step", name: "lr", label: "" }] },
  grad_norm: { title: "Gradient norm", log: true, clip: true, empty: "How large the gradient is at each step", parts: [
    { kind: "step", name: "grad_norm", label: "", smooth: true },
  ] },
  metric: { title: "Accuracy", empty: "Training and validation after each epoch", parts: [
    { kind: "epoch", name: "train_metric", label: "train" },
    { kind: "epoch", name: "val_metric", label: "validation", dashed: true },
  ] },
};

const WORDS = { nan: "NaN", inf: "+∞", "-inf": "−∞", mixed: "NaN and ∞" };

/** Plotly reads a subset of HTML in texts; other people's text must come out as it was written. */
export function plain(text, most = 24) {
  const short = text.length > most ? `${text.slice(0, most - 1)}…` : text;
  // eslint-disable-next-line no-control-regex
  return short.replace(/[\u0000-\u001f]/g, " ").replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}

/** The lines of one part of a run: what is drawn, and how far into the curve it has been. */
export class Line {
  constructor(run, part, options) {
    this.run = run;
    this.part = part;
    this.curve = run.curve(part.kind, part.name);
    this.scale = scaleOf(run, options.x);
    const total = run.status?.progress?.total_steps ?? run.cursors?.step ?? 0;
    this.smoother = part.smooth && options.smooth > 0 ? new Smoother(options.smooth, total) : null;
    this.next = 0;
    this.nextLevel = 0;
  }

  /** Points that have come since the last call, as x and y, and (when smoothing) the smoothed line's own x and y. */
  take() {
    const { steps, values, level } = this.curve ?? { steps: [], values: [], level: { steps: [] } };
    const from = this.next;
    this.next = steps.length;
    const points = { x: steps.slice(from).map(this.scale.x), y: values.slice(from), smoothX: [], smoothY: [] };
    for (; this.smoother && this.nextLevel < level.steps.length; this.nextLevel++) {
      const i = this.nextLevel;
      points.smoothX.push(this.scale.x(level.steps[i]));
      points.smoothY.push(this.smoother.next(level.steps[i], level.values[i], level.spans[i]));
    }
    return points;
  }

  /** The same from the start, with a zoomed range's `detail` in the place of what was thinned. */
  takeWith(detail) {
    const whole = this.curve;
    this.curve = { ...splice(whole, detail), level: splice(whole.level, levelOf(detail)) };
    const points = this.take();
    this.curve = whole;
    this.next = whole.steps.length;
    this.nextLevel = whole.level.steps.length;
    return points;
  }
}

/** `whole` with `detail` in its place; what detail has beyond the end of `whole`, deltas will still bring. */
function splice(whole, detail) {
  const known = detail.steps.filter((step) => step <= whole.steps.at(-1)).length;
  if (!known) return whole;
  const begin = detail.steps[0] - (detail.spans?.[0] ?? 1);
  const end = detail.steps[known - 1];
  const before = whole.steps.filter((step) => step <= begin).length;
  const behind = whole.steps.filter((step) => step <= end).length;
  const join = (name) => [...whole[name].slice(0, before), ...detail[name].slice(0, known), ...whole[name].slice(behind)];
  const joined = { steps: join("steps"), values: join("values") };
  if (!detail.spans) return joined;
  joined.spans = join("spans");
  // The bucket into which the detail cuts goes on standing for what lies before it.
  const cut = whole.steps[before] - whole.spans[before] < begin && whole.steps[before] > begin;
  if (cut) {
    joined.steps.splice(before, 0, begin);
    joined.values.splice(before, 0, whole.values[before]);
    joined.spans.splice(before, 0, begin - (whole.steps[before] - whole.spans[before]));
  }
  return joined;
}

/** Index of the element of an ascending array that is nearest to `x`. */
export function nearest(xs, x) {
  let low = 0;
  let high = xs.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (xs[middle] <= x) low = middle;
    else high = middle;
  }
  return x - xs[low] <= xs[high] - x ? low : high;
}

/** A mark in words. */
export function describe(part, mark) {
  const [first, last, count, what] = mark;
  const where = first === last ? `step ${first}` : `steps ${first}–${last} (${count})`;
  return `${part.dashed ? "validation " : ""}non-finite (${WORDS[what] ?? what}) at ${where}`;
}
