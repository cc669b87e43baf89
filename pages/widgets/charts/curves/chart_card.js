// What stands around a chart's plot: its caption, what an empty one says, and notes on values that are not finite.

import { element, listTexts, setText } from "../dom.js";

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
    this.notes = element("ul", { class: "ts-marks", hidden: "" }, this.root);
    this.caption.textContent = spec.title;
  }

  /**
   * @param {string} title
   * @param {number} runs
   * @param {string} emptyText None where there is something to see.
   */
  show(title, runs, emptyText) {
    setText(this.caption, title);
    this.plot.setAttribute("aria-label", `${title}: ${runs} runs`);
    this.empty.hidden = !emptyText;
    this.empty.textContent = emptyText;
  }

  /** @param {string[]} notes */
  showNotes(notes) {
    this.notes.hidden = !notes.length;
    listTexts(this.notes, notes);
  }
}
