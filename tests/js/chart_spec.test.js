import assert from "node:assert/strict";
import { test } from "node:test";
import {
  curvesOf,
  describeMark,
  formatValue,
  markNotes,
  tickFormat,
  waitingText,
} from "../../pages/widgets/charts/curves/chart_spec.js";
import { Run } from "../../pages/widgets/charts/live/run.js";
import { part, segment, series, spec } from "./curve_fixtures.js";

const LOSS = spec(part("step", "loss"), part("epoch", "val_loss", { dashed: true }));
const METRIC = { ...spec(part("epoch", "val_metric")), percent: true };

function runWithMarks(...marks) {
  const run = new Run(1);
  run.replace([segment("step", -1, 9, series("loss", [[0, 1]], { marks }))]);
  return run;
}

test("a run's curves on a chart are those of its parts that have begun", () => {
  assert.deepEqual(
    curvesOf(LOSS, runWithMarks()).map((found) => found.part.name),
    ["loss"],
  );
});

test("an empty chart says what it waits for", () => {
  const words = {
    states: { queued: { label: "Waiting", over: false }, finished: { label: "Finished", over: true } },
    requests: {},
  };
  /** @param {string} status @param {boolean} received */
  const run = (status, received) =>
    Object.assign(new Run(1), { status: { status }, cursors: received ? { step: -1, epoch: -1 } : null });
  const [waiting, coming, empty] = [run("queued", true), run("finished", false), run("finished", true)];
  assert.equal(waitingText(LOSS, [coming, waiting], words), "Waiting for the first step…");
  assert.equal(waitingText(METRIC, [waiting], words), "After the first epoch…");
  assert.equal(waitingText(LOSS, [new Run(1)], words), "Loading…");
  assert.equal(waitingText(LOSS, [empty, coming], words), "Loading…");
  assert.equal(waitingText(METRIC, [empty], words), "These runs left nothing to show here.");
});

test("marks are described with where they are and what they were", () => {
  assert.equal(describeMark(LOSS.parts[0], [5, 5, 1, "nan"]), "non-finite (NaN) at step 5");
  assert.equal(describeMark(LOSS.parts[1], [5, 9, 3, "-inf"]), "validation non-finite (−∞) at steps 5–9 (3)");
});

test("of many marks the first few are written out and the others counted", () => {
  const mark = (step) => [step, step, 1, "nan"];
  const few = markNotes(LOSS, [{ run: runWithMarks(mark(1), mark(3)), label: "Run 1" }]);
  assert.deepEqual(few, ["Run 1: non-finite (NaN) at step 1", "Run 1: non-finite (NaN) at step 3"]);
  const many = markNotes(LOSS, [{ run: runWithMarks(...[1, 3, 5, 7, 9].map(mark)), label: "Run 1" }]);
  assert.deepEqual([many.length, many.at(-1)], [4, "and 2 more"]);
});

test("values are written as the chart's unit asks", () => {
  assert.equal(formatValue(METRIC, 0.98765), "98.8%");
  assert.equal(formatValue(LOSS, 0.123456), "0.1235");
  assert.equal(formatValue({ ...LOSS, unit: "samples/s" }, 1234.5678), "1235 samples/s");
  assert.deepEqual(
    [tickFormat(METRIC, false), tickFormat(LOSS, true), tickFormat(LOSS, false)],
    [".0%", ".2~g", ".3~g"],
  );
});
