// From places on the screen to ranges of the axes: a box that was dragged, two fingers that moved.

/** @typedef {[from: number, to: number]} Range In the axis's own unit: exponents on a logarithmic axis. */
/** @typedef {{ range: Range, _offset: number, _length: number }} Axis A laid out axis of Plotly's; pixels. */
/** @typedef {{ x: Axis, y: Axis }} Axes */
/** @typedef {{ x: number, y: number }} Point Pixels from the plot's upper left corner. */
/** @typedef {{ left: number, top: number, width: number, height: number, x: Range | null, y: Range | null }} Box */

const CLICK = 6; // pixels that a hand moves during a click
const SLIM = 14; // pixels below which a box means only its longer side

/**
 * Returns the value of the x axis at a pixel.
 * @param {Axis} axis
 * @param {number} pixel
 */
export function xAt({ range: [from, to], _offset, _length }, pixel) {
  return from + ((to - from) * (pixel - _offset)) / _length;
}

/**
 * Returns the pixel of a value of the x axis, or null where it is out of view.
 * @param {Axis} axis
 * @param {number} x
 */
export function pixelOf({ range: [from, to], _offset, _length }, x) {
  const share = (x - from) / (to - from);
  return share >= 0 && share <= 1 ? _offset + share * _length : null;
}

/**
 * Whether a point lies between the axes.
 * @param {Axes} axes
 * @param {Point} point
 */
export function isInside({ x, y }, point) {
  return (
    point.x >= x._offset &&
    point.x <= x._offset + x._length &&
    point.y >= y._offset &&
    point.y <= y._offset + y._length
  );
}

/** @param {Point} a @param {Point} b */
export function isClick(a, b) {
  return Math.hypot(a.x - b.x, a.y - b.y) < CLICK;
}

/**
 * Returns the box between two points and the ranges that it zooms into: a slim one, or any with `onlyX`, leaves the other
 * axis as it is. Null for what is but a click.
 * @param {Point} start
 * @param {Point} end
 * @param {Axes} axes
 * @param {boolean} onlyX
 * @returns {Box | null}
 */
export function boxBetween(start, end, { x, y }, onlyX) {
  if (isClick(start, end)) return null;
  const [left, right] = spanWithin(x, start.x, end.x);
  const [top, bottom] = spanWithin(y, start.y, end.y);
  const wide = onlyX || right - left >= SLIM;
  const tall = !onlyX && (bottom - top >= SLIM || !wide);
  const [low, high] = y.range;
  /** @param {number} pixel */
  const yAt = (pixel) => high - ((high - low) * (pixel - y._offset)) / y._length;
  return {
    left: wide ? left : x._offset,
    width: wide ? right - left : x._length,
    top: tall ? top : y._offset,
    height: tall ? bottom - top : y._length,
    x: wide ? [xAt(x, left), xAt(x, right)] : null,
    y: tall ? [yAt(bottom), yAt(top)] : null,
  };
}

/**
 * Returns two pixels in order, none outside the axis.
 * @param {Axis} axis
 * @param {number} a
 * @param {number} b
 */
function spanWithin({ _offset, _length }, a, b) {
  const inside = [a, b].map((pixel) => Math.min(Math.max(pixel, _offset), _offset + _length));
  return inside.sort((one, other) => one - other);
}

/**
 * Returns the x range after two fingers have moved: what was between them stays between them.
 * @param {Axis} axis As it was when they came down.
 * @param {[Point, Point]} before
 * @param {[Point, Point]} now
 * @returns {Range}
 */
export function pinched(axis, before, now) {
  const [from, to] = axis.range;
  const width = (to - from) * (spread(before) / spread(now));
  const start = xAt(axis, middle(before)) - (width * (middle(now) - axis._offset)) / axis._length;
  return [start, start + width];
}

/** @param {[Point, Point]} fingers */
function spread([a, b]) {
  return Math.max(CLICK, Math.hypot(a.x - b.x, a.y - b.y));
}

/** @param {[Point, Point]} fingers */
function middle([a, b]) {
  return (a.x + b.x) / 2;
}
