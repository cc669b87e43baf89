// What a pointer does on a plot: a mouse points or drags a box, one finger points, two pinch, two taps reset.

import { boxBetween, isClick, isInside, pinched } from "./geometry.js";

/** @typedef {import("./geometry.js").Point} Point */

const DOUBLE = 500; // ms between the two taps of a double one

export class Gestures {
  /** @param {import("../chart.js").Chart} chart */
  constructor(chart) {
    this.chart = chart;
    this.zoom = chart.panel.zoom;
    this.node = chart.card.plot;
    /** @type {Map<number, Point>} */
    this.fingers = new Map();
    /** @type {Point | null} */
    this.start = null; // of a drag
    /** @type {import("./geometry.js").Box | null} */
    this.box = null;
    /** @type {{ axis: import("./geometry.js").Axis, before: [Point, Point] } | null} */
    this.pinch = null;
    /** @type {{ at: number, point: Point } | null} */
    this.lastTap = null;
    this.node.addEventListener("pointerdown", (event) => this.#down(event));
    this.node.addEventListener("pointermove", (event) => this.#move(event));
    this.node.addEventListener("pointerup", (event) => this.#up(event));
    this.node.addEventListener("pointercancel", (event) => {
      this.#point(null);
      this.#end(event);
    });
    this.node.addEventListener(
      "pointerleave",
      ({ pointerType }) => pointerType === "mouse" && this.#point(null),
    );
  }

  /** @param {PointerEvent} event */
  #down(event) {
    const { axes } = this.chart;
    const point = this.#placeOf(event);
    if (event.button !== 0 || !axes || !isInside(axes, point)) return;
    this.node.setPointerCapture(event.pointerId);
    this.start = point;
    if (event.pointerType !== "touch") return;
    this.fingers.set(event.pointerId, point);
    const [first, second] = this.fingers.values();
    this.pinch = second ? { axis: { ...axes.x }, before: [first, second] } : null;
    this.#point(second ? null : point);
  }

  /** @param {PointerEvent} event */
  #move(event) {
    const point = this.#placeOf(event);
    if (this.fingers.has(event.pointerId)) this.fingers.set(event.pointerId, point);
    if (this.pinch) this.#pinch(this.pinch);
    else if (this.start && event.pointerType !== "touch") this.#drag(point, event.shiftKey);
    else this.#point(point);
  }

  /** @param {NonNullable<Gestures["pinch"]>} pinch */
  #pinch({ axis, before }) {
    const [first, second] = this.fingers.values();
    if (second) this.zoom.into(this.chart, { x: pinched(axis, before, [first, second]) });
  }

  /**
   * @param {Point} point
   * @param {boolean} onlyX
   */
  #drag(point, onlyX) {
    const { axes, card } = this.chart;
    this.box = this.start && axes && boxBetween(this.start, point, axes, onlyX);
    card.showBox(this.box);
    if (this.box) this.#point(null);
  }

  /** @param {PointerEvent} event */
  #up(event) {
    const point = this.#placeOf(event);
    const tapped = this.start && !this.pinch && isClick(this.start, point);
    if (this.box) this.zoom.into(this.chart, this.box);
    else if (tapped) this.#tap(point, event.timeStamp);
    this.#end(event);
  }

  /**
   * @param {Point} point
   * @param {number} at
   */
  #tap(point, at) {
    const { lastTap } = this;
    const second =
      lastTap &&
      at - lastTap.at < DOUBLE &&
      Math.hypot(point.x - lastTap.point.x, point.y - lastTap.point.y) < 30;
    this.lastTap = second ? null : { at, point };
    if (second) this.zoom.reset();
  }

  /** @param {PointerEvent} event */
  #end({ pointerId }) {
    this.fingers.delete(pointerId);
    if (!this.fingers.size) this.pinch = null; // the second finger of a pinch is lifted a little later than the first
    this.start = this.box = null;
    this.chart.card.showBox(null);
  }

  /** @param {Point | null} point */
  #point(point) {
    const { axes, panel } = this.chart;
    panel.point(this.chart, point && axes && isInside(axes, point) ? point : null);
  }

  /** @param {PointerEvent} event */
  #placeOf({ clientX, clientY }) {
    const { left, top } = this.node.getBoundingClientRect();
    return { x: clientX - left, y: clientY - top };
  }
}
