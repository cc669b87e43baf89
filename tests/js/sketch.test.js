import assert from "node:assert/strict";
import { test } from "node:test";
import { completed, pathOf, SHAPES, shapeValues, stroke } from "../../pages/widgets/lessons/sketch.js";

const AXIS = { points: 41, low: 0, high: 2.5 };
const empty = Array.from({ length: 5 }, () => null);

test("every shape stays between the ends of the axis", () => {
  for (const name of Object.keys(SHAPES)) {
    const values = shapeValues(name, AXIS);
    assert.equal(values.length, 41);
    assert.ok(
      values.every((value) => value >= AXIS.low && value <= AXIS.high),
      name,
    );
  }
});

test("shapes are what they are called", () => {
  const [fast, slow, turns, high, rises] = [
    "falls fast, then flat",
    "falls slowly",
    "falls, then rises",
    "stays high",
    "rises fast, then flat",
  ].map((name) => shapeValues(name, AXIS));
  assert.ok(fast[10] < slow[10] && fast[0] > 2);
  assert.ok(Math.min(...turns) < turns[0] && turns[40] > turns[10] + 1);
  assert.equal(new Set(high).size, 1);
  assert.ok(rises[0] < rises[10]);
});

test("a stroke draws the line between its ends, in either direction", () => {
  const there = stroke(empty, { at: 0, value: 0 }, { at: 1, value: 4 });
  assert.deepEqual(there, [0, 1, 2, 3, 4]);
  assert.deepEqual(stroke(empty, { at: 1, value: 4 }, { at: 0, value: 0 }), there);
  assert.deepEqual(stroke(there, { at: 0.5, value: 9 }, { at: 0.5, value: 8 }), [0, 1, 8, 3, 4]);
});

test("places that were left out are filled in", () => {
  assert.deepEqual(completed([null, 2, null, 4, null]), [2, 2, 3, 4, 4]);
  assert.equal(completed(empty), null);
});

test("a path goes through its points, interrupted where there are none", () => {
  const box = { left: 10, top: 0, width: 100, height: 50 };
  assert.equal(pathOf([0, null, 2], { low: 0, high: 1 }, box), "M10.0 50.0 M110.0 0.0");
  assert.equal(pathOf([0, 1], { low: 0, high: 1 }, box), "M10.0 50.0 L110.0 0.0");
});
