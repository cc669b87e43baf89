// The charts' options: x axis, logarithmic y, smoothing, and buttons for all charts. The options are kept for the next visit.

import { element } from "../../dom.js";
import { MODES } from "../axes.js";

/** @typedef {import("../line.js").ChartOptions} ChartOptions */

const STORED = "trainscope.charts";
const MAX_SMOOTHING = 0.99;
/** @type {ChartOptions} */
const DEFAULTS = { x: "step", log: false, smooth: 0.6, full: false };

/** @implements {ChartOptions} */
export class OptionsBar {
  /**
   * @param {Element} parent
   * @param {Partial<ChartOptions>} chosen In the link, or in this tab before.
   * @param {{ change: () => void, keep: () => void, reset: () => void, clear: () => void }} actions
   */
  constructor(parent, chosen, actions) {
    const values = { ...DEFAULTS, ...stored(), ...chosen };
    const { x, log, smooth, full } = values;
    this.fromBefore = JSON.stringify(values) !== JSON.stringify({ ...DEFAULTS, ...chosen }); // of an earlier visit
    this.x = x;
    this.log = log;
    this.smooth = smooth;
    this.full = full;
    this.actions = actions;
    this.root = element("div", { class: "ts-options", role: "group", "aria-label": "Chart options" }, parent);
    this.#addAxisChoice();
    this.#addLogChoice();
    this.#addSmoothing();
    const buttons = element("div", { class: "ts-buttons" }, this.root);
    this.resetButton = addButton(
      buttons,
      "Reset zoom",
      "Show everything again (double click on a chart)",
      actions.reset,
    );
    this.clearButton = addButton(
      buttons,
      "Clear chart",
      "Take all runs off the charts; they stay on the Runs page",
      actions.clear,
    );
  }

  /** @returns {ChartOptions} */
  get values() {
    return { x: this.x, log: this.log, smooth: this.smooth, full: this.full };
  }

  /**
   * @param {Partial<ChartOptions>} values
   * @param {boolean} [keep] False while a slider is still on its way.
   */
  set(values, keep = true) {
    Object.assign(this, values);
    this.actions.change();
    if (!keep) return;
    try {
      localStorage.setItem(STORED, JSON.stringify(this.values));
    } catch {
      // Private windows refuse to store; the choice then lasts as long as the page.
    }
    this.actions.keep();
  }

  #addAxisChoice() {
    const choices = element("fieldset", { class: "ts-radios" }, this.root);
    element("legend", {}, choices).textContent = "X axis";
    const group = `ts-x-${Math.random().toString(36).slice(2)}`;
    for (const mode of /** @type {import("../axes.js").AxisMode[]} */ (Object.keys(MODES))) {
      const label = element("label", {}, choices);
      const input = element("input", { type: "radio", name: group, value: mode }, label);
      input.checked = mode === this.x;
      input.addEventListener("change", () => this.set({ x: mode }));
      element("span", {}, label).textContent = MODES[mode].label;
    }
  }

  #addLogChoice() {
    const label = element("label", { class: "ts-check" }, this.root);
    const input = element("input", { type: "checkbox" }, label);
    input.checked = this.log;
    input.addEventListener("change", () => this.set({ log: input.checked }));
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
      this.set({ smooth: Number(input.value) }, false);
    });
    input.addEventListener("change", () => this.set({ smooth: Number(input.value) }));
  }
}

/**
 * @param {Element} parent
 * @param {string} text
 * @param {string} help
 * @param {() => void} onClick
 */
function addButton(parent, text, help, onClick) {
  const button = element("button", { type: "button", class: "ts-button", title: help }, parent);
  button.textContent = text;
  button.addEventListener("click", onClick);
  return button;
}

/**
 * Returns the options of the last visit, none if they are not all there.
 * @returns {Partial<ChartOptions>}
 */
function stored() {
  try {
    const { x, log, smooth, full = false } = JSON.parse(localStorage.getItem(STORED) ?? "{}");
    const good =
      Object.hasOwn(MODES, x) && typeof log === "boolean" && smooth >= 0 && smooth <= MAX_SMOOTHING;
    return good ? { x, log, smooth, full: Boolean(full) } : {};
  } catch {
    return {};
  }
}
