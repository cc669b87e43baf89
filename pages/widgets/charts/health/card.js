// One card of the Health page: caption, how it is read, the plot or picture, and what it shows in words.

import { element, listTexts, setText } from "../dom.js";
import { DrawScheduler } from "../draw_scheduler.js";

/** @typedef {import("./figures.js").Figure} Figure */
/** @typedef {import("./figures.js").Activation} Activation */

const METER = { min: "0", max: "1", low: "0.25", high: "0.6", optimum: "1", "aria-label": "Patience left" };

export class Card {
  /**
   * @param {string} name
   * @param {import("./figures.js").CardSpec} spec
   * @param {import("./health_panel.js").HealthPanel} panel
   */
  constructor(name, spec, panel) {
    this.name = name;
    this.spec = spec;
    this.panel = panel;
    this.scheduler = new DrawScheduler(() => this.#draw());
    /** @type {HTMLDivElement | null} */
    this.plotNode = null;
    const kind = spec.wide ? "ts-card ts-wide" : "ts-card";
    this.root = element("figure", { class: kind, "data-testid": `health-${name}` }, panel.grid);
    const head = element("figcaption", {}, this.root);
    element("span", {}, head).textContent = spec.title;
    if (spec.choices) this.#addChoices(head, spec.choices);
    this.help = element("p", { class: "ts-help" }, this.root);
    this.summary = element("p", { class: "ts-summary", hidden: "" }, this.root);
    this.meter = element("meter", { class: "ts-meter", ...METER, hidden: "" }, this.root);
    this.body = element(
      "div",
      { class: "ts-body", role: spec.role ?? "img", "aria-label": spec.title },
      this.root,
    );
    this.waiting = element("p", { class: "ts-waiting", role: "status" }, this.root);
    this.notes = element("ul", { class: "ts-marks", hidden: "" }, this.root);
    this.#showHelp();
  }

  /**
   * @param {Element} head
   * @param {Record<string, { label: string }>} choices
   */
  #addChoices(head, choices) {
    const select = element(
      "select",
      { class: "ts-select", "aria-label": `${this.spec.title}: what to show` },
      head,
    );
    for (const [value, { label }] of Object.entries(choices))
      element("option", { value }, select).textContent = label;
    select.value = this.panel.activation;
    select.addEventListener("change", () => {
      this.panel.activation = /** @type {Activation} */ (select.value);
      this.#showHelp();
      this.schedule();
    });
  }

  #showHelp() {
    const { help } = this.spec;
    this.help.textContent = typeof help === "function" ? help(this.panel.activation) : help;
  }

  schedule() {
    if (this.panel.plotly) this.scheduler.request();
  }

  #draw() {
    if (this.panel.closed || !this.root.isConnected) return;
    const figure = this.spec.draw(this.panel.scene, this.body);
    this.body.hidden = !figure;
    this.waiting.hidden = Boolean(figure);
    this.waiting.textContent = this.panel.waitingText(this.spec);
    if (figure) this.#show(figure);
  }

  /** @param {Figure} figure */
  #show({ traces, layout, description, summary = "", meter = null, notes = [] }) {
    if (traces && layout) this.#plot(traces, layout);
    this.body.setAttribute("aria-label", `${this.spec.title}. ${description}`);
    this.summary.hidden = !summary;
    setText(this.summary, summary);
    this.meter.hidden = meter === null;
    this.meter.value = meter ?? 0;
    this.notes.hidden = !notes.length;
    listTexts(this.notes, notes);
    this.root.dataset.drawn = String(Number(this.root.dataset.drawn ?? 0) + 1);
  }

  /**
   * @param {object[]} traces
   * @param {object} layout
   */
  #plot(traces, layout) {
    this.plotNode ??= element("div", { class: "ts-plot" }, this.body);
    this.panel.plotly?.react(this.plotNode, traces, layout, this.panel.plotConfig);
  }

  remove() {
    if (this.plotNode) this.panel.plotly?.purge(this.plotNode);
    this.root.remove();
  }
}
