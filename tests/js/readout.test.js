import assert from "node:assert/strict";
import { test } from "node:test";
import { drawnNear } from "../../pages/widgets/charts/curves/hover/readout.js";

test("the drawn point nearest to the pointer", () => {
  assert.deepEqual(
    [0, 4, 6, 20].map((x) => drawnNear([0, 5, 10, 20], x)),
    [0, 1, 1, 3],
  );
});

test("a line that has not come so far has no value there", () => {
  assert.equal(drawnNear([0, 1, 2, 3], 10), null);
  assert.equal(drawnNear([], 1), null);
});

test("just behind its end a line still has its last value", () => {
  assert.equal(drawnNear([0, 1, 2, 3], 3.5), 3);
  assert.equal(drawnNear([7], 7), 0);
});
