// The panel: status line, options, legend and charts. Mounted once per place on the page; reruns only bring new data.

import { Chart } from "./chart.js";
import { sharedFeed } from "./curves.js";
import { CHARTS } from "./lines.js";
import { Readout } from "./readout.js";
import { Options, StatusLine, element } from "./parts.js";
import { load, themeOf } from "./page.js";

const panels = new WeakMap();

/** What Streamlit calls on every rerun whose data differ, and when the theme changes. Returns the cleanup. */
export async function show({ data, parentElement }, base) {
  const panel = panels.get(parentElement) ?? new Panel(parentElement, base);
  panels.set(parentElement, panel);
  const ticket = ++panel.ticket;
  panel.update(data);
  // A call that a newer one has overtaken while its script loaded is cleaned up too, before the newer one comes here.
  // Only an element that has left the page takes its charts with it.
  return () => setTimeout(() => panel.ticket === ticket && !parentElement.isConnected && panel.close());
}

class Panel {
  constructor(parent, base) {
    this.ticket = 0;
    this.base = base;
    this.feed = sharedFeed(base);
    this.runs = [];
    this.hidden = new Set();
    this.config = { displaylogo: false, responsive: false, showTips: false,
      modeBarButtons: [["zoom2d", "pan2d", "resetScale2d", "toImage"]] };
    this.touch = matchMedia("(pointer: coarse)").matches;
    this.root = element("section", { class: "ts-live", "data-testid": "live-panel", "aria-label": "Live charts" });
    this.status = new StatusLine(this.root);
    this.options = new Options(this.root, () => this.redraw());
    this.legend = element("div", { class: "ts-legend", role: "group", "aria-label": "Runs shown" }, this.root);
    this.charts = this.#makeCharts();
    this.observer = new ResizeObserver(() => this.#resize());
    this.observer.observe(this.root);
    this.onVisible = () => document.hidden || this.charts.forEach((chart) => chart.schedule());
    document.addEventListener("visibilitychange", this.onVisible);
    this.parent = parent;
  }

  #makeCharts() {
    const grid = element("div", { class: "ts-grid" }, this.root);
    return Object.entries(CHARTS).map(([name, spec]) => {
      const card = element("figure", { class: "ts-card" }, grid);
      const caption = element("figcaption", {}, card);
      caption.textContent = spec.title;
      const plot = element("div", { class: "ts-plot", "data-testid": `live-chart-${name}`, role: "img" }, card);
      const empty = element("p", { class: "ts-empty" }, card);
      const notes = element("ul", { class: "ts-marks", hidden: "" }, card);
      const chart = Object.assign(new Chart(name, plot, this), { caption, empty, list: notes });
      chart.readout = new Readout(chart, card);
      return chart;
    });
  }

  /** New data from the page. */
  update(data) {
    this.data = data;
    this.runs = data.runs ?? [];
    this.known = new Map(this.runs.map((run) => [run.id, run]));
    this.#readTheme();
    this.feed.show(this, this.runs.map((run) => run.id), data.token, this.#width());
    this.#drawLegend();
    this.#caption();
    this.onConnection(this.feed.state);
    this.#status();
    load(this.base, data).then((plotly) => this.#mount(plotly), () => this.status.note("The charts could not be loaded. Reload the page."));
  }

  #mount(plotly) {
    if (this.closed) return;
    this.plotly = plotly;
    // Only now: without its style sheet the panel would flash unstyled.
    if (!this.root.isConnected) this.parent.append(this.root);
    this.redraw();
  }

  close() {
    if (this.closed) return;
    this.closed = true;
    panels.delete(this.parent);
    this.observer.disconnect();
    document.removeEventListener("visibilitychange", this.onVisible);
    this.feed.hide(this);
    if (this.plotly) for (const chart of this.charts) this.plotly.purge(chart.node);
    this.root.remove();
  }

  redraw() {
    for (const chart of this.charts) chart.schedule(true);
  }

  // --- what charts ask ---

  shown(id) {
    return this.known.get(id);
  }

  color(run) {
    const palette = this.data.palette?.[this.theme.dark ? "dark" : "light"] ?? ["#0072B2"];
    return palette[(run.color ?? 0) % palette.length];
  }

  isVisible(run) {
    return run.visible !== false && !this.hidden.has(run.id);
  }

  drawn(chart, points, reached) {
    chart.empty.hidden = points > 0 || (chart.spec.planned && this.data.planned?.lr?.length > 0);
    chart.empty.textContent = this.#emptyText(chart);
    this.#noteMarks(chart);
    const what = CHARTS[chart.name].title;
    chart.node.setAttribute("aria-label", `${chart.caption.textContent || what}: ${this.runs.length} runs`);
    if (performance.getEntriesByName("trainscope-drawn").length > 2000) {
      performance.clearMarks("trainscope-drawn");
      performance.clearMarks("trainscope-received");
    }
    if (points) performance.mark("trainscope-drawn", { detail: { chart: chart.name, reached } });
  }

  #noteMarks(chart) {
    const shown = chart.notes.slice(0, 3);
    if (chart.notes.length > 3) shown.push(`and ${chart.notes.length - 3} more`);
    if (chart.noted === shown.join("\n")) return;
    chart.noted = shown.join("\n");
    chart.list.hidden = !shown.length;
    chart.list.replaceChildren(...shown.map((text) => Object.assign(element("li"), { textContent: text })));
  }

