import assert from "node:assert/strict";
import { test } from "node:test";
import {
  boxBetween,
  isInside,
  pinched,
  pixelOf,
  xAt,
} from "../../pages/widgets/charts/curves/zoom/geometry.js";

/** 200 pixels for steps 0…100, 100 pixels for values 0…10. */
const AXES = {
  x: { range: [0, 100], _offset: 50, _length: 200 },
  y: { range: [0, 10], _offset: 10, _length: 100 },
};
const at = (x, y) => ({ x, y });

test("a box zooms into both axes, whichever corner it was begun at", () => {
  const box = boxBetween(at(150, 60), at(100, 35), AXES, false);
  assert.deepEqual(
    [box.x, box.y],
    [
      [25, 50],
      [5, 7.5],
    ],
  );
  assert.deepEqual([box.left, box.width, box.top, box.height], [100, 50, 35, 25]);
});

test("with the modifier, or drawn flat, a box zooms into x only and is as tall as the plot", () => {
  for (const [end, onlyX] of [
    [at(150, 100), true],
    [at(150, 64), false],
  ]) {
    const box = boxBetween(at(100, 60), end, AXES, onlyX);
    assert.deepEqual([box.x, box.y, box.top, box.height], [[25, 50], null, 10, 100]);
  }
});

test("a narrow box zooms into y only", () => {
  const box = boxBetween(at(100, 35), at(104, 60), AXES, false);
  assert.deepEqual([box.x, box.y, box.left, box.width], [null, [5, 7.5], 50, 200]);
});

test("a click is no box, and a box ends at the axes", () => {
  assert.equal(boxBetween(at(100, 60), at(103, 62), AXES, false), null);
  assert.deepEqual(boxBetween(at(200, 60), at(900, -50), AXES, false).x, [75, 100]);
});

test("a small drag with the modifier is a click, too", () => {
  assert.equal(boxBetween(at(100, 60), at(102, 60), AXES, true), null);
});

test("two fingers that part zoom in around their middle", () => {
  const range = pinched(AXES.x, [at(125, 50), at(175, 50)], [at(100, 50), at(200, 50)]);
  assert.deepEqual(range, [25, 75]);
});

test("two fingers that move together move the range with them, those that close zoom out", () => {
  assert.deepEqual(pinched(AXES.x, [at(100, 50), at(200, 50)], [at(120, 50), at(220, 50)]), [-10, 90]);
  assert.deepEqual(pinched(AXES.x, [at(100, 50), at(200, 50)], [at(125, 50), at(175, 50)]), [-50, 150]);
});

test("pixels and values of an axis", () => {
  assert.equal(xAt(AXES.x, 150), 50);
  assert.deepEqual([pixelOf(AXES.x, 50), pixelOf(AXES.x, 101), pixelOf(AXES.x, -1)], [150, null, null]);
  assert.deepEqual([isInside(AXES, at(60, 20)), isInside(AXES, at(40, 20))], [true, false]);
});
