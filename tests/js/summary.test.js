import assert from "node:assert/strict";
import { test } from "node:test";
import { summaryOf } from "../../pages/widgets/charts/curves/summary.js";
import { Run } from "../../pages/widgets/charts/live/run.js";
import { part, segment, series, spec } from "./curve_fixtures.js";

const LOSS = {
  ...spec(part("step", "loss", { label: "train" }), part("epoch", "val_loss", { label: "validation" })),
};

function shown(label, ...segments) {
  const run = new Run(1);
  run.replace(segments);
  return { run, label };
}

const loss = (...values) =>
  segment(
    "step",
    -1,
    99,
    series(
      "loss",
      values.map((value, i) => [10 * i, value]),
    ),
  );

test("a chart in words says where each curve began, where it is, and its extreme", () => {
  const validation = segment(
    "epoch",
    -1,
    99,
    series("val_loss", [
      [20, 2],
      [40, 2.5],
    ]),
  );
  assert.equal(
    summaryOf(LOSS, [shown("Run 1", loss(2.25, 0.125, 0.5), validation)]),
    "Run 1: training fell from 2.25 to 0.5, lowest 0.125 at step 10; validation rose from 2 to 2.5, highest 2.5 at step 40.",
  );
});

test("a level curve, a single point and no point", () => {
  assert.equal(summaryOf(LOSS, [shown("A", loss(1, 1))]), "A: training stayed at 1.");
  assert.equal(summaryOf(LOSS, [shown("A", loss(1))]), "A: training is 1 at step 0.");
  assert.equal(summaryOf(LOSS, [shown("A")]), "");
});

test("of many runs the first are told and the others counted", () => {
  const many = Array.from({ length: 6 }, (_, i) => shown(`Run ${i}`, loss(1, 1)));
  const text = summaryOf(LOSS, many);
  assert.ok(text.includes("Run 3") && !text.includes("Run 4") && text.endsWith("And 2 more runs."), text);
});
