// Zooming in requests that range in full detail, which then takes the place of what was thinned.

import { scaleOf } from "./axes.js";

const ASK_PAUSE = 120; // ms without a change of the range before it is requested
const LAST_STEP = 2 ** 31 - 1;

export class ZoomDetail {
  /** @param {import("./chart.js").Chart} chart */
  constructor(chart) {
    this.chart = chart;
    /** @type {Map<string, Series>} */
    this.series = new Map();
  }

  /** Points that the detail holds. */
  get points() {
    return [...this.series.values()].reduce((sum, series) => sum + series.n, 0);
  }

  /** @param {import("./line.js").Line} line */
  of({ run, part }) {
    return this.series.get(`${run.id}/${part.kind}/${part.name}`);
  }

  /** @param {Record<string, any>} change What Plotly reports of a change of the layout. */
  onRelayout(change) {
    if (change["xaxis.autorange"]) {
      if (!this.series.size) return;
      this.series.clear();
      this.chart.schedule(true);
      return;
    }
    const from = change["xaxis.range[0]"] ?? change["xaxis.range"]?.[0];
    const to = change["xaxis.range[1]"] ?? change["xaxis.range"]?.[1];
    if (from === undefined || to === undefined) return;
    clearTimeout(this.asking);
    this.asking = setTimeout(() => this.#request(from, to), ASK_PAUSE);
  }

  /** @param {number} from @param {number} to */
  #request(from, to) {
    const { panel, spec } = this.chart;
    const runs = panel.runs.filter((shown) => panel.isVisible(shown)).map(({ id }) => id);
    if (!runs.length) return;
    const scales = runs.map((id) => scaleOf(panel.feed.run(id), panel.options.x));
    const x0 = Math.max(0, Math.min(...scales.map(({ toStep }) => Math.floor(toStep(from)))));
    const x1 = Math.min(LAST_STEP, Math.max(x0, ...scales.map(({ toStep }) => Math.ceil(toStep(to)))));
    if (!Number.isFinite(x0) || !Number.isFinite(x1)) return;
    const range = { runs, series: spec.parts.map(({ name }) => name), x0, x1 };
    panel.feed.requestRange(this, range, (segments) => this.#onSegments(segments));
  }

  /** @param {Segment[]} segments */
  #onSegments(segments) {
    this.series.clear();
    for (const { run, kind, series } of segments) {
      for (const one of series) this.series.set(`${run}/${kind}/${one.name}`, one);
    }
    this.chart.schedule(true);
  }
}

/**
 * Returns `whole` with `detail` in its place; what detail has beyond the end of `whole`, deltas will still bring.
 * @param {Level<number[]>} whole
 * @param {Level<number[]>} detail
 */
export function splice(whole, detail) {
  const known = countUpTo(detail.steps, whole.steps[whole.steps.length - 1]);
  if (!known) return whole;
  const begin = detail.steps[0] - detail.spans[0];
  const before = countUpTo(whole.steps, begin);
  const behind = countUpTo(whole.steps, detail.steps[known - 1]);
  /** @param {"steps" | "values" | "spans"} name */
  const join = (name) => [
    ...whole[name].slice(0, before),
    ...detail[name].slice(0, known),
    ...whole[name].slice(behind),
  ];
  const joined = { steps: join("steps"), values: join("values"), spans: join("spans") };
  const beforeCut = begin - (whole.steps[before] - whole.spans[before]);
  if (beforeCut > 0 && whole.steps[before] > begin) {
    // The bucket into which the detail cuts still stands for what lies before it.
    joined.steps.splice(before, 0, begin);
    joined.values.splice(before, 0, whole.values[before]);
    joined.spans.splice(before, 0, beforeCut);
  }
  return joined;
}

/** @param {number[]} steps Ascending. @param {number} last */
function countUpTo(steps, last) {
  return steps.filter((step) => step <= last).length;
}
