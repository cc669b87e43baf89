import assert from "node:assert/strict";
import { test } from "node:test";
import { robustTop } from "../../pages/widgets/charts/curves/zoom/robust_top.js";

const line = (count, of) => {
  const values = Array.from({ length: count }, (_, i) => of(i));
  return { values, highest: Math.max(...values) };
};
const learning = line(400, (i) => 0.01 + 2.3 * Math.exp(-i / 40));
const stuck = line(400, () => 2.3);
const diverging = line(400, (i) => (i < 60 ? 2.3 : 2.3 * Math.exp(Math.min(i - 60, 30))));

test("runs that learn, or do not, are all in view", () => {
  assert.equal(robustTop([learning, stuck]), null);
  assert.equal(robustTop([]), null);
  assert.equal(robustTop([{ values: [], highest: Number.NEGATIVE_INFINITY }]), null);
});

test("the fall from a high start is not cut off, nor a rise to a higher level", () => {
  assert.equal(robustTop([line(1000, (i) => (i ? 0.001 : 2.3))]), null);
  assert.equal(robustTop([line(1000, (i) => 1e-8 + i / 1000)]), null);
});

test("a run that diverges leaves the others their height", () => {
  for (const lines of [
    [learning, diverging],
    [diverging, learning],
    [learning, stuck, diverging],
  ]) {
    const top = robustTop(lines);
    assert.ok(top >= 2.3 && top <= 8 * 2.3, `${top}`);
  }
});

test("a run that is far above from its first step leaves the others their height, too", () => {
  const huge = line(400, () => 1e4);
  assert.equal(robustTop([learning, huge]), learning.highest);
  assert.equal(robustTop([learning, huge, stuck]), learning.highest);
});

test("alone, a run is cut off where it runs away from its own beginning", () => {
  const spike = line(400, (i) => (i === 200 ? 1e6 : 1));
  assert.equal(robustTop([spike]), 1);
  assert.equal(robustTop([line(400, () => 1e4)]), null);
});

test("a few values say nothing yet", () => {
  assert.equal(robustTop([line(10, (i) => 10 ** i)]), null);
});

test("a short line is cut off by what the long ones say", () => {
  assert.ok(robustTop([learning, line(3, (i) => 10 ** (3 * i))]) <= 8 * 2.3);
});
