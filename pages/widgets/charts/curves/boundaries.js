// Beside the loss of runs on data in the plane: how the newest two of them divide it, live.

import { element, setText } from "../dom.js";
import { DrawScheduler } from "../draw_scheduler.js";
import { decisionBoundary } from "../health/canvas_pictures.js";
import { isOver } from "../status_line.js";

const MOST = 2;
const VIEW = "decision";
const TALLEST = 204; // CSS pixels: as high as the loss beside it

/** The pictures of the chosen runs, a cell of the panel's grid; there is none without a picture. */
export class Boundaries {
  /** @param {import("./chart_panel.js").ChartPanel} panel */
  constructor(panel) {
    this.panel = panel;
    this.root = element("div", { class: "ts-boundaries", "data-testid": "boundaries" });
    /** @type {Map<number, Boundary>} */
    this.shown = new Map();
  }

  /** Choose runs, ask for their pictures, and show those that there are or will be. */
  update() {
    const able = this.panel.runs.filter((run) => run.boundary && this.panel.isVisible(run));
    const chosen = able.sort((a, b) => a.id - b.id).slice(-MOST);
    this.panel.feed.watchHealth(
      this.panel,
      chosen.map(({ id }) => ({ run: id, views: [VIEW] })),
    );
    this.#show(chosen.filter((run) => this.#isExpected(run)));
  }

  /** @param {ShownRun} run */
  #isExpected({ id, boundary }) {
    const { feed, data } = this.panel;
    return feed.health(id).views.has(VIEW) || (boundary === "sure" && !isOver(feed.run(id).status, data));
  }

  /** @param {ShownRun[]} runs */
  #show(runs) {
    const before = this.shown;
    this.shown = new Map(runs.map((run) => [run.id, before.get(run.id) ?? new Boundary(this.panel)]));
    const cards = [...this.shown.values()].map(({ root }) => root);
    if (cards.length !== this.root.children.length || cards.some((card) => card.parentElement !== this.root))
      this.root.replaceChildren(...cards);
    for (const run of runs) this.shown.get(run.id)?.show(run);
    if (!runs.length)
      this.root.remove(); // a hidden one would still count in the grid
    else if (!this.root.isConnected) this.panel.charts[0]?.card.root.after(this.root);
  }

  draw() {
    for (const boundary of this.shown.values()) boundary.schedule();
  }

  /** @param {number} run */
  onPicture(run) {
    if (!this.shown.has(run)) this.update();
    if (!document.hidden) this.shown.get(run)?.schedule();
  }
}

/** One run's picture under the run's name. */
class Boundary {
  /** @param {import("./chart_panel.js").ChartPanel} panel */
  constructor(panel) {
    this.panel = panel;
    /** @type {ShownRun | null} */
    this.run = null;
    this.scheduler = new DrawScheduler(() => this.#draw());
    this.root = element("figure", { class: "ts-card" });
    const caption = element("figcaption", { class: "ts-boundary-name" }, this.root);
    this.swatch = element("span", { class: "ts-swatch", "aria-hidden": "true" }, caption);
    this.label = element("span", { class: "ts-label" }, caption);
    this.moment = element("p", { class: "ts-boundary-moment" }, this.root);
    this.body = element("div", { role: "img" }, this.root);
    this.waiting = element("p", { class: "ts-empty" }, this.root);
    this.waiting.textContent = "After the first epoch…";
  }

  /** @param {ShownRun} run */
  show(run) {
    const isNew = !this.run;
    this.run = run;
    this.swatch.style.setProperty("--ts-run", this.panel.color(run));
    setText(this.label, run.label);
    this.label.title = run.label;
    if (isNew) this.schedule();
  }

  schedule() {
    if (this.panel.plotly) this.scheduler.request();
  }

  #draw() {
    const { feed, theme, closed } = this.panel;
    if (closed || !this.run || !this.root.isConnected) return;
    const picture = feed.health(this.run.id).views.get(VIEW);
    this.body.hidden = !picture;
    this.waiting.hidden = Boolean(picture);
    if (!picture) return setText(this.moment, "Decision boundary");
    const { description } = decisionBoundary(picture, { theme, tallest: TALLEST }, this.body);
    setText(this.moment, `Decision boundary · ${picture.final ? "final weights" : `epoch ${picture.epoch}`}`);
    this.body.setAttribute("aria-label", `Decision boundary of ${this.run.label}. ${description}`);
  }
}
