// What Plotly draws on a chart: the planned curve, then for each run its lines, its clip line and its marks.

import { plain } from "../format.js";
import { plannedScale, scaleOf } from "./axes.js";
import { curvesOf } from "./chart_spec.js";
import { Line } from "./line.js";
import { cutAt, lastStepOf, planEnd } from "./plan.js";

/** @typedef {import("./chart.js").Chart} Chart */
/** @typedef {{ run: import("../live/run.js").Run, color: string, visible: boolean, repeated: boolean, name: string }} DrawnRun */

const FAINT = 0.28;
export const FEW = 40; // points of a line that are marked one by one
const SYMBOLS = 10; // on a line whose color another run has already

/**
 * Returns a chart's traces, and the lines that will extend some of them.
 * @param {Chart} chart
 */
export function buildTraces({ spec, panel }) {
  const traces = spec.planned ? [plannedTrace(panel)] : [];
  /** @type {Line[]} */
  const lines = [];
  for (const shown of panel.runs) {
    const drawn = {
      run: panel.feed.run(shown.id),
      color: panel.color(shown),
      visible: panel.isVisible(shown),
      repeated: panel.isRepeated(shown),
      name: plain(shown.label),
    };
    for (const part of spec.parts) {
      const line = new Line(drawn.run, part, panel.options, traces.length);
      const detail = panel.zoom.detailOf(line);
      traces.push(...lineTraces(line, detail ? line.takeWith(detail) : line.take(), drawn));
      lines.push(line);
    }
    if (spec.clip && thresholds(shown).some(({ clip }) => clip)) traces.push(clipTrace(drawn, shown, panel));
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
function lineTraces(line, { x, y, smoothX, smoothY }, { color, visible, repeated, name }) {
  const { part } = line;
  line.marked = part.kind === "epoch" && x.length < FEW;
  const style = {
    color,
    width: part.dashed ? 1.8 : 1.6,
    dash: part.dashed ? "dash" : "solid",
    shape: "linear",
  };
  const symbols = { symbol: "diamond", size: 7, maxdisplayed: line.marked ? 0 : SYMBOLS };
  const base = {
    type: "scatter",
    mode: line.marked || repeated ? "lines+markers" : "lines",
    visible,
    line: style,
    marker: { size: 4, color, ...(repeated ? symbols : {}) },
    hoverinfo: "skip",
    connectgaps: true,
    name: part.label ? `${name} · ${part.label}` : name,
  };
  if (!line.smoother) return [{ ...base, x, y }];
  const raw = { ...base, mode: "lines", x, y, opacity: FAINT, line: { ...style, width: 1 } };
  return [raw, { ...base, x: smoothX, y: smoothY, line: { ...style, width: 2 } }];
}

/**
 * @param {Chart["panel"]} panel
 * @returns {Record<string, any>}
 */
function plannedTrace({ data, options, theme, runs, visibleRuns, feed }) {
  const { planned } = data;
  const latest = runs.at(-1);
  const { toX } = plannedScale(planned, options.x, latest && feed.run(latest.id));
  const end = planEnd(
    visibleRuns.map(({ run }) => run),
    options.x,
    data,
  );
  return {
    type: "scatter",
    mode: "lines",
    name: "planned",
    hoverinfo: "skip",
    visible: Boolean(planned?.lr.length),
    ...cutAt((planned?.steps ?? []).map(toX), planned?.lr ?? [], end),
    line: { color: theme.muted, width: 1.5, dash: "dot" },
  };
}

/**
 * Returns the gradient norms at which a run clips, each with the step from which on it does.
 * @param {ShownRun} shown
 */
function thresholds({ clip, changes }) {
  return [{ step: 0, clip }, ...changes];
}

/**
 * @param {DrawnRun} drawn
 * @param {ShownRun} shown
 * @param {Chart["panel"]} panel
 */
function clipTrace({ run, color, visible, name }, shown, { data, options }) {
  const end = lastStepOf(run, data);
  const last = Number.isFinite(end) ? end : run.cursors?.step || 1;
  const { toX } = scaleOf(run, options.x);
  const levels = thresholds(shown);
  return {
    type: "scatter",
    mode: "lines",
    x: levels.flatMap(({ step }, i) => [toX(step), toX(levels[i + 1]?.step ?? last)]),
    y: levels.flatMap(({ clip }) => [clip, clip]),
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
    ...marks("x", color, theme),
    visible: visible && x.length > 0,
    name: `${name} · non-finite`,
    x,
    y: x.map(() => 0.03),
  };
}

/**
 * Returns triangles at the upper edge where a line first leaves the view.
 * @param {Chart} chart
 * @param {number} top
 */
export function exitTraces({ lines, panel }, top) {
  return lines.flatMap((line) => {
    const shown = panel.shown(line.run.id);
    const { curve, scale } = line;
    if (!shown || !curve || !panel.isVisible(shown) || line.highest <= top) return [];
    const x = [scale.toX(curve.steps[curve.values.findIndex((value) => value > top)])];
    const name = `${plain(shown.label)} · above the view`;
    return [{ ...marks("triangle-up", panel.color(shown), panel.theme), name, x, y: [0.97] }];
  });
}

/**
 * @param {string} symbol
 * @param {string} color
 * @param {Theme} theme
 */
function marks(symbol, color, theme) {
  return {
    type: "scatter",
    mode: "markers",
    yaxis: "y2",
    visible: true,
    cliponaxis: false,
    hoverinfo: "skip",
    marker: { symbol, size: 9, color, line: { color: theme.background, width: 1 } },
  };
}
