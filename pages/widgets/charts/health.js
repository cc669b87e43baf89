// The Health page: figures and pictures of one run, mounted once, fed over the tab's one connection.

import { sharedFeed } from "./curves.js";
import { FIGURES } from "./figures.js";
import { digits, shortNames } from "./looks.js";
import { load, themeOf } from "./page.js";
import { StatusLine, element } from "./parts.js";
import { PICTURES } from "./pictures.js";

const BUSY = 3; // a card rests this many times as long as it takes to draw
const POINTS = 400; // of the run's curves, which come along
const panels = new WeakMap();

/** What Streamlit calls on every rerun whose data differ, and when the theme changes. Returns the cleanup. */
export async function show({ data, parentElement }, base) {
  const panel = panels.get(parentElement) ?? new HealthPanel(parentElement, base);
  panels.set(parentElement, panel);
  const ticket = ++panel.ticket;
  panel.update(data);
  return () => setTimeout(() => panel.ticket === ticket && !parentElement.isConnected && panel.close());
}

/** One figure: caption, how it is read, the plot or picture, and what it says in words. */
class Card {
  constructor(name, spec, panel, grid) {
    Object.assign(this, { name, spec, panel, restUntil: 0, due: false });
    this.root = element("figure", { class: spec.wide ? "ts-card ts-wide" : "ts-card", "data-testid": `health-${name}` }, grid);
    const head = element("figcaption", {}, this.root);
    element("span", {}, head).textContent = spec.title;
    if (spec.choice) this.#choices(head);
    this.how = element("p", { class: "ts-how" }, this.root);
    this.said = element("p", { class: "ts-said", hidden: "" }, this.root);
    this.meter = element("meter", { class: "ts-meter", min: "0", max: "1", low: "0.25", high: "0.6", optimum: "1", "aria-label": "Patience left", hidden: "" }, this.root);
    this.body = element("div", { class: "ts-body", role: spec.role ?? "img", "aria-label": spec.title }, this.root);
    this.empty = element("p", { class: "ts-waiting", role: "status" }, this.root);
    this.notes = element("ul", { class: "ts-marks", hidden: "" }, this.root);
    this.tell();
  }

  #choices(head) {
    const set = element("select", { class: "ts-choice", "aria-label": `${this.spec.title}: what to show` }, head);
    for (const [name, { label }] of Object.entries(this.spec.choice)) element("option", { value: name }, set).textContent = label;
    set.value = this.panel.look.activation;
    set.addEventListener("change", () => {
      this.panel.look.activation = set.value;
      this.tell();
      this.schedule();
    });
  }

  tell() {
    this.how.textContent = typeof this.spec.how === "function" ? this.spec.how(this.panel.look) : this.spec.how;
  }

  /** Draw soon, but never so often that the page has no time for anything else. */
  schedule() {
    if (this.due || !this.panel.plotly) return;
    this.due = true;
    setTimeout(() => requestAnimationFrame(() => this.#draw()), Math.max(0, this.restUntil - performance.now()));
  }

  #draw() {
    this.due = false;
    if (this.panel.closed || !this.root.isConnected) return;
    const start = performance.now();
    const drawn = this.panel.draw(this);
    this.body.hidden = !drawn;
    this.empty.hidden = Boolean(drawn);
    this.empty.textContent = this.panel.waiting(this);
    if (drawn) this.#report(drawn);
    this.restUntil = performance.now() + BUSY * (performance.now() - start);
  }

  #report({ traces, layout, text, said = "", meter = null, notes = [] }) {
    if (traces) this.plot(traces, layout);
    this.body.setAttribute("aria-label", `${this.spec.title}. ${text}`);
    this.said.hidden = !said;
    if (this.said.textContent !== said) this.said.textContent = said;
    this.meter.hidden = meter === null;
    this.meter.value = meter ?? 0;
    this.notes.hidden = !notes.length;
    this.notes.replaceChildren(...notes.map((note) => Object.assign(element("li"), { textContent: note })));
    this.root.dataset.drawn = String(Number(this.root.dataset.drawn ?? 0) + 1);
  }

  plot(traces, layout) {
    this.chart ??= element("div", { class: "ts-plot" }, this.body);
    this.panel.plotly.react(this.chart, traces, layout, this.panel.config);
  }
}

class HealthPanel {
  constructor(parent, base) {
    Object.assign(this, { parent, base, ticket: 0, feed: sharedFeed(base), cards: new Map(), look: { activation: "act_std", log: false } });
    this.config = { displaylogo: false, responsive: false, displayModeBar: false, showTips: false };
    this.root = element("section", { class: "ts-live ts-health", "data-testid": "health-panel", "aria-label": "Health of the run" });
    this.status = new StatusLine(this.root);
    this.options = element("div", { class: "ts-options" }, this.root);
    this.#logChoice();
    this.grid = element("div", { class: "ts-grid" }, this.root);
    this.table = new Table(this.root);
    this.observer = new ResizeObserver(() => this.#resize());
    this.observer.observe(this.root);
    this.onVisible = () => document.hidden || this.redraw();
    document.addEventListener("visibilitychange", this.onVisible);
  }

  #logChoice() {
    const label = element("label", { class: "ts-check" }, this.options);
    const input = element("input", { type: "checkbox" }, label);
    input.addEventListener("change", () => {
      this.look.log = input.checked;
      this.redraw();
    });
    element("span", {}, label).textContent = "Stretch the first steps (log axis)";
  }

