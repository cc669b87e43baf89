// Figures of the run as a whole: gradient norms of all steps, validation loss with its best epoch, the loss scale.

import { digits } from "../format.js";
import { decades, finiteOrGap, layoutOf, stepAxis } from "./plot_layout.js";

/** @typedef {import("./figures.js").Scene} Scene */
/** @typedef {import("./figures.js").Figure} Figure */

const BINS_PER_DECADE = 8; // as in trainer/health/messages.py

/**
 * @param {Scene} scene
 * @returns {Figure | null}
 */
export function gradientHistogram({ health, theme, data }) {
  if (!health.bins.size && !health.nonFinite) return null;
  const bins = [...health.bins].sort(([one], [other]) => one - other);
  const x = bins.map(([bin]) => (bin + 0.5) / BINS_PER_DECADE);
  const bars = {
    type: "bar",
    x,
    y: bins.map(([, count]) => count),
    width: 1 / BINS_PER_DECADE,
    marker: { color: theme.colors[0], line: { width: 0 } },
    customdata: bins.map(([bin]) => `${edge(bin)} … ${edge(bin + 1)}`),
    hovertemplate: "%{customdata}<br>%{y} steps<extra></extra>",
  };
  const limit = data.clips.map(Math.log10);
  /** @type {[number, number]} */
  const range = [Math.min(...x, ...limit) - 0.3, Math.max(...x, ...limit) + 0.3];
  const more = {
    bargap: 0,
    margin: { l: 48, r: 12, t: 24, b: 36 },
    ...clipLines(data.clips, range, theme.colors[1]),
  };
  const ticks = { range, ...decades(range) };
  const layout = layoutOf(theme, ["gradient norm", ticks], ["steps", { rangemode: "tozero" }], more);
  const percent = ((100 * health.clipped) / Math.max(1, health.total)).toFixed(1);
  const share = `${percent}% of ${health.total} steps were clipped`;
  const summary = health.clipping ? share : `${health.total} steps, none clipped: clipping is off`;
  const notes = health.nonFinite ? [`Norms that were not finite: ${health.nonFinite}`] : [];
  return { traces: [bars], layout, notes, description: summary, summary };
}

/** @param {number} bin */
function edge(bin) {
  return digits(10 ** (bin / BINS_PER_DECADE));
}

/**
 * Returns a line at each norm beyond which gradients were clipped, the one now in force dashed and the earlier ones dotted, with a
 * caption where there is more room.
 * @param {number[]} clips
 * @param {[number, number]} range
 * @param {string} color
 */
function clipLines(clips, [low, high], color) {
  const now = clips.at(-1);
  if (!now) return {};
  const shapes = clips.map((clip) => ({
    type: "line",
    x0: Math.log10(clip),
    x1: Math.log10(clip),
    yref: "paper",
    y0: 0,
    y1: 1,
    line: { color, width: 2, dash: clip === now ? "dash" : "dot" },
  }));
  const x = Math.log10(now);
  const caption = {
    x,
    y: 1,
    yref: "paper",
    yanchor: "bottom",
    xanchor: low + high > 2 * x ? "left" : "right",
    text: `clipped beyond ${clips.map(digits).join(", then ")}`,
    showarrow: false,
    font: { color, size: 11 },
  };
  return { shapes, annotations: [caption] };
}

/**
 * @param {Scene} scene
 * @returns {Figure | null}
 */
export function bestEpoch({ health, theme, data }) {
  const { epoch, loss, patience } = health.epochs;
  if (!epoch.length) return null;
  const [blue, , , , gold] = theme.colors;
  const { best } = health;
  /** @type {object[]} */
  const traces = [
    {
      type: "scatter",
      mode: epoch.length < 30 ? "lines+markers" : "lines",
      x: epoch,
      y: finiteOrGap(loss),
      line: { color: blue, width: 1.8 },
      marker: { color: blue, size: 4 },
      hovertemplate: "epoch %{x}<br>%{y:.4g}<extra></extra>",
    },
  ];
  if (best) {
    traces.push({
      type: "scatter",
      mode: "markers",
      x: [best.epoch],
      y: [best.loss],
      cliponaxis: false,
      marker: { symbol: "star", size: 14, color: gold, line: { color: theme.background, width: 1 } },
      hovertemplate: "best: epoch %{x}<br>%{y:.4g}<extra></extra>",
    });
  }
  const layout = layoutOf(theme, ["epoch", { rangemode: "tozero" }], ["", { tickformat: ".3~g" }]);
  const found = best
    ? `Best: epoch ${best.epoch} with ${digits(best.loss)}`
    : "No finite validation loss yet";
  const left = Math.max(0, patience[patience.length - 1]);
  const stopping = data.patience
    ? `Patience left: ${left} of ${data.patience} epochs`
    : "Early stopping is off";
  const summary = `${found}. ${stopping}`;
  return {
    traces,
    layout,
    description: summary,
    summary,
    meter: data.patience ? left / data.patience : null,
  };
}

/**
 * @param {Scene} scene
 * @returns {Figure | null}
 */
export function lossScale({ health, theme, log }) {
  const { steps, values } = health.lossScale;
  if (!steps.length) return null;
  const now = values[values.length - 1];
  const end = Math.max(health.seen.step, steps[steps.length - 1]);
  const line = {
    type: "scatter",
    mode: "lines",
    x: [...steps, end],
    y: [...values, now],
    line: { color: theme.colors[0], width: 2, shape: "hv" },
    hovertemplate: "from step %{x}<br>%{y}<extra></extra>",
  };
  const skipped = {
    type: "scatter",
    mode: "markers",
    x: health.skipped,
    y: health.skipped.map(() => 0.04),
    yaxis: "y2",
    cliponaxis: false,
    marker: { symbol: "x", size: 8, color: theme.colors[1] },
    hovertemplate: "step %{x} skipped<extra></extra>",
  };
  const known = [...new Set(values)].sort((one, other) => one - other);
  const tickvals = known.filter((_, i) => i % Math.ceil(known.length / 6) === 0 || i === known.length - 1);
  const y = { type: "log", tickvals, ticktext: tickvals.map((value) => value.toLocaleString("en-US")) };
  const yaxis2 = { overlaying: "y", range: [0, 1], visible: false, fixedrange: true };
  const layout = layoutOf(theme, stepAxis(log), ["", y], { yaxis2 });
  const summary = `Now ${now}; skipped steps: ${health.skipped.length}`;
  return { traces: [line, skipped], layout, description: summary, summary };
}
