// The runs on the axes as buttons that hide and show them.

import { element } from "../../dom.js";

/**
 * @typedef {object} Entry
 * @property {number} id
 * @property {string} label
 * @property {string} differs
 * @property {string} color
 * @property {boolean} repeated
 * @property {boolean} visible
 */

export class Legend {
  /**
   * @param {Element} parent
   * @param {(run: number) => void} onToggle
   */
  constructor(parent, onToggle) {
    this.onToggle = onToggle;
    this.root = element("div", { class: "ts-legend", role: "group", "aria-label": "Runs shown" }, parent);
    this.content = "";
  }

  /**
   * Entries that are the same stay as they are, and the focus stays on its run.
   * @param {Entry[]} entries
   */
  show(entries) {
    this.root.hidden = entries.length === 0;
    const content = JSON.stringify(entries);
    if (content === this.content) return;
    this.content = content;
    const focused = this.root.contains(document.activeElement) ? document.activeElement : null;
    const run = focused?.getAttribute("data-run");
    this.root.replaceChildren(...entries.map((entry) => this.#button(entry)));
    if (run)
      /** @type {HTMLElement | null} */ (this.root.querySelector(`[data-run="${CSS.escape(run)}"]`))?.focus();
  }

  /** @param {Entry} entry */
  #button({ id, label, differs, color, repeated, visible }) {
    const button = element("button", {
      type: "button",
      class: "ts-run",
      "aria-pressed": String(visible),
      "data-run": String(id),
      title: `${visible ? "Hide this run" : "Show this run"}${differs ? `: ${differs}` : ""}`,
    });
    button.style.setProperty("--ts-run", color);
    const swatch = repeated ? "ts-swatch ts-repeated" : "ts-swatch";
    element("span", { class: swatch, "aria-hidden": "true" }, button);
    element("span", { class: "ts-label" }, button).textContent = label;
    button.addEventListener("click", () => this.onToggle(id));
    return button;
  }
}
