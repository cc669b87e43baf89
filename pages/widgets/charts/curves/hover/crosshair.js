// The line through all charts at the x under the pointer.

import { element } from "../../dom.js";
import { pixelOf } from "../zoom/geometry.js";

export class Crosshair {
  /**
   * @param {import("../chart.js").Chart} chart
   * @param {Element} frame
   */
  constructor(chart, frame) {
    this.chart = chart;
    this.root = element("div", { class: "ts-crosshair", hidden: "" }, frame);
  }

  /** Stand where the pointer is, also after the axis has moved. */
  place() {
    const { axes, panel } = this.chart;
    const left = axes && panel.pointedX !== null ? pixelOf(axes.x, panel.pointedX) : null;
    this.root.hidden = left === null;
    if (left === null || !axes) return;
    this.root.style.left = `${left}px`;
    this.root.style.top = `${axes.y._offset}px`;
    this.root.style.height = `${axes.y._length}px`;
  }
}
