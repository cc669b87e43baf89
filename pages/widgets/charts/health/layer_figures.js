// Figures by layer and step: heat maps, and the update-to-weight ratio of each layer.

import { digits, shortNames } from "../format.js";
import { colorBar, colorScale, decades, finiteOrGap, layoutOf, stepAxis } from "./plot_layout.js";

/** @typedef {import("../live/health_data.js").HealthData} HealthData */
/** @typedef {import("../live/health_data.js").LayerValues} LayerValues */
/** @typedef {import("./figures.js").Scene} Scene */
/** @typedef {import("./figures.js").Figure} Figure */
/** @typedef {{ kind: string, log?: boolean, diverging?: boolean, share?: boolean }} Quantity */

const DECADES = 8; // that a color scale spans at most
const RULE = 1e-3; // of thumb for the update-to-weight ratio, give or take a decade

/**
 * Returns a heat map of layer × step.
 * @param {Scene} scene
 * @param {Quantity} quantity
 * @returns {Figure | null}
 */
export function heatMap(scene, { kind, log, diverging, share }) {
  const { health, theme, data } = scene;
  const layers = health.layers(kind);
  if (!layers.length || !health.steps.length) return null;
  const names = shortNames(namesOf(layers), scene.narrow ? 14 : 26);
  const rows = layers.map(({ values }) => values);
  const finite = rows.flat().filter(Number.isFinite);
  const { z, range } = log
    ? logarithms(rows, finite)
    : { z: rows.map(finiteOrGap), range: rangeOf(finite, diverging, share) };
  const ticks = log ? decades(range) : { tickformat: share ? ".0%" : ".2~g" };
  const trace = {
    type: "heatmap",
    x: health.steps,
    y: names,
    z,
    customdata: rows.map((row) => row.map(digits)),
    zmin: range[0],
    zmax: range[1],
    colorscale: colorScale(diverging ? data.scales.diverging : data.scales.sequential),
    hoverongaps: false,
    hovertemplate: "%{y}<br>step %{x}<br>%{customdata}<extra></extra>",
    colorbar: colorBar(theme, { len: 1, xpad: 6, ...ticks }),
  };
  const layout = layoutOf(theme, stepAxis(scene.log), ["", { type: "category", showgrid: false, ticks: "" }]);
  const description = newestInWords(health, layers, names, share);
  return { traces: [trace], layout, notes: nonFiniteNotes(health, layers, names), description };
}

/**
 * Returns the update-to-weight ratio of each layer as lines, dark ones first, over the band of the rule of thumb.
 * @param {Scene} scene
 * @returns {Figure | null}
 */
export function updateRatios({ health, theme, data, log }) {
  const layers = health.layers("update_ratio");
  if (!layers.length || !health.steps.length) return null;
  const names = shortNames(namesOf(layers));
  const colors = ramp(data.scales.sequential, layers.length, theme.dark);
  const traces = layers.map(({ values }, i) => ({
    type: "scatter",
    mode: health.steps.length < 3 ? "markers" : "lines",
    name: names[i],
    x: health.steps,
    y: values.map((value) => (value > 0 && Number.isFinite(value) ? value : null)),
    line: { color: colors[i], width: 1.6 },
    marker: { color: colors[i], size: 5 },
    hovertemplate: `${names[i]}<br>step %{x}<br>%{y:.2e}<extra></extra>`,
  }));
  const y = { type: "log", exponentformat: "power", dtick: 1 };
  const layout = layoutOf(theme, stepAxis(log), ["", y], { shapes: ruleOfThumb(theme) });
  const description = `${newestInWords(health, layers, names)}. The rule of thumb is ${RULE}`;
  return { traces, layout, notes: nonFiniteNotes(health, layers, names), description };
}

/** @param {Theme} theme */
function ruleOfThumb(theme) {
  const green = theme.colors[2];
  const across = { xref: "paper", x0: 0, x1: 1, layer: "below" };
  const band = {
    type: "rect",
    ...across,
    y0: RULE / 10,
    y1: RULE * 10,
    line: { width: 0 },
    fillcolor: green,
    opacity: 0.12,
  };
  return [
    band,
    { type: "line", ...across, y0: RULE, y1: RULE, line: { color: green, width: 1, dash: "dash" } },
  ];
}

/** @param {LayerValues[]} layers */
function namesOf(layers) {
  return layers.map(({ layer }) => layer);
}

/**
 * Returns `count` colors of a scale, without its end that is lost on the background.
 * @param {string[]} scale
 * @param {number} count
 * @param {boolean} dark
 */
function ramp(scale, count, dark) {
  const [from, to] = dark ? [0.25, 1] : [0, 0.82];
  return Array.from({ length: count }, (_, i) => {
    const at = from + (to - from) * (count > 1 ? i / (count - 1) : 0.5);
    return scale[Math.round(at * (scale.length - 1))];
  });
}

/**
 * @param {number[]} finite
 * @param {boolean} [diverging]
 * @param {boolean} [share]
 * @returns {[number, number]}
 */
function rangeOf(finite, diverging, share) {
  if (share) return [0, 1];
  const [low, high] = [Math.min(...finite, 0), Math.max(...finite, 0)];
  const most = Math.max(-low, high) || 1;
  return diverging ? [-most, most] : [low, high];
}

/**
 * Returns rows as log10, what is zero or too small at the lower end of the scale.
 * @param {number[][]} rows
 * @param {number[]} finite
 * @returns {{ z: (number | null)[][], range: [number, number] }}
 */
function logarithms(rows, finite) {
  const positive = finite.filter((value) => value > 0).map(Math.log10);
  const high = positive.length ? Math.max(...positive) : 0;
  const low = positive.length ? Math.max(high - DECADES, Math.min(...positive)) : -1;
  /** @param {number} value */
  const logarithm = (value) => Math.max(low, value > 0 ? Math.log10(value) : low);
  const z = rows.map((row) => row.map((value) => (Number.isFinite(value) ? logarithm(value) : null)));
  return { z, range: high - low < 0.2 ? [low - 0.1, high + 0.1] : [low, high] };
}

/**
 * Returns where a layer had no finite number first, in words.
 * @param {HealthData} health
 * @param {LayerValues[]} layers
 * @param {string[]} names
 */
function nonFiniteNotes(health, layers, names) {
  const found = layers.flatMap(({ values }, i) => {
    const at = values.findIndex((value) => !Number.isFinite(value));
    return at < 0 ? [] : [{ name: names[i], step: health.steps[at], value: digits(values[at]) }];
  });
  if (!found.length) return [];
  const [first] = found.sort((one, other) => one.step - other.step);
  const more = found.length > 1 ? ` (and in ${found.length - 1} more layers)` : "";
  return [`${first.value} in ${first.name} at step ${first.step}${more}`];
}

/**
 * Returns the newest sample in words, for those who cannot see the figure: of many layers the first and the last.
 * @param {HealthData} health
 * @param {LayerValues[]} layers
 * @param {string[]} names
 * @param {boolean} [share]
 */
function newestInWords(health, layers, names, share) {
  const values = layers.map((layer) => layer.values[layer.values.length - 1]);
  const words = values.map(
    (value, i) => `${names[i]} ${share ? `${Math.round(100 * value)}%` : digits(value)}`,
  );
  const shown = words.length > 8 ? [...words.slice(0, 3), ...words.slice(-3)] : words;
  return `At step ${health.steps.at(-1)}: ${shown.join(", ")}`;
}
