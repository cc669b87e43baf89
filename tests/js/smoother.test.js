import assert from "node:assert/strict";
import { test } from "node:test";
import { Smoother } from "../../pages/widgets/charts/curves/smoother.js";

test("a level curve stays level, wherever its points are", () => {
  const smoother = new Smoother(0.9, 1000);
  for (const step of [0, 1, 2, 50, 51, 900]) assert.ok(Math.abs(smoother.next(step, 3) - 3) < 1e-12);
});

test("the first value is taken as it is", () => {
  assert.equal(new Smoother(0.99, 1000).next(0, 5), 5);
});

test("more smoothing follows a jump more slowly", () => {
  const after = (amount) => {
    const smoother = new Smoother(amount, 10_000);
    for (let step = 0; step < 100; step++) smoother.next(step, 0);
    return smoother.next(100, 1);
  };
  assert.ok(after(0.3) > after(0.6) && after(0.6) > after(0.95));
});

test("bucket means are smoothed to what all points are smoothed to", () => {
  const [total, width] = [5000, 10];
  const value = (step) => Math.sin(step / 400) + (step % 7) / 7;
  const [all, thinned] = [new Smoother(0.9, total), new Smoother(0.9, total)];
  let largest = 0;
  for (let end = width - 1; end < total; end += width) {
    let expected = 0;
    let sum = 0;
    for (let step = end - width + 1; step <= end; step++) {
      expected = all.next(step, value(step));
      sum += value(step);
    }
    largest = Math.max(largest, Math.abs(thinned.next(end, sum / width, width) - expected));
  }
  assert.ok(largest < 0.02, `they differ by ${largest}`);
});
