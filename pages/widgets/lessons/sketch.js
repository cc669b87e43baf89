// Drawing the curve that one expects: with mouse, finger or pen; or by choosing a shape, with the keyboard too.

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 640;
const HEIGHTS = { wide: 300, narrow: 520 };
const NARROW = 480; // pixels
const FRAME = { left: 64, right: 14, top: 14, bottom: 40 };

/**
 * The shapes to choose from: heights from 0, the bottom, to 1 at places from 0 to 1.
 * @type {Record<string, (at: number) => number>}
 */
export const SHAPES = {
  "falls fast, then flat": (at) => 0.06 + 0.86 * Math.exp(-9 * at),
  "falls slowly": (at) => 0.92 - 0.6 * at,
  "falls, then rises": (at) =>
    at < 0.25 ? 0.3 + 0.6 * (1 - at / 0.25) ** 2 : 0.3 + 0.62 * ((at - 0.25) / 0.75) ** 1.3,
  "stays high": () => 0.92,
  "jumps up and down": (at) => 0.3 + 0.4 * Math.exp(-8 * at) + 0.1 * Math.sin(60 * at),
  "rises fast, then flat": (at) => 0.92 - 0.86 * Math.exp(-9 * at),
};

/**
 * Returns the heights of a shape at so many places, as values between the ends of the axis.
 * @param {string} name
 * @param {{ points: number, low: number, high: number }} axis
 */
export function shapeValues(name, { points, low, high }) {
  return Array.from(
    { length: points },
    (_, place) => low + (high - low) * SHAPES[name](place / (points - 1)),
  );
}

/**
 * Returns the values after a stroke from one place to another: everything between them lies on the line that joins them.
 * @param {(number | null)[]} values
 * @param {{ at: number, value: number }} from `at` runs from 0 to 1
 * @param {{ at: number, value: number }} to
 */
export function stroke(values, from, to) {
  const last = values.length - 1;
  const [begin, end] = from.at <= to.at ? [from, to] : [to, from];
  const [first, final] = [Math.round(begin.at * last), Math.round(end.at * last)];
  return values.map((value, place) => {
    if (place < first || place > final) return value;
    if (first === final) return to.value;
    return begin.value + ((end.value - begin.value) * (place - first)) / (final - first);
  });
}

/**
 * Returns a complete curve: places that were left out lie between their neighbors, those at the ends are level with them.
 * @param {(number | null)[]} values
 */
export function completed(values) {
  const known = values.flatMap((value, place) => (value === null ? [] : [{ place, value }]));
  if (!known.length) return null;
  return values.map((value, place) => {
    if (value !== null) return value;
    const after = known.find((one) => one.place > place);
    const before = known.findLast((one) => one.place < place);
    if (!before || !after) return (before ?? after ?? known[0]).value;
    const share = (place - before.place) / (after.place - before.place);
    return before.value + (after.value - before.value) * share;
  });
}

/**
 * Returns the path of a curve in a box of this size.
 * @param {(number | null)[]} values
 * @param {{ low: number, high: number }} ends
 * @param {{ left: number, top: number, width: number, height: number }} box
 */
export function pathOf(values, { low, high }, { left, top, width, height }) {
  let pen = "M";
  const parts = values.map((value, place) => {
    if (value === null) {
      pen = "M";
      return "";
    }
    const x = left + (width * place) / (values.length - 1);
    const y = top + height * (1 - Math.min(Math.max((value - low) / (high - low), 0), 1));
    const part = `${pen}${x.toFixed(1)} ${y.toFixed(1)}`;
    pen = "L";
    return part;
  });
  return parts.filter(Boolean).join(" ");
}

/**
 * @param {string} tag
 * @param {Record<string, string | number>} attributes
 * @param {Element} parent
 */
function drawn(tag, attributes, parent) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  parent.append(node);
  return node;
}

/** @param {number} height */
const boxIn = (height) => ({
  left: FRAME.left,
  top: FRAME.top,
  width: WIDTH - FRAME.left - FRAME.right,
  height: height - FRAME.top - FRAME.bottom,
});

/** @typedef {{ title: string, label: string, epochs: number, low: number, high: number, points: number, drawn: number[] | null,
 *   locked: boolean }} SketchData */

class Sketch {
  /** @param {Element | ShadowRoot} parent */
  constructor(parent) {
    this.root = document.createElement("div");
    this.root.className = "frame";
    parent.append(this.root);
    this.plot = /** @type {SVGSVGElement} */ (drawn("svg", { class: "plot", role: "img" }, this.root));
    this.axes = drawn("g", {}, this.plot);
    this.curve = drawn("path", { class: "curve" }, this.plot);
    this.hint = document.createElement("p");
    this.hint.className = "hint";
    this.hint.setAttribute("role", "status");
    this.root.append(this.hint);
    this.shapes = document.createElement("fieldset");
    this.shapes.className = "shapes";
    this.root.append(this.shapes);
    /** @type {(number | null)[]} */
    this.values = [];
    this.known = ""; // the data of the last call
    this.height = HEIGHTS.wide;
    this.box = boxIn(this.height);
    /** @type {SketchData | null} */
    this.data = null;
    /** @type {(values: number[]) => void} */
    this.send = () => {};
    /** @type {{ at: number, value: number } | null} */
    this.pen = null;
    this.#listen();
  }

