// What all runs were at the step under the pointer. Plotly's own box is cut off at the chart's edge when there are many.

import { element } from "../dom.js";
import { MODES, nearest } from "./axes.js";
import { formatValue } from "./chart_spec.js";

/** @typedef {{ label: string, value: string, color: string, dashed: boolean }} Row */

const TALLEST = 12; // rows of one column

export class Readout {
  /**
   * @param {import("./chart.js").Chart} chart
   * @param {Element} card
   */
  constructor(chart, card) {
    this.chart = chart;
    this.card = card;
    const testId = `live-readout-${chart.spec.name}`;
    this.root = element("div", { class: "ts-readout", "data-testid": testId, hidden: "" }, card);
    this.head = element("div", { class: "ts-readout-head" }, this.root);
    this.rows = element("div", { class: "ts-readout-rows" }, this.root);
  }

  listen() {
    const { node } = this.chart;
    node.on("plotly_hover", (event) => this.#show(event));
    for (const end of ["plotly_unhover", "plotly_relayouting"]) {
      node.on(end, () => {
        this.root.hidden = true;
      });
    }
  }

  /** @param {{ xvals?: number[], points: { x: number }[], event: MouseEvent }} event */
  #show({ xvals, points, event }) {
    const x = Number(xvals?.[0] ?? points[0].x);
    if (!Number.isFinite(x)) return;
    const rows = rowsAt(this.chart, x);
    this.head.textContent = MODES[this.chart.panel.options.x].head(x);
    this.rows.replaceChildren(...rows.map(rowElement));
    this.rows.style.columnCount = rows.length > TALLEST ? "2" : "1";
    this.root.hidden = rows.length === 0;
    this.#place(event);
  }

  /**
   * Beside the pointer, on the side where there is room.
   * @param {MouseEvent} pointer
   */
  #place(pointer) {
    const card = this.card.getBoundingClientRect();
    const left = pointer.clientX - card.left;
    const room = left < card.width / 2;
    this.root.style.left = room ? `${left + 16}px` : "auto";
    this.root.style.right = room ? "auto" : `${card.width - left + 16}px`;
  }
}

/** @param {Row} row */
function rowElement({ label, value, color, dashed }) {
  const row = element("div", { class: "ts-readout-row" });
  const swatch = element("span", { class: dashed ? "ts-swatch ts-dashed" : "ts-swatch" }, row);
  swatch.style.setProperty("--ts-run", color);
  element("span", { class: "ts-label" }, row).textContent = label;
  element("span", { class: "ts-value" }, row).textContent = value;
  return row;
}

/**
 * Returns each visible line's value at the drawn point nearest to `x`; none for lines that have not come so far.
 * @param {import("./chart.js").Chart} chart
 * @param {number} x
 */
function rowsAt({ lines, node, panel, spec }, x) {
  /** @type {Row[]} */
  const rows = [];
  for (const { run, part, trace, smoother } of lines) {
    const shown = panel.shown(run.id);
    const { x: xs = [], y = [] } = node.data[smoother ? trace + 1 : trace] ?? {};
    const at = shown && panel.isVisible(shown) ? drawnNear(xs, x) : null;
    if (!shown || at === null) continue;
    const label = part.label ? `${shown.label} · ${part.label}` : shown.label;
    rows.push({ label, value: formatValue(spec, y[at]), color: panel.color(shown), dashed: part.dashed });
  }
  const planned = spec.planned ? node.data[0] : null;
  if (planned?.visible && planned.x.length && x <= planned.x.at(-1)) {
    const value = formatValue(spec, planned.y[nearest(planned.x, x)]);
    rows.push({ label: "planned", value, color: panel.theme.muted, dashed: true });
  }
  return rows;
}

/**
 * Returns the place of the drawn point nearest to `x`, or null where the line has none there.
 * @param {ArrayLike<number>} xs
 * @param {number} x
 */
export function drawnNear(xs, x) {
  if (!xs.length) return null;
  const at = nearest(xs, x);
  const slack = (xs[xs.length - 1] - xs[0]) * 0.02 + Math.abs(xs[1] - xs[0] || 0);
  return Math.abs(xs[at] - x) <= slack ? at : null;
}
