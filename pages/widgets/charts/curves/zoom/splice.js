// A zoomed range in full detail takes the place of what was thinned.

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
