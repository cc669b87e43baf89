// How Plotly lays a chart out. The `uirevision`s keep zoom and hidden curves while points stream in.

import { MODES } from "./axes.js";
import { tickFormat } from "./chart_spec.js";

/**
 * @param {import("./chart.js").Chart} chart
 * @param {boolean} bare Whether there is nothing to draw: numbers on its axes would only be made up.
 */
export function layoutOf({ spec, panel }, bare) {
  const { theme, options } = panel;
  const log = options.log && spec.log;
  const axis = {
    color: theme.muted,
    gridcolor: theme.grid,
    linecolor: theme.grid,
    zeroline: false,
    automargin: true,
    tickfont: { size: 11 },
    ticks: "",
    fixedrange: false,
    showticklabels: !bare,
    showgrid: !bare,
  };
  return {
    uirevision: "keep",
    margin: { l: 48, r: 12, t: 8, b: 36 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: theme.font, color: theme.text, size: 12 },
    showlegend: false,
    hovermode: "x",
    hoverdistance: -1,
    dragmode: panel.touch ? false : "zoom",
    modebar: { bgcolor: "rgba(0,0,0,0)", color: theme.muted, activecolor: theme.text },
    xaxis: {
      ...axis,
      title: { text: MODES[options.x].title, font: { size: 11 }, standoff: 6 },
      showspikes: true,
      spikemode: "across",
      spikethickness: 1,
      spikesnap: "cursor",
      spikedash: "solid",
      spikecolor: theme.grid,
      rangemode: "nonnegative",
      uirevision: options.x,
    },
    yaxis: {
      ...axis,
      type: log ? "log" : "linear",
      uirevision: log,
      exponentformat: "power",
      nticks: 6,
      rangemode: spec.planned ? "tozero" : "normal", // a level rate would else be drawn on a range of nothing
      tickformat: tickFormat(spec, log),
    },
    yaxis2: { overlaying: "y", range: [0, 1], visible: false, fixedrange: true },
  };
}
