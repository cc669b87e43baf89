import assert from "node:assert/strict";
import { test } from "node:test";
import { cutAt, lastStepOf, planEnd } from "../../pages/widgets/charts/curves/plan.js";
import { Run } from "../../pages/widgets/charts/live/run.js";

const WORDS = { states: { running: { over: false }, stopped: { over: true } }, requests: {} };

function run(status, step, total) {
  const made = new Run(1);
  made.status = { t: "status", run: 1, status, progress: { total_steps: total, epochs: 10 } };
  made.cursors = { step, epoch: -1 };
  return made;
}

test("a run that has ended goes to its last step, one under way to where it is to end", () => {
  assert.equal(lastStepOf(run("stopped", 120, 1000), WORDS), 120);
  assert.equal(lastStepOf(run("running", 120, 1000), WORDS), 1000);
  assert.equal(lastStepOf(new Run(1), WORDS), Number.POSITIVE_INFINITY);
});

test("a plan ends with the longest of the runs, on each axis", () => {
  const runs = [run("stopped", 120, 1000), run("stopped", 300, 1000)];
  assert.equal(planEnd(runs, "step", WORDS), 300);
  assert.equal(planEnd(runs, "epoch", WORDS), 3);
  assert.equal(planEnd([...runs, run("running", 10, 500)], "step", WORDS), 500);
});

test("without runs the plan is drawn as a whole", () => {
  assert.equal(planEnd([], "step", WORDS), Number.POSITIVE_INFINITY);
  assert.deepEqual(cutAt([0, 10], [1, 0], Number.POSITIVE_INFINITY), { x: [0, 10], y: [1, 0] });
});

test("a curve is cut between two points", () => {
  assert.deepEqual(cutAt([0, 10, 20], [1, 0.5, 0], 15), { x: [0, 10, 15], y: [1, 0.5, 0.25] });
  assert.deepEqual(cutAt([0, 10, 20], [1, 0.5, 0], 20), { x: [0, 10, 20], y: [1, 0.5, 0] });
  assert.deepEqual(cutAt([5, 10], [1, 0], 2), { x: [], y: [] });
});
