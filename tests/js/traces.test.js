import assert from "node:assert/strict";
import { test } from "node:test";
import { buildTraces, exitTraces } from "../../pages/widgets/charts/curves/traces.js";
import { Run } from "../../pages/widgets/charts/live/run.js";
import { part, segment, series, spec } from "./curve_fixtures.js";

const THEME = { muted: "gray", background: "white" };
const PARTS = [
  part("step", "loss", { smoothed: true, label: "train" }),
  part("epoch", "val_loss", { dashed: true }),
];

/** A chart of two runs with curves, the second with a value that is not finite. */
function chart(more = {}) {
  const runs = new Map();
  for (const id of [1, 2]) {
    const run = new Run(id);
    const marks = id === 2 ? [[1, 1, 1, "nan"]] : undefined;
    run.replace([
      segment(
        "step",
        -1,
        2,
        series(
          "loss",
          [
            [0, 3],
            [2, id],
          ],
          { marks },
        ),
      ),
      segment("epoch", -1, 2, series("val_loss", [[2, 4 + id]])),
    ]);
    runs.set(id, run);
  }
  return {
    spec: { ...spec(...PARTS), ...more },
    panel: {
      zoom: { detailOf: () => undefined },
      isRepeated: ({ color }) => color > 8,
      visibleRuns: [{ run: runs.get(1), label: "Run 1" }],
      runs: [1, 2].map((id) => ({
        id,
        label: `<Run ${id}>`,
        color: id,
        visible: true,
        clip: id === 2 ? 0.5 : null,
        changes: [],
      })),
      feed: { run: (id) => runs.get(id) },
      data: {
        planned: { steps: [0, 2], lr: [1, 0], steps_per_epoch: 1 },
        states: { running: { over: false }, stopped: { over: true } },
      },
      options: { x: "step", log: false, smooth: 0.6 },
      theme: THEME,
      color: ({ color }) => `color ${color}`,
      isVisible: ({ id }) => id === 1,
    },
  };
}

for (const more of [{}, { planned: true }, { clip: true }, { planned: true, clip: true }]) {
  test(`each line knows its trace: ${JSON.stringify(more)}`, () => {
    const { traces, lines } = buildTraces(chart(more));
    assert.equal(lines.length, 4);
    for (const {
      trace,
      smoother,
      run,
      part: { name },
    } of lines) {
      const { values } = run.curve(name === "loss" ? "step" : "epoch", name);
      assert.deepEqual(traces[trace].y, values);
      assert.equal(
        traces[trace].opacity !== undefined,
        Boolean(smoother),
        "a raw line is faint behind a smoothed one",
      );
      if (smoother) assert.equal(traces[trace + 1].y.length, values.length);
    }
  });
}

test("the planned curve comes first and belongs to no run", () => {
  const [planned] = buildTraces(chart({ planned: true })).traces;
  assert.deepEqual([planned.x, planned.y, planned.line.color], [[0, 2], [1, 0], "gray"]);
});

test("only a run that clips by norm has a clip line, as long as the run", () => {
  const clips = buildTraces(chart({ clip: true })).traces.filter(({ name }) => name.endsWith("clip"));
  assert.deepEqual(
    clips.map(({ x, y }) => [x, y]),
    [
      [
        [0, 2],
        [0.5, 0.5],
      ],
    ],
  );
});

test("a clip line steps where the threshold changed, and begins where clipping did", () => {
  const changed = chart({ clip: true });
  changed.panel.runs[0].changes = [{ step: 1, label: "Gradient clipping by norm", clip: 0.25 }];
  const [clips] = buildTraces(changed).traces.filter(({ name }) => name.endsWith("clip"));
  assert.deepEqual(
    [clips.x, clips.y],
    [
      [0, 1, 1, 2],
      [null, null, 0.25, 0.25],
    ],
  );
});

test("hidden runs are drawn invisibly, marks only where there are some", () => {
  const { traces } = buildTraces(chart());
  const [first, second] = traces.filter(({ name }) => name.endsWith("non-finite"));
  assert.deepEqual([first.x, second.x], [[], [1]]);
  assert.ok(!first.visible && !second.visible);
  assert.deepEqual(
    [...new Set(traces.filter(({ line }) => line?.color === "color 2").map((trace) => trace.visible))],
    [false],
  );
});

test("a plan and a limit end where the run has ended", () => {
  const stopped = chart({ planned: true, clip: true });
  stopped.panel.data.planned = { steps: [0, 4], lr: [1, 0], steps_per_epoch: 1 };
  for (const { id } of stopped.panel.runs) {
    stopped.panel.feed.run(id).status = { status: "stopped", progress: { total_steps: 1000 } };
  }
  const { traces } = buildTraces(stopped);
  assert.deepEqual(
    [traces[0].x, traces[0].y],
    [
      [0, 2],
      [1, 0.5],
    ],
  );
  assert.deepEqual(traces.find(({ name }) => name.endsWith("clip")).x, [0, 2]);
});

test("lines whose color has been used before have marks, on the bold line of two", () => {
  const repeated = chart();
  repeated.panel.isRepeated = ({ id }) => id === 2;
  const { traces, lines } = buildTraces(repeated);
  const modes = (run) =>
    lines
      .filter((line) => line.run.id === run)
      .map(({ trace }) => [traces[trace].mode, traces[trace + 1].mode]);
  assert.deepEqual(modes(1)[0], ["lines", "lines"]);
  assert.deepEqual(modes(2)[0], ["lines", "lines+markers"]);
});

test("where a line leaves the view, a triangle in its color says so", () => {
  const cut = chart();
  cut.lines = buildTraces(cut).lines;
  cut.panel.shown = (id) => cut.panel.runs.find((run) => run.id === id);
  const [exit, ...others] = exitTraces(cut, 2.5);
  assert.deepEqual([exit.x, exit.marker.symbol, exit.marker.color], [[0], "triangle-up", "color 1"]);
  assert.deepEqual(
    others.map(({ x }) => x),
    [[2]],
  ); // the validation's only point; the hidden run has none
});

test("other people's names are text", () => {
  const names = buildTraces(chart()).traces.map(({ name }) => name);
  assert.ok(names.every((name) => !name.includes("<")));
  assert.equal(names[0], "&lt;Run 1&gt; · train");
});
