// Where the y axis ends when one run has diverged: the others keep their height, and a note names what lies above.

/** @typedef {{ values: ArrayLike<number>, highest: number }} Drawn A line's values, all finite, and the highest of them. */

const OUT = 8; // times as high as a line usually is
const ENOUGH = 20; // values before a line says what is usual
const SAMPLE = 256; // values of a line that are looked at

/**
 * Returns the top of the y axis, or null where everything fits. A line's usual height is that of its beginning or of its lower
 * quartile, whichever is higher, so that neither a fall from a high start nor a slow rise is cut off; of several lines the
 * middle one counts. Values are taken to be sizes, such as losses and norms: none is below zero.
 * @param {Drawn[]} lines
 */
export function robustTop(lines) {
  const long = lines.filter(({ values }) => values.length >= ENOUGH);
  const highest = Math.max(...lines.map((line) => line.highest));
  // The beginnings are at most as high as what is usual: mostly they already say that everything fits.
  if (!long.length || highest <= OUT * middle(long.map(({ values }) => values[0]))) return null;
  const limit = OUT * middle(long.map(usual));
  if (limit <= 0 || highest <= limit) return null;
  let top = 0;
  for (const { values } of lines) {
    for (let i = 0; i < values.length; i++) if (values[i] <= limit && values[i] > top) top = values[i];
  }
  return top || null;
}

/** @param {Drawn} line */
function usual({ values }) {
  const stride = Math.ceil(values.length / SAMPLE);
  const some = Array.from(values).filter((_, i) => i % stride === 0);
  some.sort((a, b) => a - b);
  return Math.max(values[0], some[some.length >> 2]);
}

/**
 * Returns the middle one, the lower of two.
 * @param {number[]} numbers
 */
function middle(numbers) {
  return [...numbers].sort((a, b) => a - b)[(numbers.length - 1) >> 1];
}
