// The charts' options: x axis, logarithmic y, smoothing. Kept for the next visit.

import { element } from "../dom.js";
import { MODES } from "./axes.js";

/** @typedef {import("./line.js").ChartOptions} ChartOptions */

const STORED = "trainscope.charts";
const MAX_SMOOTHING = 0.99;

/** @implements {ChartOptions} */
export class OptionsBar {
  /**
   * @param {Element} parent
   * @param {() => void} onChange
   */
  constructor(parent, onChange) {
    const { x, log, smooth } = { x: /** @type {const} */ ("step"), log: false, smooth: 0.6, ...stored() };
    /** @type {import("./axes.js").AxisMode} */
    this.x = x;
    this.log = log;
    this.smooth = smooth;
    this.onChange = onChange;
    this.root = element("div", { class: "ts-options", role: "group", "aria-label": "Chart options" }, parent);
    this.#addAxisChoice();
    this.#addLogChoice();
    this.#addSmoothing();
  }

  /** @param {Partial<ChartOptions>} values */
  #set(values) {
    Object.assign(this, values);
    try {
      localStorage.setItem(STORED, JSON.stringify({ x: this.x, log: this.log, smooth: this.smooth }));
    } catch {
      // Private windows refuse to store; the choice then lasts as long as the page.
    }
    this.onChange();
  }

  #addAxisChoice() {
    const choices = element("fieldset", { class: "ts-radios" }, this.root);
    element("legend", {}, choices).textContent = "X axis";
    const group = `ts-x-${Math.random().toString(36).slice(2)}`;
    for (const mode of /** @type {import("./axes.js").AxisMode[]} */ (Object.keys(MODES))) {
      const label = element("label", {}, choices);
      const input = element("input", { type: "radio", name: group, value: mode }, label);
      input.checked = mode === this.x;
      input.addEventListener("change", () => this.#set({ x: mode }));
      element("span", {}, label).textContent = MODES[mode].label;
    }
  }

  #addLogChoice() {
    const label = element("label", { class: "ts-check" }, this.root);
    const input = element("input", { type: "checkbox" }, label);
    input.checked = this.log;
    input.addEventListener("change", () => this.#set({ log: input.checked }));
    element("span", {}, label).textContent = "Log y";
  }

  #addSmoothing() {
    const label = element("label", { class: "ts-slider" }, this.root);
    element("span", {}, label).textContent = "Smoothing";
    const range = { type: "range", min: "0", max: String(MAX_SMOOTHING), step: "0.01" };
    const input = element("input", range, label);
    const output = element("output", {}, label);
    input.value = String(this.smooth);
    output.textContent = this.smooth.toFixed(2);
    input.addEventListener("input", () => {
      output.textContent = Number(input.value).toFixed(2);
      this.#set({ smooth: Number(input.value) });
    });
  }
}

/**
 * Returns the options of the last visit, none if they are not all there.
 * @returns {Partial<ChartOptions>}
 */
function stored() {
  try {
    const { x, log, smooth } = JSON.parse(localStorage.getItem(STORED) ?? "{}");
    const good =
      Object.hasOwn(MODES, x) && typeof log === "boolean" && smooth >= 0 && smooth <= MAX_SMOOTHING;
    return good ? { x, log, smooth } : {};
  } catch {
    return {};
  }
}
