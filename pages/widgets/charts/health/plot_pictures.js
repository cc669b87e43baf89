// Pictures that Plotly draws: the confusion matrix, and predicted against true values.

import { digits, momentOf, plain } from "../format.js";
import { colorBar, colorScale, layoutOf } from "./plot_layout.js";

/** @typedef {import("./figures.js").Scene} Scene */
/** @typedef {import("./figures.js").Figure} Figure */

/**
 * @param {Packed} picture
 * @param {Scene} scene
 * @returns {Figure}
 */
export function confusionMatrix(picture, { theme, data, narrow }) {
  const { counts } = picture.arrays;
  const size = counts.shape[0];
  const names = classNames(picture.classes, size);
  const rows = Array.from({ length: size }, (_, i) => Array.from(counts.slice(i * size, (i + 1) * size)));
  const few = size <= (narrow ? 10 : 20);
  const trace = {
    type: "heatmap",
    x: names,
    y: names,
    z: rows.map(shares),
    zmin: 0,
    zmax: 1,
    xgap: 1,
    ygap: 1,
    customdata: rows,
    text: rows,
    texttemplate: few ? "%{text}" : "",
    colorscale: colorScale(data.scales.counts[theme.dark ? "dark" : "light"]),
    showscale: !few,
    colorbar: colorBar(theme, { tickformat: ".0%" }),
    hovertemplate: "%{y} taken for %{x}: %{customdata} (%{z:.0%} of %{y})<extra></extra>",
  };
  const tickangle = size > 4 && names.some((name) => name.length > 3) ? -40 : 0;
  const classes = { type: "category", showgrid: false };
  const layout = layoutOf(
    theme,
    ["predicted", { ...classes, tickangle }],
    ["true", { ...classes, autorange: "reversed" }],
  );
  const right = `${sumOf(rows.map((row, i) => row[i]))} of ${sumOf(rows.flat())} correct`;
  return {
    traces: [trace],
    layout,
    description: `${right}. ${mixedUp(rows, names)}`,
    summary: `${momentOf(picture)} · ${right}`,
  };
}

/** @param {number[]} values */
function sumOf(values) {
  return values.reduce((sum, value) => sum + value, 0);
}

/** @param {number[]} row */
function shares(row) {
  const all = sumOf(row);
  return row.map((count) => (all ? count / all : 0));
}

/**
 * Returns the pairs of classes that were mixed up most often, in words.
 * @param {number[][]} rows
 * @param {string[]} names
 */
function mixedUp(rows, names) {
  const pairs = rows
    .flatMap((row, i) => row.map((count, j) => ({ i, j, count })))
    .filter(({ i, j, count }) => i !== j && count);
  const worst = pairs.sort((one, other) => other.count - one.count).slice(0, 3);
  const words = worst.map(
    ({ i, j, count }) => `${names[i]} taken for ${names[j]} ${count} ${count === 1 ? "time" : "times"}`,
  );
  return words.length ? `Most often mixed up: ${words.join("; ")}` : "None mixed up";
}

/**
 * Returns names for an axis of `size` classes, never two alike; beyond those that fit, the last stands for the others.
 * @param {string[]} classes
 * @param {number} size
 */
export function classNames(classes, size) {
  const names = classes.slice(0, size).map((name) => plain(name, 16));
  if (classes.length > size) names[size - 1] = "others";
  return names.map((name, i) => (names.indexOf(name) === i ? name : `${name} (${i + 1})`));
}

/**
 * @param {Packed} picture
 * @param {Scene} scene
 * @returns {Figure}
 */
export function predictedAgainstTrue(picture, { theme }) {
  const { truth, predicted } = picture.arrays;
  const unit = plain(picture.unit || "target", 24);
  const values = [...truth, ...predicted].filter(Number.isFinite);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const pad = (high - low || 1) * 0.05;
  const range = [low - pad, high + pad];
  const diagonal = {
    type: "scatter",
    mode: "lines",
    x: range,
    y: range,
    hoverinfo: "skip",
    line: { color: theme.muted, width: 1.2, dash: "dash" },
  };
  const samples = {
    type: "scatter",
    mode: "markers",
    x: truth,
    y: predicted,
    marker: { color: theme.colors[0], size: 5, opacity: 0.55 },
    hovertemplate: "true %{x:.4g}<br>predicted %{y:.4g}<extra></extra>",
  };
  const errors = Array.from(truth, (value, i) => Math.abs(value - predicted[i])).filter(Number.isFinite);
  const error = `off by ${digits(sumOf(errors) / errors.length)}${picture.unit ? ` ${picture.unit}` : ""} on average`;
  return {
    traces: [diagonal, samples],
    layout: layoutOf(theme, [`true (${unit})`, { range }], [`predicted (${unit})`, { range }]),
    description: `${truth.length} of ${picture.of} validation samples, ${error}`,
    summary: `${momentOf(picture)} · ${error}`,
  };
}
