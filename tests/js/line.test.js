import assert from "node:assert/strict";
import { test } from "node:test";
import { Line } from "../../pages/widgets/charts/curves/line.js";
import { splice } from "../../pages/widgets/charts/curves/zoom/splice.js";
import { Run } from "../../pages/widgets/charts/live/run.js";
import { part, segment, series } from "./curve_fixtures.js";

const OPTIONS = { x: "step", log: false, smooth: 0.6, full: false };

function runWith(...points) {
  const run = new Run(1);
  run.replace([segment("step", -1, points.at(-1)[0], series("loss", points))]);
  return run;
}

const extend = (run, after, ...points) =>
  run.append(segment("step", after, points.at(-1)[0], series("loss", points)));

test("a line takes each point once", () => {
  const run = runWith([0, 3], [1, 2]);
  const line = new Line(run, part("step", "loss"), OPTIONS, 0);
  assert.deepEqual(line.take(), { x: [0, 1], y: [3, 2], smoothX: [], smoothY: [] });
  extend(run, 1, [2, 1]);
  assert.deepEqual(line.take(), { x: [2], y: [1], smoothX: [], smoothY: [] });
  assert.deepEqual(line.take().x, []);
  assert.equal(line.lastStep, 2);
});

test("a line whose series has not begun takes it up when it does", () => {
  const run = runWith([0, 3]);
  const line = new Line(run, part("epoch", "val_loss"), OPTIONS, 0);
  assert.deepEqual([line.take().x, line.lastStep], [[], 0]);
  run.append(segment("epoch", -1, 4, series("val_loss", [[4, 1]])));
  assert.deepEqual(line.take().x, [4]);
});

test("a smoothed line goes on where it was", () => {
  const points = Array.from({ length: 40 }, (_, i) => [i, Math.cos(i)]);
  const smoothed = part("step", "loss", { smoothed: true });
  const whole = new Line(runWith(...points), smoothed, OPTIONS, 0).take();
  const run = runWith(...points.slice(0, 15));
  const line = new Line(run, smoothed, OPTIONS, 0);
  const first = line.take();
  extend(run, 14, ...points.slice(15));
  const rest = line.take();
  // The run's length sets the time constant, and it was 14 steps when this line began: both are below the least, 50.
  assert.deepEqual([...first.smoothY, ...rest.smoothY], whole.smoothY);
  assert.deepEqual([...first.smoothX, ...rest.smoothX], whole.smoothX);
});

test("smoothing can be switched off", () => {
  const line = new Line(
    runWith([0, 1]),
    part("step", "loss", { smoothed: true }),
    { ...OPTIONS, smooth: 0 },
    0,
  );
  assert.equal(line.smoother, null);
});

test("detail takes the place of what was thinned, and deltas go on behind the whole", () => {
  const run = runWith([0, 0], [10, 1], [20, 2], [30, 3], [40, 4]);
  const line = new Line(run, part("step", "loss"), OPTIONS, 0);
  const detail = series("loss", [
    [15, 1.5],
    [16, 1.6],
    [17, 1.7],
    [25, 2.5],
  ]);
  assert.deepEqual(line.takeWith(detail).x, [0, 10, 15, 16, 17, 25, 30, 40]);
  extend(run, 40, [41, 5]);
  assert.deepEqual(line.take().x, [41]);
});

const level = (...points) => ({
  steps: points.map(([step]) => step),
  values: points.map(([, value]) => value),
  spans: points.map(([, , span]) => span),
});

test("a bucket into which detail cuts still stands for what lies before it", () => {
  const whole = level([10, 1, 10], [20, 2, 10], [30, 3, 10]);
  const detail = level([16, 5, 1], [17, 6, 1], [18, 7, 1]);
  assert.deepEqual(
    splice(whole, detail),
    level([10, 1, 10], [15, 2, 5], [16, 5, 1], [17, 6, 1], [18, 7, 1], [20, 2, 10], [30, 3, 10]),
  );
});

test("detail beyond the end of the whole is left to deltas", () => {
  const whole = level([10, 1, 1], [20, 2, 1]);
  assert.equal(splice(whole, level([25, 3, 1])), whole);
  assert.deepEqual(splice(whole, level([19, 5, 1], [20, 6, 1], [21, 7, 1])).steps, [10, 19, 20]);
});
