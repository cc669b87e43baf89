// What the lines' styles mean.

import { element } from "../../dom.js";

/** @type {[style: string, meaning: string][]} */
const STYLES = [
  ["solid", "training"],
  ["dashed", "validation"],
  ["raw", "raw"],
  ["smoothed", "smoothed"],
  ["dotted", "plan or limit"],
];

export class StyleKey {
  /** @param {Element} parent */
  constructor(parent) {
    this.root = element("ul", { class: "ts-key", "aria-label": "Line styles" }, parent);
    for (const [style, meaning] of STYLES) {
      const entry = element("li", { "data-style": style }, this.root);
      element("span", { class: `ts-stroke ts-stroke-${style}`, "aria-hidden": "true" }, entry);
      element("span", {}, entry).textContent = meaning;
    }
  }

  /**
   * Only what is on the charts is explained.
   * @param {{ runs: number, smooth: number, planned: boolean }} shown
   */
  show({ runs, smooth, planned }) {
    this.root.hidden = runs === 0;
    const used = { raw: smooth > 0, smoothed: smooth > 0, dotted: planned };
    for (const entry of this.root.children) {
      const style = entry.getAttribute("data-style") ?? "";
      entry.toggleAttribute("hidden", used[/** @type {keyof typeof used} */ (style)] === false);
    }
  }
}
