// Which curves each chart shows, and how far each of them has been drawn.

import { Smoother, scaleOf } from "./axes.js";

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
  }

  /** Points that have come since the last call, as x, y and (when smoothing) the smoothed y. */
  take() {
    const x = [];
    const y = [];
    const smooth = [];
    const { steps, values } = this.curve ?? { steps: [], values: [] };
    for (; this.next < steps.length; this.next++) {
      x.push(this.scale.x(steps[this.next]));
      y.push(values[this.next]);
      if (this.smoother) smooth.push(this.smoother.next(steps[this.next], values[this.next]));
    }
    return { x, y, smooth };
  }
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
