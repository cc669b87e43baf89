// Where the knobs of a run changed while it trained: a thin line at the step, with what changed.

import { plain } from "../format.js";
import { scaleOf } from "./axes.js";

const LABELED = 6; // changes that have room for words
const LONGEST = 36; // characters

/**
 * Returns a line for each change of the visible runs; the last ones say what changed.
 * @param {import("./chart_panel.js").ChartPanel} panel
 */
export function changeShapes(panel) {
  const { feed, options, theme } = panel;
  const found = visible(panel).flatMap((run) => {
    const { toX } = scaleOf(feed.run(run.id), options.x);
    return run.changes.map(({ step, label }) => ({ x: toX(step), text: label, color: panel.color(run) }));
  });
  return found.map(({ x, text, color }, i) => ({
    type: "line",
    yref: "paper",
    x0: x,
    x1: x,
    y0: 0,
    y1: 1,
    line: { color, width: 1, dash: "dash" },
    label:
      i < found.length - LABELED
        ? { text: "" }
        : {
            text: plain(text, LONGEST),
            textposition: "end",
            textangle: -90,
            xanchor: "right",
            yanchor: "top",
            font: { size: 10, color: theme.text },
          },
  }));
}

/**
 * Returns the last changes in words, for those who do not see the lines.
 * @param {import("./chart_panel.js").ChartPanel} panel
 */
export function changesInWords(panel) {
  const told = visible(panel).flatMap(({ label, changes }) =>
    changes.map((change) => `${label}: ${change.label} from step ${change.step}.`),
  );
  return told.slice(-LABELED);
}

/**
 * Returns a sentence for each run with more changes than are drawn.
 * @param {import("./chart_panel.js").ChartPanel} panel
 */
export function unshownChanges(panel) {
  return visible(panel)
    .filter(({ unshown }) => unshown > 0)
    .map(({ label, unshown }) => `${label}: ${unshown} earlier changes of knobs are not drawn`);
}

/** @param {import("./chart_panel.js").ChartPanel} panel */
function visible(panel) {
  return panel.runs.filter((run) => panel.isVisible(run));
}
