import assert from "node:assert/strict";
import { test } from "node:test";
import { levelOf, Run } from "../../pages/widgets/charts/live/run.js";
import { segment, series } from "./curve_fixtures.js";

const line = (first, last) =>
  Array.from({ length: last - first + 1 }, (_, i) => [first + i, (first + i) / 10]);
const loss = (first, last, more) => series("loss", line(first, last), more);

function opened() {
  const run = new Run(1);
  run.replace([segment("step", -1, 4, loss(0, 4)), segment("epoch", -1, -1)]);
  return run;
}

const stepsOf = (run) => run.curve("step", "loss").steps;

test("a snapshot replaces what was there", () => {
  const run = opened();
  run.replace([
    segment(
      "step",
      -1,
      9,
      series("loss", [
        [0, 1],
        [9, 2],
      ]),
    ),
    segment("epoch", -1, -1),
  ]);
  assert.deepEqual(stepsOf(run), [0, 9]);
  assert.deepEqual(run.cursors, { step: 9, epoch: -1 });
});

test("deltas continue at the cursor of their kind", () => {
  const run = opened();
  assert.ok(run.append(segment("step", 4, 6, loss(5, 6))));
  assert.ok(run.append(segment("epoch", -1, 6, series("val_loss", [[6, 1]]))));
  assert.deepEqual(stepsOf(run), [0, 1, 2, 3, 4, 5, 6]);
  assert.deepEqual(run.cursors, { step: 6, epoch: 6 });
});

test("a delta with something missing before it is refused and changes nothing", () => {
  const run = opened();
  assert.equal(run.append(segment("step", 5, 8, loss(6, 8))), false);
  assert.deepEqual([stepsOf(run), run.cursors.step], [[0, 1, 2, 3, 4], 4]);
});

test("nothing can be appended before a snapshot has come", () => {
  assert.equal(new Run(1).append(segment("step", -1, 4, loss(0, 4))), false);
});

test("of a delta that overlaps, only the new steps are taken, points, level and marks alike", () => {
  const run = opened();
  const level = { steps: [3, 7], values: [1, 2], spans: [4, 4] };
  const marks = [
    [2, 2, 1, "nan"],
    [6, 7, 2, "inf"],
  ];
  assert.ok(run.append(segment("step", 2, 7, loss(3, 7, { level, marks }))));
  const curve = run.curve("step", "loss");
  assert.deepEqual(curve.steps, [0, 1, 2, 3, 4, 5, 6, 7]);
  assert.deepEqual(
    [curve.level.steps.at(-1), curve.level.spans.at(-1)],
    [7, 3],
    "the bucket counts for what is new in it",
  );
  assert.deepEqual(curve.marks, [[6, 7, 2, "inf"]]);
});

test("a delta that is known already changes nothing", () => {
  const run = opened();
  assert.ok(run.append(segment("step", 1, 4, loss(2, 4))));
  assert.deepEqual(stepsOf(run), [0, 1, 2, 3, 4]);
});

test("a series may begin in a delta", () => {
  const run = opened();
  run.append(segment("step", 4, 5, series("seconds", [[5, 0.5]])));
  assert.deepEqual(run.curve("step", "seconds").steps, [5]);
});

test("points that deltas add are counted, to know when they pile up", () => {
  const run = opened();
  run.append(segment("step", 4, 14, loss(5, 14)));
  assert.deepEqual([run.snapshotPoints, run.deltaPoints], [5, 10]);
});

test("without means, smoothing starts from the points", () => {
  assert.deepEqual(
    levelOf(
      series("loss", [
        [3, 1],
        [8, 2],
      ]),
    ),
    { steps: [3, 8], values: [1, 2], spans: [1, 1] },
  );
});
