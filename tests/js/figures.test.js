import assert from "node:assert/strict";
import { test } from "node:test";
import { boundaryInWords } from "../../pages/widgets/charts/health/canvas_pictures.js";
import { FIGURES } from "../../pages/widgets/charts/health/figures.js";
import {
  classNames,
  confusionMatrix,
  predictedAgainstTrue,
} from "../../pages/widgets/charts/health/plot_pictures.js";
import { HealthData } from "../../pages/widgets/charts/live/health_data.js";

const SCENE = {
  activation: "act_zero",
  log: false,
  narrow: false,
  theme: { dark: false, colors: ["c0", "c1", "c2", "c3", "c4"] },
  data: {
    clips: [5, 2],
    patience: 10,
    scaled: true,
    scales: {
      sequential: ["low", "middle", "high"],
      diverging: ["below", "zero", "above"],
      counts: { light: ["few", "many"] },
    },
  },
};

/** A run's health as one fresh message brings it. */
function health(columns, samples, arrays = {}, more = {}) {
  const found = new HealthData();
  const none = {
    bins: [],
    counts: [],
    scale_steps: [],
    scales: [],
    skipped: [],
    epochs: [],
    val_loss: [],
    patience: [],
  };
  found.add({
    t: "health",
    fresh: true,
    columns,
    seen: { sample: 2, step: 9, epoch: 2 },
    steps: 0,
    clipped: 0,
    clipping: false,
    non_finite: 0,
    arrays: { sample_steps: samples.map((_, i) => i + 1), samples: samples.flat(), ...none, ...arrays },
    ...more,
  });
  return found;
}

test("without data there is no figure", () => {
  for (const [name, { draw }] of Object.entries(FIGURES))
    assert.equal(draw({ ...SCENE, health: new HealthData() }), null, name);
});

test("gradient norms are shown as logarithms, with what is not finite as a gap and in words", () => {
  const found = health(
    ["grad_norm/a", "grad_norm/b"],
    [
      [1, 100],
      [Number.NaN, 0],
    ],
  );
  const { traces, notes, description } = FIGURES.gradients.draw({ ...SCENE, health: found });
  assert.deepEqual(
    traces[0].z,
    [
      [0, null],
      [2, 0],
    ],
    "zero is at the scale's lower end",
  );
  assert.deepEqual([traces[0].zmin, traces[0].zmax], [0, 2]);
  assert.deepEqual(notes, ["NaN in a at step 2"]);
  assert.equal(description, "At step 2: a NaN, b 0");
});

test("a share is shown from none to all, and told in percent", () => {
  const { traces, description } = FIGURES.activations.draw({
    ...SCENE,
    health: health(["act_zero/a"], [[0.25]]),
  });
  assert.deepEqual([traces[0].zmin, traces[0].zmax], [0, 1]);
  assert.equal(description, "At step 1: a 25%");
});

test("means are shown around zero in diverging colors", () => {
  const found = health(["act_mean/a"], [[-3], [1]]);
  const [trace] = FIGURES.activations.draw({ ...SCENE, health: found, activation: "act_mean" }).traces;
  assert.deepEqual([trace.zmin, trace.zmax, trace.colorscale[1]], [-3, 3, [0.5, "zero"]]);
});

test("each layer has an update ratio of its own color", () => {
  const rows = [
    [1e-3, 0],
    [2e-3, 1e-2],
  ];
  const found = health(["update_ratio/a", "update_ratio/b"], rows);
  const { traces } = FIGURES.ratios.draw({ ...SCENE, health: found });
  assert.deepEqual(
    traces.map(({ y }) => y),
    [
      [1e-3, 2e-3],
      [null, 1e-2],
    ],
  );
  assert.notEqual(traces[0].line.color, traces[1].line.color);
});

test("the histogram says how much was clipped", () => {
  const found = health(
    [],
    [],
    { bins: [0, 8], counts: [3, 1] },
    { steps: 5, clipped: 1, clipping: true, non_finite: 1 },
  );
  const { traces, summary, notes, layout } = FIGURES.histogram.draw({ ...SCENE, health: found });
  assert.deepEqual(traces[0].y, [3, 1]);
  assert.equal(summary, "20.0% of 5 steps were clipped");
  assert.deepEqual(notes, ["Norms that were not finite: 1"]);
  const lines = layout.shapes.map((line) => [line.x0, line.line.dash]);
  assert.deepEqual(lines, [
    [Math.log10(5), "dot"],
    [Math.log10(2), "dash"],
  ]);
  assert.equal(layout.annotations[0].text, "clipped beyond 5, then 2");
});

test("the best epoch and the patience that is left", () => {
  const found = health([], [], { epochs: [1, 2], val_loss: [0.5, 0.75], patience: [10, 4] });
  const { summary, meter } = FIGURES.stopping.draw({ ...SCENE, health: found });
  assert.equal(summary, "Best: epoch 1 with 0.5. Patience left: 4 of 10 epochs");
  assert.equal(meter, 0.4);
  assert.equal(
    FIGURES.stopping.draw({ ...SCENE, health: found, data: { ...SCENE.data, patience: null } }).meter,
    null,
  );
});

test("the loss scale goes on to the newest step", () => {
  const { traces, summary } = FIGURES.scale.draw({
    ...SCENE,
    health: health([], [], { scale_steps: [1, 5], scales: [64, 32], skipped: [4] }),
  });
  assert.deepEqual(
    [traces[0].x, traces[0].y],
    [
      [1, 5, 9],
      [64, 32, 32],
    ],
  );
  assert.equal(summary, "Now 32; skipped steps: 1");
});

test("the confusion matrix counts what is right and names what is mixed up", () => {
  const counts = Object.assign(Int32Array.from([8, 2, 0, 5]), { shape: [2, 2] });
  const picture = { arrays: { counts }, classes: ["cat", "dog"], epoch: 4, final: false };
  const { traces, summary, description } = confusionMatrix(picture, SCENE);
  assert.deepEqual(traces[0].z, [
    [0.8, 0.2],
    [0, 1],
  ]);
  assert.equal(summary, "After epoch 4 · 13 of 15 correct");
  assert.equal(description, "13 of 15 correct. Most often mixed up: cat taken for dog 2 times");
});

test("classes have names that fit, never two alike, and one for all others", () => {
  assert.deepEqual(classNames(["a", "b", "c"], 2), ["a", "others"]);
  assert.deepEqual(classNames(["x".repeat(20), "x".repeat(21)], 2), [
    `${"x".repeat(15)}…`,
    `${"x".repeat(15)}… (2)`,
  ]);
});

test("predictions are off by so much on average", () => {
  const arrays = { truth: Float32Array.of(1, 2, 3), predicted: Float32Array.of(1, 3, 5) };
  const { summary } = predictedAgainstTrue({ arrays, of: 3, unit: "min", epoch: 2, final: true }, SCENE);
  assert.equal(summary, "Final weights (epoch 2) · off by 1 min on average");
});

test("a decision boundary is told in words, too", () => {
  const picture = {
    epoch: 12,
    final: false,
    classes: ["inner", "outer"],
    range: [-1.5, 2.5, -1, 1.25],
    arrays: { classes: new Uint8Array([0, 0, 0, 1]) },
  };
  const words = "the plane is 75% inner, 25% outer (x from -1.5 to 2.5, y from -1 to 1.25)";
  assert.equal(boundaryInWords(picture), `After epoch 12: ${words}`);
});
