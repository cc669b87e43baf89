// What Plotly draws on a chart: the planned curve, then for each run its lines, its clip line and its marks.

import { plain } from "../format.js";
import { plannedScale, scaleOf } from "./axes.js";
import { curvesOf } from "./chart_spec.js";
import { Line } from "./line.js";

/** @typedef {import("./chart.js").Chart} Chart */
/** @typedef {{ run: import("../live/run.js").Run, color: string, visible: boolean, name: string }} DrawnRun */

const FAINT = 0.28;
export const FEW = 40; // points of a line that are marked one by one

/**
 * Returns a chart's traces, and the lines that will extend some of them.
 * @param {Chart} chart
 */
export function buildTraces({ spec, panel, zoom }) {
  const traces = spec.planned ? [plannedTrace(panel)] : [];
  /** @type {Line[]} */
  const lines = [];
  for (const shown of panel.runs) {
    const run = panel.feed.run(shown.id);
    const [color, visible] = [panel.color(shown), panel.isVisible(shown)];
    const drawn = { run, color, visible, name: plain(shown.label) };
    for (const part of spec.parts) {
      const line = new Line(run, part, panel.options, traces.length);
      const detail = zoom.of(line);
      traces.push(...lineTraces(line, detail ? line.takeWith(detail) : line.take(), drawn));
      lines.push(line);
    }
    if (spec.clip && shown.clip) traces.push(clipTrace(drawn, shown.clip, panel.options.x));
    traces.push(marksTrace(spec, drawn, panel));
  }
  return { traces, lines };
}

/**
 * Returns the raw line, faint where there is a smoothed one, too.
 * @param {Line} line
 * @param {import("./line.js").Points} points
 * @param {DrawnRun} drawn
 */
function lineTraces(line, { x, y, smoothX, smoothY }, { color, visible, name }) {
  const { part } = line;
  line.marked = part.kind === "epoch" && x.length < FEW;
  const style = {
    color,
    width: part.dashed ? 1.8 : 1.6,
    dash: part.dashed ? "dash" : "solid",
    shape: "linear",
  };
  const base = {
    type: "scatter",
    mode: line.marked ? "lines+markers" : "lines",
    visible,
    line: style,
    marker: { size: 4, color },
    hoverinfo: "none",
    connectgaps: true,
    name: part.label ? `${name} · ${part.label}` : name,
  };
  if (!line.smoother) return [{ ...base, x, y }];
  const raw = { ...base, x, y, opacity: FAINT, hoverinfo: "skip", line: { ...style, width: 1 } };
  return [raw, { ...base, x: smoothX, y: smoothY, line: { ...style, width: 2 } }];
}

/**
 * @param {Chart["panel"]} panel
 * @returns {Record<string, any>}
 */
function plannedTrace({ data: { planned }, options, theme, runs, feed }) {
  const latest = runs.at(-1);
  const { toX } = plannedScale(planned, options.x, latest && feed.run(latest.id));
  return {
    type: "scatter",
    mode: "lines",
    name: "planned",
    hoverinfo: "none",
    visible: Boolean(planned?.lr.length),
    x: (planned?.steps ?? []).map(toX),
    y: planned?.lr ?? [],
    line: { color: theme.muted, width: 1.5, dash: "dot" },
  };
}

/**
 * @param {DrawnRun} drawn
 * @param {number} clip
 * @param {import("./axes.js").AxisMode} mode
 */
function clipTrace({ run, color, visible, name }, clip, mode) {
  const last = run.status?.progress?.total_steps || run.cursors?.step || 1;
  const { toX } = scaleOf(run, mode);
  return {
    type: "scatter",
    mode: "lines",
    x: [toX(0), toX(last)],
    y: [clip, clip],
    visible,
    hoverinfo: "skip",
    name: `${name} · clip`,
    line: { color, width: 1, dash: "dot" },
  };
}

/**
 * Returns crosses on the axis where a series had no finite number; they have a scale of their own, so they never leave it.
 * @param {ChartSpec} spec
 * @param {DrawnRun} drawn
 * @param {Chart["panel"]} panel
 */
function marksTrace(spec, { run, color, visible, name }, { options, theme }) {
  const { toX } = scaleOf(run, options.x);
  const x = curvesOf(spec, run).flatMap(({ curve }) => curve.marks.map(([first]) => toX(first)));
  return {
    type: "scatter",
    mode: "markers",
    yaxis: "y2",
    visible: visible && x.length > 0,
    name: `${name} · non-finite`,
    x,
    y: x.map(() => 0.03),
    cliponaxis: false,
    hoverinfo: "skip",
    marker: { symbol: "x", size: 9, color, line: { color: theme.background, width: 1 } },
  };
}
