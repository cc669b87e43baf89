// How the figures of the Health page are laid out by Plotly.

import { digits } from "../format.js";

/**
 * @param {Theme} theme
 * @param {string} title
 * @param {object} more
 */
function axis(theme, title, more) {
  return {
    color: theme.muted,
    gridcolor: theme.grid,
    linecolor: theme.grid,
    zeroline: false,
    automargin: true,
    tickfont: { size: 11 },
    title: { text: title, font: { size: 11 }, standoff: 6 },
    ...more,
  };
}

/**
 * @param {Theme} theme
 * @param {[title: string, more: object]} x
 * @param {[title: string, more: object]} y
 * @param {object} [more]
 */
export function layoutOf(theme, x, y, more = {}) {
  return {
    uirevision: "keep",
    margin: { l: 48, r: 12, t: 8, b: 36 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: theme.font, color: theme.text, size: 12 },
    showlegend: false,
    dragmode: false,
    hovermode: "closest",
    modebar: { bgcolor: "rgba(0,0,0,0)", color: theme.muted, activecolor: theme.text },
    hoverlabel: { bgcolor: theme.surface, bordercolor: theme.grid, font: { color: theme.text, size: 12 } },
    xaxis: axis(theme, ...x),
    yaxis: axis(theme, ...y),
    ...more,
  };
}

/**
 * Returns the x axis of figures by step.
 * @param {boolean} log
 * @returns {[string, object]}
 */
export function stepAxis(log) {
  return ["step", log ? { type: "log", tickformat: ".2~s" } : { type: "linear", rangemode: "tozero" }];
}

/**
 * Returns ticks for a linear axis or color bar that shows log10 of values.
 * @param {[low: number, high: number]} range
 */
export function decades([low, high]) {
  const step = high - low > 4 ? 2 : high - low > 1.2 ? 1 : 0.25;
  const tickvals = [];
  for (let at = Math.ceil(low / step) * step; at <= high; at += step) tickvals.push(at);
  return { tickvals, ticktext: tickvals.map((at) => digits(10 ** at)) };
}

/**
 * Returns a color bar.
 * @param {Theme} theme
 * @param {object} ticks
 */
export function colorBar(theme, ticks) {
  return { thickness: 9, outlinewidth: 0, tickfont: { size: 10, color: theme.muted }, ...ticks };
}

/**
 * Returns Plotly's color scale of equally spaced colors.
 * @param {string[]} colors
 */
export function colorScale(colors) {
  return colors.map((color, i) => [i / (colors.length - 1), color]);
}

/**
 * Returns values for a line that leaves gaps where they are not finite.
 * @param {number[]} values
 */
export function finiteOrGap(values) {
  return values.map((value) => (Number.isFinite(value) ? value : null));
}
