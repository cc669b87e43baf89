// A chart in words, for those who do not see it.

import { curvesOf, formatValue } from "./chart_spec.js";

const MOST = 4; // runs that are told one by one
/** @type {Record<string, string>} */
const PARTS = { train: "training", validation: "validation" };

/**
 * Returns how the curves of the visible runs went: "Run 1: training fell from 2.3 to 0.05, lowest 0.04 at step 812."
 * @param {ChartSpec} spec
 * @param {{ run: import("../live/run.js").Run, label: string }[]} runs
 */
export function summaryOf(spec, runs) {
  const told = runs.flatMap(({ run, label }) => {
    const courses = curvesOf(spec, run).flatMap(({ part, curve }) => {
      const course = courseOf(spec, curve);
      return course ? [`${PARTS[part.label] ?? spec.title.toLowerCase()} ${course}`] : [];
    });
    return courses.length ? [`${label}: ${courses.join("; ")}.`] : [];
  });
  const more =
    told.length > MOST
      ? [`And ${told.length - MOST} more ${told.length === MOST + 1 ? "run" : "runs"}.`]
      : [];
  return told.slice(0, MOST).concat(more).join(" ");
}

/**
 * @param {ChartSpec} spec
 * @param {import("../live/run.js").Curve} curve
 */
function courseOf(spec, { steps, values }) {
  if (!values.length) return "";
  const [first, last] = [values[0], values[values.length - 1]].map((value) => formatValue(spec, value));
  if (values.length === 1) return `is ${first} at step ${steps[0]}`;
  const fell = values[values.length - 1] <= values[0];
  let best = 0;
  values.forEach((value, i) => {
    if (fell ? value < values[best] : value > values[best]) best = i;
  });
  const extreme = `${fell ? "lowest" : "highest"} ${formatValue(spec, values[best])} at step ${steps[best]}`;
  const course =
    first === last ? `went from ${first} back to it` : `${fell ? "fell" : "rose"} from ${first} to ${last}`;
  return values.every((value) => value === values[0]) ? `stayed at ${first}` : `${course}, ${extreme}`;
}
