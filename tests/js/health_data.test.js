import assert from "node:assert/strict";
import { test } from "node:test";
import { HealthData } from "../../pages/widgets/charts/live/health_data.js";

const NONE = {
  sample_steps: [],
  samples: [],
  bins: [],
  counts: [],
  scale_steps: [],
  scales: [],
  skipped: [],
  epochs: [],
  val_loss: [],
  patience: [],
};
const COLUMNS = ["grad_norm/a", "grad_norm/b", "act_std/a"];

function message(arrays, more = {}) {
  const seen = { sample: 0, step: 0, epoch: 0, view: 3 };
  return {
    t: "health",
    run: 1,
    fresh: false,
    seen,
    steps: 0,
    clipped: 0,
    clipping: false,
    non_finite: 0,
    arrays: { ...NONE, ...arrays },
    ...more,
  };
}

const fresh = (arrays = {}, more = {}) => message(arrays, { fresh: true, columns: COLUMNS, ...more });

function begun() {
  const health = new HealthData();
  assert.ok(health.add(fresh({ sample_steps: [1, 2], samples: [1, 2, 3, 4, 5, 6] })));
  return health;
}

test("samples are kept by layer, in the network's order", () => {
  const health = begun();
  assert.ok(health.add(message({ sample_steps: [5], samples: [7, 8, 9] }, { columns: 3 })));
  assert.deepEqual(health.steps, [1, 2, 5]);
  assert.deepEqual(health.layers("grad_norm"), [
    { layer: "a", values: [1, 4, 7] },
    { layer: "b", values: [2, 5, 8] },
  ]);
  assert.deepEqual(health.layers("act_std"), [{ layer: "a", values: [3, 6, 9] }]);
});

test("a message that does not fit is refused, and all is requested again", () => {
  const health = begun();
  assert.equal(health.add(message({}, { columns: 2 })), false);
  assert.deepEqual([health.steps, health.seen.sample], [[], -1]);
  assert.equal(new HealthData().add(message({})), false, "nothing to add to");
});

test("pictures outlive that", () => {
  const health = begun();
  health.add({ t: "view", run: 1, name: "confusion", picture: { epoch: 1 } });
  health.add(message({}, { columns: 2 }));
  assert.deepEqual([...health.views.keys()], ["confusion"]);
});

test("a fresh message replaces what was there", () => {
  const health = begun();
  health.add(fresh({ bins: [3], counts: [5] }, { steps: 5 }));
  assert.deepEqual([health.steps, health.total, [...health.bins]], [[], 5, [[3, 5]]]);
});

test("histograms add up", () => {
  const health = begun();
  health.add(
    message({ bins: [-1, 4], counts: [2, 1] }, { steps: 4, clipped: 1, clipping: true, non_finite: 1 }),
  );
  health.add(message({ bins: [4], counts: [3] }, { steps: 3, clipped: 2 }));
  assert.deepEqual(
    [...health.bins],
    [
      [-1, 2],
      [4, 4],
    ],
  );
  assert.deepEqual([health.total, health.clipped, health.nonFinite, health.clipping], [7, 3, 1, true]);
});

test("the loss scale is kept where it changes", () => {
  const health = begun();
  health.add(message({ scale_steps: [1, 9], scales: [64, 32], skipped: [8] }));
  health.add(message({ scale_steps: [10, 20], scales: [32, 64] }));
  assert.deepEqual(health.lossScale, { steps: [1, 9, 20], values: [64, 32, 64] });
  assert.deepEqual(health.skipped, [8]);
});

test("the best epoch is that of the lowest finite loss", () => {
  const health = begun();
  assert.equal(health.best, null);
  health.add(message({ epochs: [1, 2, 3], val_loss: [2, Number.NaN, 1], patience: [3, 2, 3] }));
  health.add(message({ epochs: [4], val_loss: [1.5], patience: [2] }));
  assert.deepEqual(health.best, { epoch: 3, loss: 1 });
});
