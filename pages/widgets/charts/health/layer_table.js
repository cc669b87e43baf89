// The newest sample in numbers, for everybody who reads tables rather than colors.

import { element } from "../dom.js";
import { digits, shortNames } from "../format.js";

/** @typedef {import("../live/health_data.js").HealthData} HealthData */

const LONGEST = 60;
/** @type {{ head: string, columns: Record<string, string> }[]} */
const SECTIONS = [
  {
    head: "Layer",
    columns: { grad_norm: "gradient norm", weight_norm: "weight norm", update_ratio: "update ÷ weights" },
  },
  {
    head: "Activation",
    columns: { act_mean: "mean", act_std: "spread", act_zero: "near zero", act_dead: "dead units" },
  },
];

export class LayerTable {
  /** @param {Element} parent */
  constructor(parent) {
    this.root = element("details", { class: "ts-numbers", "data-testid": "health-table" }, parent);
    this.title = element("summary", {}, this.root);
    this.title.textContent = "The newest step in numbers";
    this.scroll = element("div", { class: "ts-scroll" }, this.root);
    /** @type {HealthData | null} */
    this.health = null;
    this.root.addEventListener("toggle", () => this.health && this.show(this.health));
  }

  /** @param {HealthData} health */
  show(health) {
    this.health = health;
    if (!health.steps.length) return;
    this.title.textContent = `Step ${health.steps.at(-1)} in numbers`;
    if (!this.root.open) return;
    const table = element("table");
    for (const section of SECTIONS) addSection(table, health, section);
    this.scroll.replaceChildren(table);
  }
}

/**
 * @param {HTMLTableElement} table
 * @param {HealthData} health
 * @param {{ head: string, columns: Record<string, string> }} section
 */
function addSection(table, health, { head, columns }) {
  const layers = Object.keys(columns).map((kind) => health.layers(kind));
  if (!layers[0].length) return;
  const titles = element("tr", {}, element("thead", {}, table));
  for (const title of [head, ...Object.values(columns)])
    element("th", { scope: "col" }, titles).textContent = title;
  const body = element("tbody", {}, table);
  const names = shortNames(
    layers[0].map(({ layer }) => layer),
    LONGEST,
  );
  names.forEach((name, i) => {
    const row = element("tr", {}, body);
    element("th", { scope: "row" }, row).textContent = name;
    for (const column of layers) element("td", {}, row).textContent = digits(column[i].values.at(-1));
  });
}
