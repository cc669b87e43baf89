// What Python encodes is what the browser decodes: the messages here come from the encoder itself.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { decode, unpack } from "../../pages/widgets/charts/live/decode.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** The bytes of a Python expression, in a buffer of their own. */
function encoded(expression) {
  const program = `
import sys
import numpy as np
from types import SimpleNamespace
from trainer.curves.deltas import Mark, Segment, Series
from trainer.curves.messages import encode
from trainer.curves.packing import pack
from trainer.curves.thinning import Means
from trainer.health.messages import Seen, view_message
sys.stdout.buffer.write(${expression})`;
  const bytes = execFileSync("python", ["-c", program], { cwd: ROOT });
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
}

test("curves come with points, marks and means", () => {
  const message = decode(
    encoded(`encode([
      Segment(7, "step", -1, 9, 10, (
        Series("loss", np.int32([0, 4, 9]), np.float32([3, 2.5, 1]), (Mark(5, 6, 2, "nan"),),
               Means(0, 9, 4, np.float32([2.5, np.nan, 1.5]))),
        Series("lr", np.int32([0, 9]), np.float32([0.5, 0.25])),
      )),
      Segment(7, "epoch", -1, -1, 0, ()),
    ], "range", id=3)`),
  );
  assert.deepEqual([message.t, message.id, message.segments.length], ["range", 3, 2]);
  const [{ run, kind, after, to, series }, empty] = message.segments;
  assert.deepEqual([run, kind, after, to, empty.series], [7, "step", -1, 9, []]);
  const [loss, lr] = series;
  assert.deepEqual([...loss.steps], [0, 4, 9]);
  assert.deepEqual([...loss.values], [3, 2.5, 1]);
  assert.deepEqual(loss.marks, [[5, 6, 2, "nan"]]);
  assert.deepEqual(
    loss.level,
    { steps: [3, 9], values: [2.5, 1.5], spans: [4, 2] },
    "an empty bucket is left out",
  );
  assert.deepEqual([[...lr.steps], [...lr.values], lr.level], [[0, 9], [0.5, 0.25], undefined]);
});

test("points are laid over the message, not copied", () => {
  const buffer = encoded(`encode([Segment(1, "step", -1, 1, 2, (
    Series("loss", np.int32([0, 1]), np.float32([3, 2])), Series("lr", np.int32([0]), np.float32([1]))))], "delta")`);
  for (const { steps, values } of decode(buffer).segments[0].series) {
    assert.equal(steps.buffer, buffer);
    assert.equal(values.buffer, buffer);
  }
});

test("arrays of every type keep shape and values, also where one does not fill its last four bytes", () => {
  const { arrays, odd, name } = unpack(
    encoded(`pack({"name": "Zürich", "odd": float("nan")}, {
      "bytes": np.uint8([[1, 2, 3]]), "ints": np.int32([-1, 2**31 - 1]), "floats": np.float32([[0.5], [np.inf]]),
      "none": np.empty((0, 4), np.float32)})`),
  );
  assert.deepEqual([name, odd], ["Zürich", null]);
  assert.deepEqual(
    [[...arrays.bytes], arrays.bytes.shape],
    [
      [1, 2, 3],
      [1, 3],
    ],
  );
  assert.deepEqual([...arrays.ints], [-1, 2 ** 31 - 1]);
  assert.deepEqual(
    [[...arrays.floats], arrays.floats.shape],
    [
      [0.5, Number.POSITIVE_INFINITY],
      [2, 1],
    ],
  );
  assert.deepEqual([arrays.none.length, arrays.none.shape], [0, [0, 4]]);
});

test("a view carries a picture, itself a packed message", () => {
  const message = decode(
    encoded(`view_message(4, SimpleNamespace(name="confusion", version=2,
      data=pack({"name": "confusion", "epoch": 5}, {"counts": np.eye(2, dtype=np.int32)})), Seen())`),
  );
  assert.deepEqual([message.t, message.run, message.name], ["view", 4, "confusion"]);
  assert.equal(message.picture.epoch, 5);
  assert.deepEqual([...message.picture.arrays.counts], [1, 0, 0, 1]);
});
