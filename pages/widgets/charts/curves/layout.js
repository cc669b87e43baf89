// How Plotly lays a chart out. It only draws: what a pointer does is up to the folders zoom and hover.

import { MODES } from "./axes.js";
import { changeShapes } from "./changes.js";
import { tickFormat } from "./chart_spec.js";

/**
 * @param {import("./chart.js").Chart} chart
 * @param {boolean} bare Whether there is nothing to draw: numbers on its axes would only be made up.
 */
export function layoutOf({ spec, panel, yView, log }, bare) {
  const { theme, options, zoom } = panel;
  const axis = {
    color: theme.muted,
    gridcolor: theme.grid,
    linecolor: theme.grid,
    zeroline: false,
    automargin: true,
    tickfont: { size: 11 },
    ticks: "",
    fixedrange: true,
    showticklabels: !bare,
    showgrid: !bare,
  };
  return {
    margin: { l: 48, r: 12, t: 8, b: 36 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: theme.font, color: theme.text, size: 12 },
    showlegend: false,
    hovermode: false,
    dragmode: false,
    xaxis: {
      ...axis,
      title: { text: MODES[options.x].title, font: { size: 11 }, standoff: 6 },
      rangemode: "nonnegative",
      ...rangeOf(zoom.x),
    },
    yaxis: {
      ...axis,
      type: log ? "log" : "linear",
      exponentformat: "power",
      nticks: 6,
      rangemode: spec.planned ? "tozero" : "normal", // a level rate would else be drawn on a range of nothing
      tickformat: tickFormat(spec, log),
      ...rangeOf(zoom.y.get(spec.name) ?? null, yView.top),
    },
    shapes: changeShapes(panel),
    yaxis2: { overlaying: "y", range: [0, 1], visible: false, fixedrange: true },
  };
}

/**
 * @param {import("./zoom/geometry.js").Range | null} range
 * @param {number | null} [top] Where the axis ends if it is not zoomed; null for where the values do.
 */
function rangeOf(range, top = null) {
  if (range) return { range: [...range], autorange: false };
  return top === null ? { autorange: true } : { range: [-0.05 * top, 1.05 * top], autorange: false };
}
