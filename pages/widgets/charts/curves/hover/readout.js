// What all runs were at the x under the pointer: the raw value, and the smoothed one beside it.

import { element } from "../../dom.js";
import { MODES, nearest } from "../axes.js";
import { formatValue } from "../chart_spec.js";

/** @typedef {{ label: string, raw: string, smoothed: string, color: string, kind: string }} Row */

const TALLEST = 12; // rows of one column

export class Readout {
  /**
   * @param {import("../chart.js").Chart} chart
   * @param {Element} frame
   */
  constructor(chart, frame) {
    this.chart = chart;
    this.frame = frame;
    const testId = `live-readout-${chart.spec.name}`;
    this.root = element("div", { class: "ts-readout", "data-testid": testId, hidden: "" }, frame);
    this.head = element("div", { class: "ts-readout-head" }, this.root);
    this.rows = element("div", { class: "ts-readout-rows" }, this.root);
  }

  hide() {
    this.root.hidden = true;
  }

  /**
   * @param {number} x
   * @param {number} pixel Where that is on the plot.
   */
  show(x, pixel) {
    const rows = rowsAt(this.chart, x);
    this.head.textContent = MODES[this.chart.panel.options.x].head(x);
    this.rows.replaceChildren(...rows.map(rowElement));
    this.rows.style.columnCount = rows.length > TALLEST ? "2" : "1";
    this.root.hidden = rows.length === 0;
    const room = pixel < this.frame.clientWidth / 2; // beside the pointer, where there is room
    this.root.style.left = room ? `${pixel + 16}px` : "auto";
    this.root.style.right = room ? "auto" : `${this.frame.clientWidth - pixel + 16}px`;
  }
}

/** @param {Row} row */
function rowElement({ label, raw, smoothed, color, kind }) {
  const row = element("div", { class: "ts-readout-row" });
  const swatch = element("span", { class: `ts-swatch ${kind}` }, row);
  swatch.style.setProperty("--ts-run", color);
  element("span", { class: "ts-label" }, row).textContent = label;
  if (smoothed) element("span", { class: "ts-value-name" }, row).textContent = "raw";
  element("span", { class: "ts-value" }, row).textContent = raw;
  if (!smoothed) return row;
  element("span", { class: "ts-value-name" }, row).textContent = "smoothed";
  element("span", { class: "ts-value" }, row).textContent = smoothed;
  return row;
}

/**
 * Returns each visible line's value at the drawn point nearest to `x`; none for lines that have not come so far.
 * @param {import("../chart.js").Chart} chart
 * @param {number} x
 */
function rowsAt({ lines, node, panel, spec }, x) {
  /** @type {Row[]} */
  const rows = [];
  for (const { run, part, trace, smoother } of lines) {
    const shown = panel.shown(run.id);
    if (!shown || !panel.isVisible(shown)) continue;
    const raw = valueNear(spec, node.data[trace], x);
    if (!raw) continue;
    const smoothed = smoother ? valueNear(spec, node.data[trace + 1], x) : "";
    const label = part.label ? `${shown.label} · ${part.label}` : shown.label;
    const kind = `${part.dashed ? "ts-dashed" : ""} ${panel.isRepeated(shown) ? "ts-repeated" : ""}`;
    rows.push({ label, raw, smoothed, color: panel.color(shown), kind });
  }
  const planned = spec.planned ? node.data[0] : null;
  if (planned?.visible && planned.x.length && x <= planned.x.at(-1)) {
    const raw = formatValue(spec, planned.y[nearest(planned.x, x)]);
    rows.push({ label: "planned", raw, smoothed: "", color: panel.theme.muted, kind: "ts-dashed" });
  }
  return rows;
}

/**
 * @param {ChartSpec} spec
 * @param {Record<string, any>} trace
 * @param {number} x
 */
function valueNear(spec, { x: xs, y } = { x: [], y: [] }, x) {
  const at = drawnNear(xs, x);
  return at === null ? "" : formatValue(spec, y[at]);
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
