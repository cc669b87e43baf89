import assert from "node:assert/strict";
import { test } from "node:test";
import { digits, duration, momentOf, plain, shortNames } from "../../pages/widgets/charts/format.js";
import { luminance, rgbOf } from "../../pages/widgets/charts/theme.js";

test("numbers have three digits that mean something", () => {
  const written = {
    0: "0",
    0.00123: "0.00123",
    0.000456: "4.56e-4",
    12345: "12300",
    1234567: "1.23e+6",
    "-2.5": "-2.5",
  };
  for (const [value, text] of Object.entries(written)) assert.equal(digits(Number(value)), text);
});

test("what is not finite is named", () => {
  assert.deepEqual([Number.NaN, undefined, Infinity, -Infinity].map(digits), ["NaN", "NaN", "∞", "−∞"]);
});

test("durations", () => {
  assert.deepEqual([0.4, 8, 75, 3720, -1, Number.NaN].map(duration), [
    "< 1 s",
    "8 s",
    "1 min 15 s",
    "1 h 2 min",
    "",
    "",
  ]);
  assert.equal(duration(59.7), "1 min 0 s");
});

test("other people's text comes out of Plotly's HTML as it was written", () => {
  assert.equal(plain("<b>&amp; co\n"), "&lt;b&gt;&amp;amp; co ");
  assert.equal(plain("x".repeat(30)), `${"x".repeat(23)}…`);
});

test("layers' names are short and never two alike", () => {
  assert.deepEqual(shortNames(["encoder.blocks.0", "blocks.1.body.conv1", "recurrent.layers.2"]), [
    "block 0",
    "block 1 conv1",
    "recurrent 2",
  ]);
  assert.deepEqual(shortNames(["hidden.linear", "hidden.activation"]), ["hidden", "hidden.activation"]);
  assert.equal(shortNames(["a".repeat(40)], 10)[0].length, 10);
});

test("the moment of a picture", () => {
  assert.equal(momentOf({ final: false, epoch: 3 }), "After epoch 3");
  assert.equal(momentOf({ final: true, epoch: 3 }), "Final weights (epoch 3)");
});

test("colors", () => {
  assert.deepEqual(rgbOf("#0072B2"), [0, 114, 178]);
  assert.ok(luminance([255, 255, 255]) > 0.99 && luminance([18, 22, 28]) < 0.1);
});
