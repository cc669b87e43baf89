import assert from "node:assert/strict";
import { test } from "node:test";
import { pictureOf } from "../../pages/widgets/charts/curves/picture.js";
import { spec } from "./curve_fixtures.js";

const trace = (name, more = {}) => ({ name, visible: true, x: [0, 1], y: [1, 2], ...more });
const chart = {
  spec: { ...spec(), title: "Samples per second", unit: "samples/s" },
  node: { clientWidth: 400, clientHeight: 250 },
  panel: { theme: { text: "black", background: "white" }, options: { x: "epoch" } },
};

test("a picture has a title, the names of both axes and a background of its own", () => {
  const { layout } = pictureOf(chart, [trace("A")], { xaxis: { range: [1, 2] }, yaxis: {} });
  assert.equal(layout.title.text, "Samples per second");
  assert.deepEqual(
    [layout.xaxis.title.text, layout.yaxis.title.text],
    ["epoch", "Samples per second (samples/s)"],
  );
  assert.deepEqual([layout.paper_bgcolor, layout.xaxis.range], ["white", [1, 2]]);
});

test("each visible line stands in the legend once", () => {
  const traces = [
    trace("A"),
    trace("A"), // smoothed
    trace("B", { visible: false }),
    trace("A · non-finite", { x: [] }),
    trace("C"),
  ];
  const named = pictureOf(chart, traces, {}).data.filter(({ showlegend }) => showlegend);
  assert.deepEqual(named, [
    { ...traces[1], showlegend: true },
    { ...traces[4], showlegend: true },
  ]);
});

test("room for the legend is added, not taken from the plot", () => {
  const heights = [1, 12].map((count) => {
    const traces = Array.from({ length: count }, (_, i) => trace(`Run ${i}`));
    const { layout, height } = pictureOf(chart, traces, {});
    return height - layout.margin.t - layout.margin.b;
  });
  assert.equal(heights[0], heights[1]);
});
