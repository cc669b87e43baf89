// What stands around a chart's plot: its caption, its tools, what an empty one says, and notes on what the plot cannot show.

import { element, listTexts, setText } from "../dom.js";

/** @typedef {{ download: (format: import("./picture.js").Format) => void, reset: () => void, toggleFull: () => void,
 *   resize: () => void, note: (text: string) => void }} Actions */

export class ChartCard {
  /**
   * @param {ChartSpec} spec
   * @param {Element} grid
   * @param {Actions} actions
   */
  constructor(spec, grid, actions) {
    const id = `ts-${spec.name}-${Math.random().toString(36).slice(2, 8)}`;
    this.root = element("figure", { class: "ts-card", "aria-labelledby": `${id}-title` }, grid);
    this.caption = element("figcaption", { id: `${id}-title` }, this.root);
    this.caption.textContent = spec.title;
    this.tools = element("div", { class: "ts-tools", role: "group" }, this.root);
    this.frame = element("div", { class: "ts-frame" }, this.root);
    const labels = { role: "img", "aria-describedby": `${id}-summary` };
    const plot = element(
      "div",
      { class: "ts-plot", "data-testid": `live-chart-${spec.name}`, ...labels },
      this.frame,
    );
    this.plot = /** @type {PlotNode} */ (plot);
    this.box = element("div", { class: "ts-box", hidden: "" }, this.frame);
    this.empty = element("p", { class: "ts-empty" }, this.root);
    this.above = element("p", { class: "ts-above", hidden: "" }, this.root);
    this.aboveText = element("span", {}, this.above);
    this.aboveButton = element("button", { type: "button", class: "ts-link" }, this.above);
    this.aboveButton.addEventListener("click", () => actions.toggleFull());
    this.notes = element("ul", { class: "ts-marks", hidden: "" }, this.root);
    this.summary = element("p", { class: "ts-announced", id: `${id}-summary` }, this.root);
    this.#addTools(spec, actions);
  }

  /**
   * @param {ChartSpec} spec
   * @param {Actions} actions
   */
  #addTools({ title }, actions) {
    this.tools.setAttribute("aria-label", `${title}: tools`);
    /** @param {string} text @param {string} help @param {() => void} onClick */
    const add = (text, help, onClick) => {
      const button = element("button", { type: "button", class: "ts-tool", title: help }, this.tools);
      button.textContent = text;
      button.setAttribute("aria-label", `${help}: ${title}`);
      button.addEventListener("click", onClick);
      return button;
    };
    this.resetButton = add("Reset zoom", "Reset zoom of all charts", actions.reset);
    add("PNG", "Download as PNG", () => actions.download("png"));
    add("SVG", "Download as SVG", () => actions.download("svg"));
    const full = add("Full screen", "Full screen (press Escape to leave)", () =>
      this.#toggleFullScreen(actions),
    );
    full.hidden = !document.fullscreenEnabled;
    this.root.addEventListener(
      "keydown",
      ({ key }) => key === "Escape" && this.isFull && document.exitFullscreen(),
    );
    this.root.addEventListener("fullscreenchange", () => {
      full.setAttribute("aria-pressed", String(this.isFull));
      actions.resize();
    });
  }

  get isFull() {
    return document.fullscreenElement === this.root;
  }

  /** @param {Actions} actions */
  #toggleFullScreen({ note }) {
    if (this.isFull) document.exitFullscreen();
    else this.root.requestFullscreen().catch(() => note("This browser does not allow full screen here."));
  }

  /**
   * @param {string} title
   * @param {string} emptyText None where there is something to see.
   * @param {boolean} zoomed
   */
  show(title, emptyText, zoomed) {
    setText(this.caption, title);
    this.plot.setAttribute("aria-label", title);
    this.empty.hidden = !emptyText;
    this.empty.textContent = emptyText;
    if (this.resetButton) this.resetButton.hidden = !zoomed;
  }

  /** @param {import("./zoom/geometry.js").Box | null} box */
  showBox(box) {
    this.box.hidden = !box;
    for (const side of /** @type {const} */ (["left", "top", "width", "height"])) {
      if (box) this.box.style[side] = `${box[side]}px`;
    }
  }

  /** @param {string[]} notes */
  showNotes(notes) {
    this.notes.hidden = !notes.length;
    listTexts(this.notes, notes);
  }

  /**
   * @param {string[]} runs That lie above the view, or would.
   * @param {boolean} full Whether all of it is shown nevertheless.
   */
  showAbove(runs, full) {
    this.above.hidden = !runs.length;
    setText(this.aboveText, `${full ? "Flattens the others" : "▲ Above the view"}: ${runs.join(", ")}`);
    setText(this.aboveButton, full ? "Fit the others" : "Show full range");
  }
}