  /** New data from the page. */
  update(data) {
    if (this.data && this.data.run !== data.run) this.#clear();
    this.data = data;
    this.theme = themeOf(this.parent);
    this.root.dataset.theme = this.theme.dark ? "dark" : "light";
    this.feed.show(this, [data.run], data.token, POINTS);
    this.feed.showHealth(data.run);
    this.#makeCards();
    this.#status();
    load(this.base, data).then((plotly) => this.#mount(plotly), () => this.status.note("The charts could not be loaded. Reload the page."));
  }

  #clear() {
    for (const card of this.cards.values()) {
      if (card.chart && this.plotly) this.plotly.purge(card.chart);
      card.root.remove();
    }
    this.cards.clear();
  }

  /** Figures first, the data's pictures among them where a person looks first: behind the heat map. */
  #makeCards() {
    const specs = { gradients: FIGURES.gradients, ...this.#pictures(), ...FIGURES };
    for (const [name, spec] of Object.entries(specs)) {
      if (!this.cards.has(name) && (spec.only?.(this.data) ?? true)) this.cards.set(name, new Card(name, spec, this, this.grid));
    }
  }

  #pictures() {
    return Object.fromEntries(this.data.pictures.map((name) => [name, PICTURES[name]]));
  }

  #mount(plotly) {
    if (this.closed) return;
    this.plotly = plotly;
    if (!this.root.isConnected) this.parent.append(this.root);
    this.redraw();
  }

  close() {
    if (this.closed) return;
    this.closed = true;
    panels.delete(this.parent);
    this.observer.disconnect();
    document.removeEventListener("visibilitychange", this.onVisible);
    this.feed.showHealth(null);
    this.feed.hide(this);
    this.#clear();
    this.root.remove();
  }

  redraw() {
    for (const card of this.cards.values()) card.schedule();
  }

  // --- what cards ask ---

  get health() {
    return this.feed.health(this.data.run);
  }

  draw(card) {
    const look = { ...this.look, theme: this.theme, data: this.data, narrow: this.root.clientWidth < 560 };
    if (!(card.name in PICTURES)) return card.spec.draw(this.health, look);
    const picture = this.health.views.get(card.name);
    return picture ? card.spec.draw(card, { ...picture, ...picture.header }, look) : null;
  }

  waiting(card) {
    const over = ["finished", "stopped", "failed", "gone"].includes(this.feed.run(this.data.run).status?.status);
    if (over) return "This run left nothing to show here.";
    return card.name in PICTURES || card.name === "stopping" ? "After the first epoch…" : "Waiting for the first step…";
  }

  // --- what the feed tells ---

  onHealth(message) {
    if (message.t === "view" && PICTURES[message.name] && !this.data.pictures.includes(message.name)) {
      this.data.pictures.push(message.name); // of a person's own data it shows only in training what fits them
      this.#makeCards();
    }
    if (document.hidden) return;
    for (const card of this.cards.values()) {
      if (message.t === "view" ? card.name === message.name : !(card.name in PICTURES)) card.schedule();
    }
    if (message.t === "health") this.table.show(this.health);
  }

  onSnapshot() {}

  onDelta() {}

  onStatus() {
    this.#status();
    for (const card of this.cards.values()) if (!card.empty.hidden) card.schedule();
  }

  onConnection(state) {
    this.root.dataset.connection = state;
    const waiting = state === "closed" && this.feed.everOpen;
    this.status.note(waiting ? "Reconnecting…" : state === "refused" ? "This page is too old to stay live. Reload it." : "");
  }

  #status() {
    this.status.show(this.feed.run(this.data.run).status, this.data.label, this.data);
  }

  #resize() {
    clearTimeout(this.resizing);
    this.resizing = setTimeout(() => {
      if (!this.parent.isConnected) this.close();
      if (this.closed || !this.plotly) return;
      for (const card of this.cards.values()) if (card.chart?.clientWidth && card.chart.data) this.plotly.Plots.resize(card.chart);
      if (this.cards.get("decision")?.canvas) this.cards.get("decision").schedule();
    }, 80);
  }
}

/** The newest look in numbers, for everybody who reads tables rather than colours. */
class Table {
  constructor(parent) {
    this.root = element("details", { class: "ts-numbers", "data-testid": "health-table" }, parent);
    this.title = element("summary", {}, this.root);
    this.title.textContent = "The newest look in numbers";
    this.scroll = element("div", { class: "ts-scroll" }, this.root);
    this.root.addEventListener("toggle", () => this.known && this.show(this.known));
  }

  show(health) {
    this.known = health;
    if (!health.steps.length) return;
    this.title.textContent = `The look at step ${health.steps.at(-1)} in numbers`;
    if (!this.root.open) return;
    const table = element("table");
    for (const kinds of [{ grad_norm: "gradient norm", weight_norm: "weight norm", update_ratio: "update ÷ weights" }, { act_mean: "mean", act_std: "spread", act_zero: "near zero", act_dead: "dead units" }]) {
      this.#section(table, health, kinds);
    }
    this.scroll.replaceChildren(table);
  }

  #section(table, health, kinds) {
    const columns = Object.keys(kinds).map((kind) => health.layers(kind));
    if (!columns[0].length) return;
    const head = element("tr", {}, element("thead", {}, table));
    for (const title of [kinds.grad_norm ? "Layer" : "Activation", ...Object.values(kinds)]) element("th", { scope: "col" }, head).textContent = title;
    const body = element("tbody", {}, table);
    const names = shortNames(columns[0].map(({ layer }) => layer), 60);
    names.forEach((name, i) => {
      const row = element("tr", {}, body);
      element("th", { scope: "row" }, row).textContent = name;
      for (const column of columns) element("td", {}, row).textContent = digits(column[i].values.at(-1));
    });
  }
}
