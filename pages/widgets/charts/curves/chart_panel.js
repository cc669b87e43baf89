// The live charts: status line, options, legend and a grid of charts. Reruns of the page only bring new data.

import { element } from "../dom.js";
import { LivePanel, mountPanel } from "../live_panel.js";
import { isOver } from "../status_line.js";
import { Boundaries } from "./boundaries.js";
import { Chart } from "./chart.js";
import { waitingText } from "./chart_spec.js";
import { Legend } from "./legend.js";
import { OptionsBar } from "./options_bar.js";

const ATTRIBUTES = { class: "ts-live ts-charts", "data-testid": "live-panel", "aria-label": "Live charts" };

/** @extends {LivePanel<ChartPanelData>} */
export class ChartPanel extends LivePanel {
  /**
   * @param {HTMLElement | ShadowRoot} parent
   * @param {string} base
   * @param {ChartPanelData} data
   */
  constructor(parent, base, data) {
    super(parent, base, data, ATTRIBUTES);
    /** @type {Set<number>} */
    this.hidden = new Set();
    /** @type {Set<string>} */
    this.lengths = new Set();
    this.plotConfig = {
      displaylogo: false,
      responsive: false,
      showTips: false,
      modeBarButtons: [["zoom2d", "pan2d", "resetScale2d", "toImage"]],
    };
    this.touch = matchMedia("(pointer: coarse)").matches;
    this.options = new OptionsBar(this.root, () => this.redraw());
    this.legend = new Legend(this.root, (run) => this.#toggle(run));
    this.grid = element("div", { class: "ts-grid" }, this.root);
    /** @type {Chart[]} */
    this.charts = [];
    this.boundaries = new Boundaries(this);
  }

  get runs() {
    return this.data.runs;
  }

  get runIds() {
    return this.runs.map(({ id }) => id);
  }

  /** Two points to the pixel, in coarse steps so that resizing requests little. */
  get points() {
    const pixels = this.charts[0]?.node.clientWidth || 600;
    return Math.min(2000, Math.max(400, Math.ceil((2 * pixels) / 200) * 200));
  }

  get plots() {
    return this.charts.filter(({ mounted }) => mounted).map(({ node }) => node);
  }

  apply() {
    const known = new Map(this.charts.map((chart) => [chart.spec.name, chart]));
    this.charts = this.data.charts.map((spec) => known.get(spec.name) ?? new Chart(spec, this.grid, this));
    this.charts.forEach((chart, i) => {
      chart.spec = this.data.charts[i];
      known.delete(chart.spec.name);
    });
    for (const gone of known.values()) gone.remove();
    this.#showLegend();
  }

  /** @param {ChartPanelData} data */
  update(data) {
    super.update(data);
    this.boundaries.update(); // a run must be subscribed to first
  }

  draw() {
    for (const chart of this.charts) chart.schedule();
    this.boundaries.draw();
  }

  redraw() {
    for (const chart of this.charts) chart.schedule(true);
    this.boundaries.draw();
  }

  fit() {
    super.fit();
    this.boundaries.draw(); // a canvas has a pixel for each of the screen's
  }

  #showLegend() {
    const entries = this.runs.map((run) => ({
      id: run.id,
      label: run.label,
      color: this.color(run),
      visible: this.isVisible(run),
    }));
    this.legend.show(entries);
  }

  /** @param {number} run */
  #toggle(run) {
    if (!this.hidden.delete(run)) this.hidden.add(run);
    this.#showLegend();
    this.boundaries.update();
    this.redraw();
  }

  // --- what charts ask ---

  /** @param {number} id */
  shown(id) {
    return this.runs.find((run) => run.id === id);
  }

  /** @param {ShownRun} run */
  color(run) {
    const { colors } = this.theme;
    return colors[run.color % colors.length];
  }

  /** @param {ShownRun} run */
  isVisible(run) {
    return run.visible && !this.hidden.has(run.id);
  }

  /** The visible runs, with what this tab knows of them. */
  get visibleRuns() {
    const visible = this.runs.filter((run) => this.isVisible(run));
    return visible.map(({ id, label }) => ({ run: this.feed.run(id), label }));
  }

  /**
   * What an empty chart says: without any run the first one invites to start one.
   * @param {Chart} chart
   */
  emptyText(chart) {
    if (this.runs.length) return waitingText(chart.spec);
    return chart === this.charts[0] ? this.data.empty : chart.spec.hint;
  }

  // --- what the feed notifies of ---

  onSnapshot() {
    this.redraw();
  }

  onDelta() {
    if (!document.hidden) this.draw();
  }

  /** @param {HealthMessage | ViewMessage} message */
  onHealth({ run }) {
    this.boundaries.onPicture(run);
  }

  /** @param {number} id */
  onStatus(id) {
    const { total_steps: steps, epochs } = this.feed.run(id).status?.progress ?? {};
    const length = `${id}:${steps}:${epochs}`;
    // Lengths decide how steps become epochs and how far smoothing reaches.
    if (!this.lengths.has(length)) {
      this.lengths.add(length);
      this.redraw();
    }
    this.boundaries.update(); // one that ended before its first epoch has no picture
    this.showStatus();
  }

  /** The status of the followed run, else of the newest that is not over, else of the last. */
  showStatus() {
    const known = this.runs.filter(({ id }) => this.feed.run(id).status);
    const live = known.filter(({ id }) => !isOver(this.feed.run(id).status, this.data));
    const chosen = known.find(({ id }) => id === this.data.follow) ?? live.at(-1) ?? known.at(-1);
    this.status.show(chosen ? this.feed.run(chosen.id).status : null, chosen?.label ?? "", this.data);
  }
}

/**
 * @param {Component<ChartPanelData>} component
 * @param {string} base
 */
export function mount(component, base) {
  return mountPanel(ChartPanel, component, base);
}
