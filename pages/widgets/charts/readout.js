// What all runs were at the step under the pointer. Plotly's own box is cut off at the chart's edge when there are many.

import { nearest } from "./lines.js";
import { element } from "./parts.js";

const HEADS = { step: (x) => `step ${Math.round(x)}`, epoch: (x) => `epoch ${x.toFixed(2)}`, time: (x) => `${x.toFixed(1)} s` };

export class Readout {
  constructor(chart, card) {
    this.chart = chart;
    this.root = element("div", { class: "ts-readout", "data-testid": `live-readout-${chart.name}`, hidden: "" }, card);
    this.head = element("div", { class: "ts-readout-head" }, this.root);
    this.rows = element("div", { class: "ts-readout-rows" }, this.root);
  }

  listen() {
    const { node } = this.chart;
    node.on("plotly_hover", (event) => this.#show(event));
    node.on("plotly_unhover", () => (this.root.hidden = true));
    node.on("plotly_relayouting", () => (this.root.hidden = true));
  }

  #show(event) {
    const x = Number(event.xvals?.[0] ?? event.points[0].x);
    if (!Number.isFinite(x)) return;
    this.at = x;
    const rows = valuesAt(this.chart, x);
    this.head.textContent = HEADS[this.chart.panel.options.x](x);
    this.rows.replaceChildren(...rows.map((row) => this.#row(row)));
    this.rows.style.columnCount = rows.length > 12 ? "2" : "1";
    this.root.hidden = rows.length === 0;
    this.#place(event.event);
  }

  #row({ color, dashed, label, value }) {
    const row = element("div", { class: "ts-readout-row" });
    const swatch = element("span", { class: dashed ? "ts-swatch ts-dashed" : "ts-swatch" }, row);
    swatch.style.setProperty("--ts-run", color);
    element("span", { class: "ts-label" }, row).textContent = label;
    element("span", { class: "ts-value" }, row).textContent = value;
    return row;
  }

  /** Beside the pointer, on the side where there is room. */
  #place(pointer) {
    const card = this.root.parentElement.getBoundingClientRect();
    const left = pointer.clientX - card.left;
    const room = left < card.width / 2;
    this.root.style.left = room ? `${left + 16}px` : "auto";
    this.root.style.right = room ? "auto" : `${card.width - left + 16}px`;
  }
}

/** Each visible line's value at the drawn point nearest to `x`; nothing for lines that have not come so far. */
function valuesAt(chart, x) {
  const found = [];
  for (const line of chart.lines) {
    const shown = chart.panel.shown(line.run.id);
    const trace = chart.node.data[line.index + (line.smoother ? 1 : 0)];
    if (!shown || !trace?.x.length || !chart.panel.isVisible(shown)) continue;
    const at = nearest(trace.x, x);
    const slack = (trace.x.at(-1) - trace.x[0]) * 0.02 + Math.abs(trace.x[1] - trace.x[0] || 0);
    if (Math.abs(trace.x[at] - x) > slack) continue;
    const label = line.part.label ? `${shown.label} · ${line.part.label}` : shown.label;
    found.push({ label, value: format(chart, trace.y[at]), color: chart.panel.color(shown), dashed: Boolean(line.part.dashed) });
  }
  const planned = chart.spec.planned ? chart.node.data[0] : null;
  if (planned?.visible && planned.x.length && x <= planned.x.at(-1)) {
    const value = format(chart, planned.y[nearest(planned.x, x)]);
    found.push({ label: "planned", value, color: chart.panel.theme.muted, dashed: true });
  }
  return found;
}

function format(chart, value) {
  if (chart.name === "metric" && chart.panel.data.metric?.percent) return `${(100 * value).toFixed(1)} %`;
  return String(Number(value.toPrecision(4)));
}
