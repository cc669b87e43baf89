import assert from "node:assert/strict";
import { test } from "node:test";
import { nearest, plannedScale, scaleOf } from "../../pages/widgets/charts/curves/axes.js";
import { Run } from "../../pages/widgets/charts/live/run.js";
import { segment, series } from "./curve_fixtures.js";

function runWith(...segments) {
  const run = new Run(1);
  run.replace(segments);
  return run;
}

const seconds = (points) => segment("step", -1, 100, series("seconds", points));

test("by step, x is the step", () => {
  const { toX, toStep } = scaleOf(new Run(1), "step");
  assert.deepEqual([toX(7), toStep(7)], [7, 7]);
});

test("by epoch, the run's length says how long one is", () => {
  const run = new Run(1);
  run.status = { t: "status", run: 1, status: "running", progress: { total_steps: 400, epochs: 10 } };
  const { toX, toStep } = scaleOf(run, "epoch");
  assert.deepEqual([toX(100), toStep(2.5)], [2.5, 100]);
});

test("by epoch without a length, the epochs that have ended do", () => {
  const run = runWith(
    segment(
      "epoch",
      -1,
      39,
      series("epoch", [
        [19, 1],
        [39, 2],
      ]),
    ),
  );
  assert.equal(scaleOf(run, "epoch").toX(29), 1.5);
});

test("by epoch after a change of batch size, the epochs that have ended do", () => {
  const run = runWith(
    segment(
      "epoch",
      -1,
      50,
      series("epoch", [
        [40, 1],
        [50, 2],
      ]),
    ),
  );
  const progress = { total_steps: 60, epochs: 3, steps_per_epoch: 10 };
  run.status = { t: "status", run: 1, status: "running", progress };
  const { toX } = scaleOf(run, "epoch");
  assert.deepEqual([0, 20, 45, 60].map(toX), [0, 0.5, 1.5, 3]);
});

test("by time, x is linear between points and straight on beyond them", () => {
  const { toX, toStep } = scaleOf(
    runWith(
      seconds([
        [0, 0],
        [10, 1],
        [20, 3],
      ]),
    ),
    "time",
  );
  assert.deepEqual([5, 15, 30].map(toX), [0.5, 2, 5]);
  assert.deepEqual([0.5, 2, 5].map(toStep), [5, 15, 30]);
});

test("by time with a single point or none, nothing breaks", () => {
  assert.equal(scaleOf(runWith(seconds([[10, 2]])), "time").toX(20), 4);
  assert.equal(scaleOf(new Run(1), "time").toX(20), 0);
});

test("a planned curve by epoch has its own epochs, and by time the newest run's pace", () => {
  const planned = { steps: [0, 100], lr: [1, 0], steps_per_epoch: 50 };
  assert.equal(plannedScale(planned, "epoch", undefined).toX(100), 2);
  assert.equal(
    plannedScale(
      planned,
      "time",
      runWith(
        seconds([
          [0, 0],
          [10, 1],
        ]),
      ),
    ).toX(100),
    10,
  );
  assert.equal(plannedScale(planned, "time", undefined).toX(100), 100);
});

test("the nearest of ascending numbers", () => {
  const xs = [0, 10, 20, 40];
  assert.deepEqual(
    [-5, 0, 4, 6, 29, 31, 99].map((x) => nearest(xs, x)),
    [0, 0, 0, 1, 2, 3, 3],
  );
  assert.equal(nearest([7], 100), 0);
});