  /**
   * @param {SketchData} data
   * @param {(values: number[]) => void} send
   */
  update(data, send) {
    this.send = send;
    const known = JSON.stringify(data);
    if (this.known === known || this.pen) return;
    this.known = known;
    this.data = data;
    this.values = data.drawn ?? (this.values.length === data.points && !data.locked ? this.values : []);
    if (!this.values.length) this.values = Array.from({ length: data.points }, () => null);
    this.plot.classList.toggle("locked", data.locked);
    const { clientWidth } = this.root;
    this.height = clientWidth && clientWidth < NARROW ? HEIGHTS.narrow : HEIGHTS.wide;
    this.box = boxIn(this.height);
    this.plot.setAttribute("viewBox", `0 0 ${WIDTH} ${this.height}`);
    this.plot.classList.toggle("narrow", this.height === HEIGHTS.narrow);
    this.#drawAxes(data);
    this.#drawShapes(data);
    this.#draw();
  }

  #listen() {
    this.plot.addEventListener("pointerdown", (event) => {
      if (!this.data || this.data.locked || event.button) return;
      this.plot.setPointerCapture(event.pointerId);
      this.#moveTo(event, null);
    });
    this.plot.addEventListener("pointermove", (event) => {
      if (this.pen) for (const one of event.getCoalescedEvents?.() ?? [event]) this.#moveTo(one, this.pen);
    });
    for (const name of ["pointerup", "pointercancel"]) this.plot.addEventListener(name, () => this.#lift());
  }

  /**
   * @param {PointerEvent} event
   * @param {{ at: number, value: number } | null} from
   */
  #moveTo(event, from) {
    if (!this.data) return;
    const box = this.plot.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * WIDTH;
    const y = ((event.clientY - box.top) / box.height) * this.height;
    const inside = (/** @type {number} */ share) => Math.min(Math.max(share, 0), 1);
    const { low, high } = this.data;
    const at = inside((x - this.box.left) / this.box.width);
    const to = { at, value: low + (high - low) * (1 - inside((y - this.box.top) / this.box.height)) };
    this.values = stroke(this.values, from ?? to, to);
    this.pen = to;
    this.#draw();
  }

  #lift() {
    if (!this.pen) return;
    this.pen = null;
    this.#finish(completed(this.values));
  }

  /** @param {number[] | null} values */
  #finish(values) {
    if (!values) return;
    this.values = values;
    this.#draw();
    this.send(values);
  }

  #draw() {
    if (!this.data) return;
    this.curve.setAttribute("d", pathOf(this.values, this.data, this.box));
    const known = this.values.filter((value) => value !== null);
    const complete = known.length === this.values.length;
    const number = (/** @type {number} */ value) => value.toPrecision(2);
    const said = complete
      ? `Your curve begins at ${number(Number(known[0]))} and ends at ${number(Number(known[known.length - 1]))}.`
      : "Draw a line from left to right, or choose a shape.";
    if (this.hint.textContent !== said) this.hint.textContent = said;
    this.plot.setAttribute("aria-label", `${this.data.title} by epoch. ${said}`);
    for (const button of this.shapes.querySelectorAll("button")) {
      const same =
        complete &&
        shapeValues(button.dataset.shape ?? "", this.data).every(
          (value, place) => Math.abs(value - Number(this.values[place])) < 1e-6,
        );
      button.setAttribute("aria-pressed", String(same));
    }
  }

  /** @param {SketchData} data */
  #drawAxes(data) {
    this.axes.replaceChildren();
    const { left, top, width, height } = this.box;
    for (const share of [0, 0.25, 0.5, 0.75, 1]) {
      const y = top + height * (1 - share);
      drawn("line", { class: "grid", x1: left, x2: left + width, y1: y, y2: y }, this.axes);
      const value = data.low + (data.high - data.low) * share;
      const text = drawn("text", { x: left - 8, y: y + 4, "text-anchor": "end" }, this.axes);
      text.textContent = String(Number(value.toPrecision(3)));
    }
    const below = this.height - 12;
    for (const [share, anchor, said] of [
      [0, "start", "1"],
      [0.5, "middle", "Epoch"],
      [1, "end", String(data.epochs)],
    ]) {
      const place = { x: left + width * Number(share), y: below, "text-anchor": anchor };
      drawn("text", place, this.axes).textContent = String(said);
    }
    drawn("text", { x: left + width - 8, y: top + 24, "text-anchor": "end" }, this.axes).textContent =
      data.title;
  }

  /** @param {SketchData} data */
  #drawShapes(data) {
    this.shapes.hidden = data.locked;
    if (this.shapes.childElementCount) return;
    const legend = document.createElement("legend");
    legend.textContent = "Or choose a shape, and change it where you like";
    this.shapes.append(legend);
    for (const name of Object.keys(SHAPES)) {
      const button = document.createElement("button");
      button.type = "button";
      button.dataset.shape = name;
      const icon = drawn("svg", { viewBox: "0 0 48 24", "aria-hidden": "true" }, button);
      const values = shapeValues(name, { points: 25, low: 0, high: 1 });
      drawn(
        "path",
        { d: pathOf(values, { low: 0, high: 1 }, { left: 1, top: 2, width: 46, height: 20 }) },
        icon,
      );
      button.append(name);
      button.addEventListener("click", () => this.data && this.#finish(shapeValues(name, this.data)));
      this.shapes.append(button);
    }
  }
}

/** @type {WeakMap<Element | ShadowRoot, Sketch>} */
const sketches = new WeakMap();

/**
 * What Streamlit calls on every rerun.
 * @param {{ data: [SketchData], parentElement: Element | ShadowRoot,
 *   setTriggerValue: (name: string, value: unknown) => void }} component
 */
export default function ({ data: [data], parentElement, setTriggerValue }) {
  const sketch = sketches.get(parentElement) ?? new Sketch(parentElement);
  sketches.set(parentElement, sketch);
  sketch.update(data, (values) => setTriggerValue("drawn", values));
}
