// The live charts: status line, options, legend and a grid of charts. Reruns of the page only bring new data.

import { element } from "../dom.js";
import { LivePanel, mountPanel } from "../live_panel.js";
import { isOver } from "../status_line.js";
import { Boundaries } from "./boundaries.js";
import { Chart } from "./chart.js";
import { waitingText } from "./chart_spec.js";
import { Legend } from "./controls/legend.js";
import { OptionsBar } from "./controls/options_bar.js";
import { StyleKey } from "./controls/style_key.js";
import { xAt } from "./zoom/geometry.js";
import { Zoom } from "./zoom/zoom.js";

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
    /** @type {ShownRun[]} */
    this.runs = [];
    /** @type {Set<string>} */
    this.lengths = new Set();
    /** @type {number | null} */
    this.pointedX = null; // the x under the pointer, on whichever chart that is
    this.plotConfig = { displayModeBar: false, doubleClick: false, responsive: false, showTips: false };
    this.zoom = new Zoom(this);
    this.options = new OptionsBar(this.root, data.options ?? {}, {
      change: () => this.#onOptions(),
      keep: () => this.#keepChoices(),
      reset: () => this.zoom.reset(),
      clear: () => this.component?.setTriggerValue("clear", true),
    });
    this.legend = new Legend(this.root, (run) => this.#toggle(run));
    this.key = new StyleKey(this.root);
    this.drawnWith = this.options.values;
    this.root.addEventListener("pointerdown", ({ target }) => {
      if (target instanceof Element && !target.closest(".ts-plot")) this.point(null, null);
    });
    this.grid = element("div", { class: "ts-grid" }, this.root);
    /** @type {Chart[]} */
    this.charts = [];
    this.boundaries = new Boundaries(this);
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
    this.runs = this.data.runs.map((run) => ({ ...run })); // a click on the legend changes them at once
    const known = new Map(this.charts.map((chart) => [chart.spec.name, chart]));
    this.charts = this.data.charts.map((spec) => known.get(spec.name) ?? new Chart(spec, this.grid, this));
    this.charts.forEach((chart, i) => {
      chart.spec = this.data.charts[i];
      known.delete(chart.spec.name);
    });
    for (const gone of known.values()) gone.remove();
    this.options.clearButton.hidden = !this.data.clearable;
    this.#showControls();
    if (this.options.fromBefore) this.#keepChoices();
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
    for (const chart of this.charts) chart.schedule(true, true);
    this.boundaries.draw();
  }

  fit() {
    super.fit();
    this.boundaries.draw(); // a canvas has a pixel for each of the screen's
  }

  #showControls() {
    const entries = this.runs.map((run) => ({
      id: run.id,
      label: run.label,
      differs: run.differs,
      color: this.color(run),
      repeated: this.isRepeated(run),
      visible: this.isVisible(run),
    }));
    this.legend.show(entries);
    const planned = Boolean(this.data.planned) || this.runs.some(({ clip }) => clip !== null);
    this.key.show({ runs: this.runs.length, smooth: this.options.smooth, planned });
    this.options.clearButton.disabled = this.runs.length === 0;
    this.options.resetButton.disabled = !this.zoom.active;
  }

  // --- what the visitor does ---

  #onOptions() {
    const { x, log, full } = this.drawnWith;
    this.drawnWith = this.options.values;
    if (x !== this.drawnWith.x) this.zoom.reset();
    else if (log !== this.drawnWith.log || full !== this.drawnWith.full) this.zoom.y.clear();
    this.#showControls();
    this.redraw();
  }

  /** @param {number} id */
  #toggle(id) {
    const run = this.shown(id);
    if (run) run.visible = !run.visible;
    this.#showControls();
    this.boundaries.update();
    this.redraw();
    this.#keepChoices();
  }

  /** Tell the page, which keeps the choices in its address, what it does not know yet. */
  #keepChoices() {
    this.options.fromBefore = false;
    const hidden = this.runs.filter(({ visible }) => !visible).map(({ id }) => id);
    this.component?.setTriggerValue("choices", { ...this.options.values, shown: this.runIds, hidden });
  }

  onZoom() {
    this.#showControls();
    this.redraw();
  }

  /**
   * Show all charts where the pointer is, and the chart under it what the runs were there.
   * @param {Chart | null} chart
   * @param {import("./zoom/geometry.js").Point | null} point
   */
  point(chart, point) {
    this.pointedX = point && chart?.axes ? xAt(chart.axes.x, point.x) : null;
    for (const each of this.charts) {
      each.crosshair.place();
      if (each !== chart || !point || this.pointedX === null) each.readout.hide();
      else each.readout.show(this.pointedX, point.x);
    }
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

  /**
   * Whether another run may have this one's color: its line then has marks.
   * @param {ShownRun} run
   */
  isRepeated(run) {
    return run.color >= this.theme.colors.length;
  }

  /** @param {ShownRun} run */
  isVisible(run) {
    return run.visible;
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
    if (this.runs.length) {
      const runs = this.runs.map(({ id }) => this.feed.run(id));
      return waitingText(chart.spec, runs, this.data);
    }
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
    const { status } = this.feed.run(id);
    const { total_steps: steps, epochs } = status?.progress ?? {};
    const over = isOver(status, this.data);
    const length = `${id}:${steps}:${epochs}:${over}`;
    // Lengths decide how steps become epochs, how far smoothing reaches and where the plan ends.
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
