// The Health page: figures and pictures of one run, and its layers in numbers.

import { firstText } from "../curves/chart_spec.js";
import { element } from "../dom.js";
import { LivePanel, mountPanel } from "../live_panel.js";
import { isOver } from "../status_line.js";
import { Card } from "./card.js";
import { FIGURES } from "./figures.js";
import { LayerTable } from "./layer_table.js";
import { PICTURES } from "./pictures.js";

const ATTRIBUTES = {
  class: "ts-live ts-health",
  "data-testid": "health-panel",
  "aria-label": "Health of the run",
};
const POINTS = 400; // of the run's curves, which come along
const NARROW = 560; // pixels

/** @extends {LivePanel<HealthPanelData>} */
export class HealthPanel extends LivePanel {
  /**
   * @param {HTMLElement | ShadowRoot} parent
   * @param {string} base
   * @param {HealthPanelData} data
   */
  constructor(parent, base, data) {
    super(parent, base, data, ATTRIBUTES);
    this.shownRun = data.run;
    /** @type {import("./figures.js").Activation} */
    this.activation = "act_std";
    this.log = false;
    this.plotConfig = { displaylogo: false, responsive: false, displayModeBar: false, showTips: false };
    this.options = element("div", { class: "ts-options" }, this.root);
    this.#addLogChoice();
    this.grid = element("div", { class: "ts-grid" }, this.root);
    this.table = new LayerTable(this.root);
    /** @type {Map<string, Card>} */
    this.cards = new Map();
  }

  #addLogChoice() {
    const label = element("label", { class: "ts-check" }, this.options);
    const input = element("input", { type: "checkbox" }, label);
    input.addEventListener("change", () => {
      this.log = input.checked;
      this.draw();
    });
    element("span", {}, label).textContent = "Stretch the first steps (log axis)";
  }

  get runIds() {
    return [this.data.run];
  }

  get points() {
    return POINTS;
  }

  get plots() {
    return [...this.cards.values()].flatMap(({ plotNode }) => (plotNode ? [plotNode] : []));
  }

  get health() {
    return this.feed.health(this.data.run);
  }

  apply() {
    if (this.shownRun !== this.data.run) this.#clear();
    this.shownRun = this.data.run;
    this.#addCards();
  }

  /** @param {HealthPanelData} data */
  update(data) {
    super.update(data);
    this.feed.watchHealth(this, [{ run: data.run, views: null }]); // a run must be subscribed to first
  }

  #clear() {
    for (const card of this.cards.values()) card.remove();
    this.cards.clear();
  }

  /** Figures first, the data's pictures among them where a person looks first: behind the heat map. */
  #addCards() {
    const pictures = Object.fromEntries(this.data.pictures.map((name) => [name, PICTURES[name]]));
    for (const [name, spec] of Object.entries({ gradients: FIGURES.gradients, ...pictures, ...FIGURES })) {
      const applies = spec.applies?.(this.data) ?? true;
      if (applies && !this.cards.has(name)) this.cards.set(name, new Card(name, spec, this));
    }
  }

  draw() {
    for (const card of this.cards.values()) card.schedule();
  }

  fit() {
    super.fit();
    this.cards.get("decision")?.schedule(); // its canvas has a pixel for each of the screen's
  }

  // --- what cards ask ---

  /** @returns {import("./figures.js").Scene} */
  get scene() {
    const { health, data, theme, activation, log } = this;
    return { health, data, theme, activation, log, narrow: this.root.clientWidth < NARROW };
  }

  /** @param {import("./figures.js").CardSpec} spec */
  waitingText({ byEpoch }) {
    const { status } = this.feed.run(this.data.run);
    if (status && !isOver(status, this.data)) return firstText(byEpoch);
    return this.health.begun ? "This run left nothing to show here." : "Loading…";
  }

  // --- what the feed notifies of ---

  /** @param {HealthMessage | ViewMessage} message */
  onHealth(message) {
    if (message.t === "view" && PICTURES[message.name] && !this.data.pictures.includes(message.name)) {
      this.data.pictures.push(message.name); // of a person's own data it shows only in training what fits them
      this.#addCards();
    }
    if (document.hidden) return;
    for (const card of this.cards.values()) {
      if (message.t === "view" ? card.name === message.name : !(card.name in PICTURES)) card.schedule();
    }
    if (message.t === "health") this.table.show(this.health);
  }

  onStatus() {
    this.showStatus();
    for (const card of this.cards.values()) if (!card.waiting.hidden) card.schedule();
  }

  showStatus() {
    this.status.show(this.feed.run(this.data.run).status, this.data.label, this.data);
  }
}

/**
 * @param {Component<HealthPanelData>} component
 * @param {string} base
 */
export function mount(component, base) {
  return mountPanel(HealthPanel, component, base);
}