  #emptyText(chart) {
    if (this.runs.length) return chart.name === "metric" ? "After the first epoch" : "Waiting for the first step…";
    return chart.name === "loss" ? (this.data.empty ?? "No runs yet — press Start") : chart.spec.empty;
  }

  // --- what the feed tells ---

  onSnapshot() {
    this.redraw();
  }

  onDelta() {
    if (document.hidden) return;
    for (const chart of this.charts) chart.schedule();
  }

  onStatus(id) {
    const { total_steps: steps, epochs } = this.feed.run(id).status.progress ?? {};
    const key = `${id}:${steps}:${epochs}`;
    // Lengths decide how steps become epochs and how far smoothing reaches.
    if (!(this.lengths ??= new Set()).has(key)) {
      this.lengths.add(key);
      this.redraw();
    }
    this.#status();
  }

  onConnection(state) {
    this.root.dataset.connection = state;
    const waiting = state === "closed" && this.runs.length > 0 && this.feed.everOpen;
    this.status.note(waiting ? "Reconnecting…" : state === "refused" ? "This page is too old to stay live. Reload it." : "");
  }

  #status() {
    const states = this.runs.map((run) => this.feed.run(run.id)).filter((run) => run.status);
    const live = states.filter((run) => ["running", "paused", "queued", "interrupted"].includes(run.status.status));
    const chosen = states.find((run) => run.id === this.data.follow) ?? live.at(-1) ?? states.at(-1);
    this.status.show(chosen?.status ?? null, chosen ? this.shown(chosen.id)?.label : "", this.data);
  }

  // --- looks ---

  #caption() {
    for (const chart of this.charts) {
      if (chart.name === "metric" && this.data.metric?.label) chart.caption.textContent = this.data.metric.label;
    }
  }

  #drawLegend() {
    this.legend.hidden = this.runs.length === 0;
    const wanted = this.runs.map((run) => JSON.stringify([run.id, run.label, this.color(run), this.isVisible(run)])).join();
    if (wanted === this.legendShows) return;
    this.legendShows = wanted;
    const focused = document.activeElement?.dataset?.run;
    this.legend.replaceChildren(...this.runs.map((run) => this.#legendEntry(run)));
    if (focused) this.legend.querySelector(`[data-run="${CSS.escape(focused)}"]`)?.focus();
  }

  #legendEntry(run) {
    const on = this.isVisible(run);
    const button = element("button", { type: "button", class: "ts-run", "aria-pressed": String(on), "data-run": String(run.id),
      title: on ? "Hide this run" : "Show this run" });
    button.style.setProperty("--ts-run", this.color(run));
    element("span", { class: "ts-swatch", "aria-hidden": "true" }, button);
    element("span", { class: "ts-label" }, button).textContent = run.label;
    button.addEventListener("click", () => this.#toggle(run));
    return button;
  }

  #toggle(run) {
    if (this.hidden.has(run.id)) this.hidden.delete(run.id);
    else this.hidden.add(run.id);
    this.#drawLegend();
    this.redraw();
  }

  #readTheme() {
    this.theme = themeOf(this.parent);
    this.root.dataset.theme = this.theme.dark ? "dark" : "light";
  }

  /** Points that a chart can show: two to the pixel, in coarse steps so that resizing asks for little. */
  #width() {
    const pixels = this.charts[0].node.clientWidth || 600;
    return Math.min(2000, Math.max(400, Math.ceil((2 * pixels) / 200) * 200));
  }

  #resize() {
    clearTimeout(this.resizing);
    this.resizing = setTimeout(() => {
      if (!this.parent.isConnected) this.close();
      if (this.closed || !this.plotly) return;
      for (const chart of this.charts) if (chart.listening && chart.node.clientWidth) this.plotly.Plots.resize(chart.node);
    }, 60);
  }
}
