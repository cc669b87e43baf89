import assert from "node:assert/strict";
import { test } from "node:test";
import { changeShapes, changesInWords, unshownChanges } from "../../pages/widgets/charts/curves/changes.js";
import { Run } from "../../pages/widgets/charts/live/run.js";
import { segment, series } from "./curve_fixtures.js";

/** A panel with a run that changed twice, and a hidden one that changed once. */
function panel(x = "step", more = {}) {
  const run = new Run(1);
  run.replace([
    segment(
      "step",
      -1,
      40,
      series("seconds", [
        [0, 0],
        [40, 20],
      ]),
    ),
  ]);
  run.status = { t: "status", run: 1, status: "finished", progress: { total_steps: 40, epochs: 4 } };
  const changes = [
    { step: 10, label: "Learning rate <b>0.1</b>", clip: null },
    { step: 30, label: "Dropout rate 0.5", clip: null },
  ];
  return {
    runs: [
      { id: 1, label: "Run 1", changes, unshown: 0, visible: true, ...more },
      { id: 2, label: "Run 2", changes: changes.slice(1), unshown: 3, visible: false },
    ],
    feed: { run: (id) => (id === 1 ? run : new Run(2)) },
    options: { x },
    theme: { text: "black" },
    color: ({ id }) => `color ${id}`,
    isVisible: ({ visible }) => visible,
  };
}

for (const [x, places] of [
  ["step", [10, 30]],
  ["epoch", [1, 3]],
  ["time", [5, 15]],
]) {
  test(`a change of a visible run is a line at its step, by ${x}`, () => {
    const shapes = changeShapes(panel(x));
    assert.deepEqual(
      shapes.map(({ x0, x1, line }) => [x0, x1, line.color]),
      places.map((place) => [place, place, "color 1"]),
    );
  });
}

test("a line says what changed, as text", () => {
  const [first] = changeShapes(panel());
  assert.equal(first.label.text, "Learning rate &lt;b&gt;0.1&lt;/b&gt;");
});

test("of many changes only the last ones are labeled", () => {
  const changes = Array.from({ length: 9 }, (_, i) => ({ step: i, label: `Batch size ${i}`, clip: null }));
  const labels = changeShapes(panel("step", { changes })).map(({ label }) => label.text);
  assert.equal(labels.length, 9);
  assert.deepEqual(labels.slice(0, 4), ["", "", "", "Batch size 3"]);
});

test("changes are told in words, and those without a line counted", () => {
  assert.deepEqual(changesInWords(panel()), [
    "Run 1: Learning rate <b>0.1</b> from step 10.",
    "Run 1: Dropout rate 0.5 from step 30.",
  ]);
  assert.deepEqual(unshownChanges(panel()), []);
  assert.deepEqual(unshownChanges(panel("step", { unshown: 7 })), [
    "Run 1: 7 earlier changes of knobs are not drawn",
  ]);
});
