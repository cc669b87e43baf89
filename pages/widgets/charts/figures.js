// The Health page's figures of numbers: what each shows, how it is read, and its Plotly traces.

import { digits, shortNames } from "./looks.js";

const VIRIDIS = ["#440154", "#482878", "#3e4989", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725"];
const DIVERGING = [[0, "#b35806"], [0.25, "#f1a340"], [0.5, "#f7f7f7"], [0.75, "#998ec3"], [1, "#542788"]];
const DECADES = 8; // that a colour scale spans at most
const RULE = [1e-4, 1e-2]; // about 1e-3, give or take a decade

export const ACTIVATIONS = {
  act_std: { label: "Spread", how: "Standard deviation of what each layer passes on. Fading or swelling from row to row: the signal dies out or blows up with depth.", log: true },
  act_mean: { label: "Mean", how: "White is zero. A layer far from it passes on mostly an offset.", diverging: true },
  act_zero: { label: "Near zero", how: "Share of activations below one millionth. Half is usual for ReLU; nearly all is a layer that says nothing.", share: true },
  act_dead: { label: "Dead units", how: "Share of units that were zero for the whole batch. A unit that stays so learns nothing any more.", share: true },
};

/** name → { title, how, draw(health, look) → { traces, layout, notes?, text } or null while there is nothing }. `look` has theme,
 * data (what the page said of the run), log (x axis) and activation. */
export const FIGURES = {
  gradients: {
    title: "Gradient norm by layer", wide: true,
    how: "Each column is a look at one step, the first layer at the bottom; bright is large. A column that darkens towards the bottom: the gradient vanishes on its way back. One that brightens: it explodes.",
    draw: (health, look) => heat(health, "grad_norm", look, { log: true }),
  },
  ratios: {
    title: "Update-to-weight ratio",
    how: "How much a step changes each layer, relative to its weights. Healthy is about 0.001 (the band is a decade either way): far above it training is wild, far below it stands still. Dark lines are the first layers.",
    draw: ratios,
  },
  activations: {
    title: "Activations by layer", choice: ACTIVATIONS,
    how: (look) => ACTIVATIONS[look.activation].how,
    draw: (health, look) => heat(health, look.activation, look, ACTIVATIONS[look.activation]),
  },
  histogram: {
    title: "Gradient norms of all steps",
    how: "How often the whole gradient had which length, before clipping. What lies to the right of the line is clipped: a few percent tame outliers, nearly all means that the limit sets the step.",
    draw: histogram,
  },
  stopping: {
    title: "Validation loss and its best epoch",
    how: "The star marks the best epoch so far. Early stopping ends the run when its patience is used up, and goes back to the star.",
    draw: stopping,
  },
  scale: {
    title: "Loss scale", only: (data) => data.scaled,
    how: "float16 gradients are scaled up so that small ones do not vanish. Each cross is a step that overflowed and was skipped; the scale is then halved. A few at the start are usual.",
    draw: scale,
  },
};

function axis(theme, title, more = {}) {
  return { color: theme.muted, gridcolor: theme.grid, linecolor: theme.grid, zeroline: false, automargin: true, tickfont: { size: 11 },
    title: { text: title, font: { size: 11 }, standoff: 6 }, ...more };
}

export function layoutOf(theme, x, y, more = {}) {
  return { uirevision: "keep", margin: { l: 48, r: 12, t: 8, b: 36 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: theme.font, color: theme.text, size: 12 }, showlegend: false, dragmode: false, hovermode: "closest",
    modebar: { bgcolor: "rgba(0,0,0,0)", color: theme.muted, activecolor: theme.text },
    hoverlabel: { bgcolor: theme.surface, bordercolor: theme.grid, font: { color: theme.text, size: 12 } },
    xaxis: axis(theme, ...x), yaxis: axis(theme, ...y), ...more };
}

const stepAxis = ({ log }) => ["step", log ? { type: "log", tickformat: ".2~s" } : { type: "linear", rangemode: "tozero" }];

/** Colours between `from` and `to` (0…1) of Viridis, one for each of `count`. */
function ramp(count, dark) {
  const [from, to] = dark ? [0.25, 1] : [0, 0.82];
  return Array.from({ length: count }, (_, i) => {
    const at = (from + (to - from) * (count > 1 ? i / (count - 1) : 0.5)) * (VIRIDIS.length - 1);
    return VIRIDIS[Math.round(at)];
  });
}

/** Layer × step. */
function heat(health, kind, look, { log = false, diverging = false, share = false }) {
  const layers = health.layers(kind);
  if (!layers.length || !health.steps.length) return null;
  const names = shortNames(layers.map(({ layer }) => layer), look.narrow ? 14 : 26);
  const raw = layers.map(({ values }) => values);
  const finite = raw.flat().filter(Number.isFinite);
  const shown = log ? logarithms(raw, finite) : { z: raw.map((row) => row.map((v) => (Number.isFinite(v) ? v : null))), range: range(finite, { diverging, share }) };
  const trace = {
    type: "heatmap", x: health.steps, y: names, z: shown.z, customdata: raw.map((row) => row.map(digits)), zmin: shown.range[0], zmax: shown.range[1],
    colorscale: diverging ? DIVERGING : VIRIDIS.map((color, i) => [i / (VIRIDIS.length - 1), color]), hoverongaps: false,
    hovertemplate: "%{y}<br>step %{x}<br>%{customdata}<extra></extra>",
    colorbar: { thickness: 9, outlinewidth: 0, tickfont: { size: 10, color: look.theme.muted }, len: 1, xpad: 6, ...(log ? decades(shown.range) : share ? { tickformat: ".0%" } : { tickformat: ".2~g" }) },
  };
  const layout = layoutOf(look.theme, stepAxis(look), ["", { type: "category", showgrid: false, ticks: "" }]);
  return { traces: [trace], layout, notes: gaps(health, layers, names), text: told(health, layers, names, share) };
}

function range(finite, { diverging, share }) {
  if (share) return [0, 1];
  const [low, high] = [Math.min(...finite, 0), Math.max(...finite, 0)];
  const most = Math.max(-low, high) || 1;
  return diverging ? [-most, most] : [low, high];
}

/** Rows as log10, what is zero or too small at the lower end of the scale. */
function logarithms(raw, finite) {
  const positive = finite.filter((value) => value > 0).map(Math.log10);
  const high = positive.length ? Math.max(...positive) : 0;
  const low = positive.length ? Math.max(high - DECADES, Math.min(...positive)) : -1;
  const z = raw.map((row) => row.map((value) => (Number.isFinite(value) ? Math.max(low, value > 0 ? Math.log10(value) : low) : null)));
  return { z, range: high - low < 0.2 ? [low - 0.1, high + 0.1] : [low, high] };
}

function decades([low, high]) {
  const step = high - low > 4 ? 2 : high - low > 1.2 ? 1 : 0.25;
  const tickvals = [];
  for (let at = Math.ceil(low / step) * step; at <= high; at += step) tickvals.push(at);
  return { tickvals, ticktext: tickvals.map((at) => digits(10 ** at)) };
}

/** Where a layer had no finite number, in words. */
function gaps(health, layers, names) {
  const found = layers.flatMap(({ values }, i) => {
    const at = values.findIndex((value) => !Number.isFinite(value));
    return at < 0 ? [] : [{ name: names[i], step: health.steps[at], value: digits(values[at]) }];
  });
  if (!found.length) return [];
  const first = found.sort((one, other) => one.step - other.step)[0];
  const more = found.length > 1 ? ` (and in ${found.length - 1} more layers)` : "";
  return [`${first.value} in ${first.name} at step ${first.step}${more}`];
}

/** The newest look in words, for those who cannot see the figure. */
function told(health, layers, names, share = false) {
  const value = (layer) => (share ? `${Math.round(100 * layer.values.at(-1))} %` : digits(layer.values.at(-1)));
  const few = layers.length > 8 ? [...layers.keys()].filter((i) => i < 3 || i >= layers.length - 3) : [...layers.keys()];
  return `At step ${health.steps.at(-1)}: ${few.map((i) => `${names[i]} ${value(layers[i])}`).join(", ")}`;
}

function ratios(health, look) {
  const layers = health.layers("update_ratio");
  if (!layers.length || !health.steps.length) return null;
  const names = shortNames(layers.map(({ layer }) => layer));
  const colors = ramp(layers.length, look.theme.dark);
  const traces = layers.map(({ values }, i) => ({
    type: "scatter", mode: health.steps.length < 3 ? "markers" : "lines", name: names[i], x: health.steps, y: values.map((value) => (value > 0 && Number.isFinite(value) ? value : null)),
    line: { color: colors[i], width: 1.6 }, marker: { color: colors[i], size: 5 }, hovertemplate: `${names[i]}<br>step %{x}<br>%{y:.2e}<extra></extra>`,
  }));
  const band = { type: "rect", xref: "paper", x0: 0, x1: 1, y0: RULE[0], y1: RULE[1], line: { width: 0 }, fillcolor: look.theme.dark ? "rgba(79,209,165,0.13)" : "rgba(0,158,115,0.1)", layer: "below" };
  const rule = { type: "line", xref: "paper", x0: 0, x1: 1, y0: 1e-3, y1: 1e-3, line: { color: look.theme.dark ? "#4fd1a5" : "#00805d", width: 1, dash: "dash" }, layer: "below" };
  const layout = layoutOf(look.theme, stepAxis(look), ["", { type: "log", exponentformat: "power", dtick: 1 }], { shapes: [band, rule] });
  return { traces, layout, notes: gaps(health, layers, names), text: `${told(health, layers, names)}. The rule of thumb is 0.001` };
}

function histogram(health, { theme, data }) {
  if (!health.bins.size && !health.odd) return null;
  const bins = [...health.bins].sort((one, other) => one[0] - other[0]);
  const x = bins.map(([bin]) => (bin + 0.5) / 8);
  const bars = { type: "bar", x, y: bins.map(([, count]) => count), width: 1 / 8, marker: { color: theme.dark ? "#4DA3DB" : "#0072B2", line: { width: 0 } },
    customdata: bins.map(([bin]) => `${digits(10 ** (bin / 8))} … ${digits(10 ** ((bin + 1) / 8))}`), hovertemplate: "%{customdata}<br>%{y} steps<extra></extra>" };
  const limit = data.clip > 0 ? Math.log10(data.clip) : null;
  const [low, high] = [Math.min(...x, limit ?? Infinity) - 0.3, Math.max(...x, limit ?? -Infinity) + 0.3];
  const color = theme.dark ? "#F0803C" : "#D55E00";
  const shapes = limit === null ? [] : [{ type: "line", x0: limit, x1: limit, yref: "paper", y0: 0, y1: 1, line: { color, width: 2, dash: "dash" } }];
  const annotations = limit === null ? [] : [{ x: limit, y: 1, yref: "paper", yanchor: "bottom", xanchor: low + high > 2 * limit ? "left" : "right", text: `clipped beyond ${digits(data.clip)}`, showarrow: false, font: { color, size: 11 } }];
  const layout = layoutOf(theme, ["gradient norm", { range: [low, high], ...decades([low, high]) }], ["steps", { rangemode: "tozero" }], { shapes, annotations, bargap: 0, margin: { l: 48, r: 12, t: 24, b: 36 } });
  const share = health.clips ? `${(100 * health.clipped / health.total).toFixed(1)} % of ${health.total} steps were clipped` : `${health.total} steps, none clipped: clipping is off`;
  const odd = health.odd ? [`${health.odd} norms were not finite`] : [];
  return { traces: [bars], layout, notes: odd, text: share, said: share };
}

function stopping(health, { theme, data }) {
  const { epoch, loss, patience } = health.epochs;
  if (!epoch.length) return null;
  const best = health.best;
  const blue = theme.dark ? "#4DA3DB" : "#0072B2";
  const traces = [{ type: "scatter", mode: epoch.length < 30 ? "lines+markers" : "lines", x: epoch, y: loss.map((value) => (Number.isFinite(value) ? value : null)), line: { color: blue, width: 1.8 }, marker: { color: blue, size: 4 },
    hovertemplate: "epoch %{x}<br>%{y:.4g}<extra></extra>" }];
  const gold = theme.dark ? "#F2B632" : "#B27400";
  if (best) traces.push({ type: "scatter", mode: "markers", x: [best.epoch], y: [best.loss], cliponaxis: false, marker: { symbol: "star", size: 14, color: gold, line: { color: theme.background, width: 1 } }, hovertemplate: "best: epoch %{x}<br>%{y:.4g}<extra></extra>" });
  const layout = layoutOf(theme, ["epoch", { rangemode: "tozero" }], ["", { tickformat: ".3~g" }]);
  const left = patience.at(-1);
  const words = best ? `Best: epoch ${best.epoch} with ${digits(best.loss)}` : "No finite validation loss yet";
  const said = data.patience ? `${words}. Patience left: ${Math.max(0, left)} of ${data.patience} epochs` : `${words}. Early stopping is off`;
  return { traces, layout, text: said, said, meter: data.patience ? Math.max(0, left) / data.patience : null };
}

function scale(health, { theme, log }) {
  const { steps, values } = health.scale;
  if (!steps.length) return null;
  const end = Math.max(health.seen.step, steps.at(-1));
  const blue = theme.dark ? "#4DA3DB" : "#0072B2";
  const traces = [{ type: "scatter", mode: "lines", x: [...steps, end], y: [...values, values.at(-1)], line: { color: blue, width: 2, shape: "hv" }, hovertemplate: "from step %{x}<br>%{y}<extra></extra>" },
    { type: "scatter", mode: "markers", x: health.skipped, y: health.skipped.map(() => 0.04), yaxis: "y2", cliponaxis: false, marker: { symbol: "x", size: 8, color: theme.dark ? "#F0803C" : "#D55E00" }, hovertemplate: "step %{x} skipped<extra></extra>" }];
  const known = [...new Set(values)].sort((one, other) => one - other);
  const ticks = known.filter((_, i) => i % Math.ceil(known.length / 6) === 0 || i === known.length - 1);
  const layout = layoutOf(theme, stepAxis({ log }), ["", { type: "log", tickvals: ticks, ticktext: ticks.map((value) => value.toLocaleString("en-US")) }], { yaxis2: { overlaying: "y", range: [0, 1], visible: false, fixedrange: true } });
  const said = `Now ${values.at(-1)}; ${health.skipped.length} steps skipped`;
  return { traces, layout, text: said, said };
}
