// What stands around a chart's plot: its caption, what an empty one says, and notes on values that are not finite.

import { element, listTexts } from "../dom.js";

export class ChartCard {
  /**
   * @param {ChartSpec} spec
   * @param {Element} grid
   */
  constructor(spec, grid) {
    this.root = element("figure", { class: "ts-card" }, grid);
    this.caption = element("figcaption", {}, this.root);
    const plot = element(
      "div",
      { class: "ts-plot", "data-testid": `live-chart-${spec.name}`, role: "img" },
      this.root,
    );
    this.plot = /** @type {PlotNode} */ (plot);
    this.empty = element("p", { class: "ts-empty" }, this.root);
    this.marks = element("ul", { class: "ts-marks", hidden: "" }, this.root);
    this.noted = "";
  }

  /** @param {{ title: string, runs: number, emptyText: string, notes: string[] }} content An empty text hides it. */
  show({ title, runs, emptyText, notes }) {
    this.caption.textContent = title;
    this.plot.setAttribute("aria-label", `${title}: ${runs} runs`);
    this.empty.hidden = !emptyText;
    this.empty.textContent = emptyText;
    if (this.noted === notes.join("\n")) return;
    this.noted = notes.join("\n");
    this.marks.hidden = !notes.length;
    listTexts(this.marks, notes);
  }
}
