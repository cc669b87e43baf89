// What a chart shows, as the page declares it (pages/widgets/live_chart.py): its curves, and its texts.

import { isOver } from "../status_line.js";

/** @typedef {import("../live/run.js").Run} Run */
/** @typedef {import("../live/run.js").Curve} Curve */

/** @type {Record<string, string>} */
const NON_FINITE = { nan: "NaN", inf: "+∞", "-inf": "−∞", mixed: "NaN and ∞" };
const NOTES = 3; // marks that are written out

/**
 * Returns a run's curves on a chart, each with the part that it is of; those that have not begun are left out.
 * @param {ChartSpec} spec
 * @param {Run} run
 * @returns {{ part: ChartPart, curve: Curve }[]}
 */
export function curvesOf(spec, run) {
  return spec.parts.flatMap((part) => {
    const curve = run.curve(part.kind, part.name);
    return curve ? [{ part, curve }] : [];
  });
}

/**
 * Returns what a chart without a point waits for, if anything.
 * @param {ChartSpec} spec
 * @param {Run[]} runs
 * @param {RunWords} words
 */
export function waitingText(spec, runs, words) {
  if (runs.some(({ status }) => status && !isOver(status, words)))
    return firstText(spec.parts.every(({ kind }) => kind === "epoch"));
  return runs.every(({ cursors }) => cursors) ? "These runs left nothing to show here." : "Loading…";
}

/**
 * Returns what a figure of a run under way waits for.
 * @param {boolean} [byEpoch]
 */
export function firstText(byEpoch) {
  return byEpoch ? "After the first epoch…" : "Waiting for the first step…";
}

/**
 * Returns where the runs of a chart had no finite number, in words: the first few, and how many more there are.
 * @param {ChartSpec} spec
 * @param {{ run: Run, label: string }[]} runs
 */
export function markNotes(spec, runs) {
  const notes = runs.flatMap(({ run, label }) =>
    curvesOf(spec, run).flatMap(({ part, curve }) =>
      curve.marks.map((mark) => `${label}: ${describeMark(part, mark)}`),
    ),
  );
  return notes.length > NOTES ? [...notes.slice(0, NOTES), `and ${notes.length - NOTES} more`] : notes;
}

/**
 * Returns a mark in words.
 * @param {ChartPart} part
 * @param {Mark} mark
 */
export function describeMark(part, [first, last, count, what]) {
  const where = first === last ? `step ${first}` : `steps ${first}–${last} (${count})`;
  return `${part.dashed ? "validation " : ""}non-finite (${NON_FINITE[what] ?? what}) at ${where}`;
}

/**
 * Returns a value as the readout writes it.
 * @param {ChartSpec} spec
 * @param {number} value
 */
export function formatValue(spec, value) {
  if (spec.percent) return `${(100 * value).toFixed(1)}%`;
  return `${Number(value.toPrecision(4))} ${spec.unit}`.trim();
}

/**
 * Returns Plotly's format of the y axis's ticks.
 * @param {ChartSpec} spec
 * @param {boolean} log
 */
export function tickFormat(spec, log) {
  if (spec.percent) return ".0%";
  if (spec.ticks) return spec.ticks;
  return log ? ".2~g" : ".3~g";
}
