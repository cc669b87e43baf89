// What every live panel is: mounted once per place on the page, themed, connected, with a status line, and closed in the end.

import { loadAssets } from "./assets.js";
import { element } from "./dom.js";
import { sharedFeed } from "./live/feed.js";
import { StatusLine } from "./status_line.js";
import { themeOf } from "./theme.js";

const RESIZE_PAUSE = 60; // ms without a change of size before charts are fitted to it

/** @type {WeakMap<HTMLElement | ShadowRoot, LivePanel<any>>} */
const panels = new WeakMap();

/**
 * What Streamlit calls on every rerun whose data differ, and when the theme changes. Returns the cleanup.
 * @template {PanelData} Data
 * @param {new (parent: HTMLElement | ShadowRoot, base: string, data: Data) => LivePanel<Data>} Panel
 * @param {Component<Data>} component
 * @param {string} base The server's address.
 */
export function mountPanel(Panel, component, base) {
  const { data, parentElement } = component;
  const panel = panels.get(parentElement) ?? new Panel(parentElement, base, data);
  panels.set(parentElement, panel);
  panel.component = component;
  const call = ++panel.calls;
  panel.update(data);
  // Streamlit cleans up a call that a newer one has overtaken, too, and before the newer one arrives.
  // Only an element that has left the page takes its charts with it.
  return () => setTimeout(() => panel.calls === call && !parentElement.isConnected && panel.close());
}

/**
 * @template {PanelData} Data
 * @implements {FeedListener}
 */
export class LivePanel {
  /**
   * @param {HTMLElement | ShadowRoot} parent
   * @param {string} base
   * @param {Data} data
   * @param {Record<string, string>} attributes Of the panel's element.
   */
  constructor(parent, base, data, attributes) {
    this.parent = parent;
    this.base = base;
    this.data = data;
    /** @type {Component<Data> | null} */
    this.component = null; // the way back to the page
    this.calls = 0;
    this.closed = false;
    this.feed = sharedFeed(base);
    this.theme = themeOf(parent, data.palette);
    /** @type {PlotlyLibrary | null} */
    this.plotly = null;
    this.root = element("section", attributes);
    this.status = new StatusLine(this.root);
    this.observer = new ResizeObserver(() => this.#onResize());
    this.observer.observe(this.root);
    this.onVisible = () => document.hidden || this.draw();
    document.addEventListener("visibilitychange", this.onVisible);
  }

  // --- what each panel defines ---

  /**
   * The runs that it follows.
   * @returns {number[]}
   */
  get runIds() {
    return [];
  }

  /** The most points of a curve that it can show. */
  get points() {
    return 0;
  }

  /**
   * Its mounted Plotly charts.
   * @returns {Element[]}
   */
  get plots() {
    return [];
  }

  /** Apply new data, before anything is drawn. */
  apply() {}

  /** Draw what has changed. */
  draw() {}

  /** Draw everything, because data, options or theme have changed. */
  redraw() {
    this.draw();
  }

  showStatus() {}

  // --- lifecycle ---

  /** @param {Data} data */
  update(data) {
    this.data = data;
    this.theme = themeOf(this.parent, data.palette);
    this.root.dataset.theme = this.theme.dark ? "dark" : "light";
    this.apply();
    this.feed.watch(this, this.runIds, data.token, this.points);
    this.onConnection(this.feed.state);
    this.showStatus();
    loadAssets(this.base, data).then(
      (plotly) => this.#mount(plotly),
      () => this.status.note("The charts could not be loaded. Reload the page."),
    );
  }

  /** @param {PlotlyLibrary} plotly */
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
    this.feed.unwatch(this);
    for (const plot of this.plots) this.plotly?.purge(plot);
    this.root.remove();
  }

  #onResize() {
    clearTimeout(this.resizing);
    this.resizing = setTimeout(() => {
      if (!this.parent.isConnected) this.close();
      if (!this.closed) this.fit();
    }, RESIZE_PAUSE);
  }

  /** Fit the charts to the panel's size. */
  fit() {
    for (const plot of this.plots) if (plot.clientWidth) this.plotly?.Plots.resize(plot);
  }

  // --- what the feed notifies of ---

  /** @param {number} _run */
  onSnapshot(_run) {}

  /** @param {number} _run */
  onDelta(_run) {}

  /** @param {HealthMessage | ViewMessage} _message */
  onHealth(_message) {}

  /** @param {number} _run */
  onStatus(_run) {
    this.showStatus();
  }

  /** @param {ConnectionState} state */
  onConnection(state) {
    this.root.dataset.connection = state;
    this.status.note(this.#connectionNote(state));
  }

  /** @param {ConnectionState} state */
  #connectionNote(state) {
    if (state === "refused") return "This page is too old to stay live. Reload it.";
    return state === "closed" && this.runIds.length > 0 && this.feed.everOpen ? "Reconnecting…" : "";
  }
}
