// A chart as a picture that stands alone: with its title, the runs' names and the axes' names in it.

import { MODES } from "./axes.js";

/** @typedef {"png" | "svg"} Format */

const SCALE = 2;
const LEGEND_ROW = 22; // pixels
const ENTRY_WIDTH = 230;
const FONT = "Arial, Helvetica, sans-serif"; // the page's own is not there where a picture is drawn

/**
 * Returns what Plotly draws into the picture, and its size before it is doubled.
 * @param {import("./chart.js").Chart} chart
 * @param {object[]} traces
 * @param {Record<string, any>} layout As on the page.
 */
export function pictureOf({ spec, node, panel }, traces, layout) {
  const { theme, options } = panel;
  const data = traces.map((trace, i) => ({ ...trace, showlegend: isNamed(traces, i) }));
  const entries = data.filter(({ showlegend }) => showlegend).length;
  const width = node.clientWidth;
  const rows = Math.ceil(entries / Math.max(1, Math.floor((width - 80) / ENTRY_WIDTH)));
  const name = spec.unit ? `${spec.title} (${spec.unit})` : spec.title;
  return {
    data,
    layout: {
      ...layout,
      font: { ...layout.font, family: FONT },
      title: {
        text: spec.title,
        font: { size: 15 },
        x: 0.02,
        xanchor: "left",
        y: 1,
        yanchor: "top",
        pad: { t: 12 },
      },
      showlegend: true,
      legend: { orientation: "h", y: 1, yanchor: "bottom", x: 0, font: { size: 11 } },
      paper_bgcolor: theme.background,
      plot_bgcolor: theme.background,
      margin: { l: 64, r: 16, t: 44 + LEGEND_ROW * rows, b: 48 },
      xaxis: { ...layout.xaxis, title: { text: MODES[options.x].title } },
      yaxis: { ...layout.yaxis, title: { text: name } },
    },
    width,
    height: node.clientHeight + 48 + LEGEND_ROW * rows,
  };
}

/**
 * Whether a trace stands in the picture's legend: each visible line once, and marks where there are some.
 * @param {Record<string, any>[]} traces
 * @param {number} i
 */
function isNamed(traces, i) {
  const { name, visible, x } = traces[i];
  return Boolean(visible) && x.length > 0 && traces[i + 1]?.name !== name; // the smoothed line stands for the raw one, too
}

/**
 * @param {PlotlyLibrary} plotly
 * @param {import("./chart.js").Chart} chart
 * @param {Format} format
 */
export function download(plotly, chart, format) {
  const { data, layout, width, height } = pictureOf(chart, chart.node.data, chart.layout);
  const filename = `trainscope-${chart.spec.name}`;
  return plotly.downloadImage({ data, layout }, { format, width, height, scale: SCALE, filename });
}
