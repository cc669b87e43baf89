// The server's binary messages, with typed arrays laid over their bytes: trainer/curves/packing.py and messages.py.

const TYPES = { u1: Uint8Array, i4: Int32Array, f4: Float32Array };
const text = new TextDecoder();

/**
 * Returns a packed message: its header, and its arrays by name.
 * @param {ArrayBuffer | PackedArray} message
 * @returns {Packed}
 */
export function unpack(message) {
  const { buffer, byteOffset } = message instanceof ArrayBuffer ? new Uint8Array(message) : message;
  const size = new DataView(buffer).getUint32(byteOffset, true);
  let at = byteOffset + 4;
  const header = JSON.parse(text.decode(new Uint8Array(buffer, at, size)));
  at += size;
  /** @type {Record<string, PackedArray>} */
  const arrays = {};
  for (const [name, type, shape] of /** @type {[string, keyof typeof TYPES, number[]][]} */ (header.arrays)) {
    const count = shape.reduce((product, side) => product * side, 1);
    const array = new TYPES[type](buffer, at, count);
    arrays[name] = Object.assign(array, { shape });
    at += Math.ceil(array.byteLength / 4) * 4;
  }
  return { ...header, arrays };
}

/**
 * Returns a message whose series have their points, and whose view has its picture.
 * @param {ArrayBuffer} buffer
 * @returns {CurvesMessage | HealthMessage | ViewMessage}
 */
export function decode(buffer) {
  /** @type {any} */
  const message = unpack(buffer);
  if (message.t === "view") return { ...message, picture: unpack(message.arrays.view) };
  if (message.segments) layPoints(message);
  return message;
}

/**
 * Give each series its part of the message's points and means.
 * @param {CurvesMessage} message
 */
function layPoints({ segments, arrays }) {
  const { steps, values, means } = /** @type {Record<string, any>} */ (arrays);
  let point = 0;
  let bucket = 0;
  for (const series of segments.flatMap((segment) => segment.series)) {
    series.steps = steps.subarray(point, point + series.n);
    series.values = values.subarray(point, point + series.n);
    point += series.n;
    if (!series.means) continue;
    const [number, first, last, width] = series.means;
    series.level = levelOfMeans(means.subarray(bucket, bucket + number), first, last, width);
    bucket += number;
  }
}

/**
 * Returns bucket means as a level; a bucket stands at its last step.
 * @param {Float32Array} means
 * @param {number} first
 * @param {number} last
 * @param {number} width
 */
function levelOfMeans(means, first, last, width) {
  /** @type {Level<number[]>} */
  const level = { steps: [], values: [], spans: [] };
  means.forEach((mean, i) => {
    if (Number.isNaN(mean)) return; // nothing finite there: the series has a mark for it
    const begin = first + i * width;
    const end = Math.min(last, begin + width - 1);
    level.steps.push(end);
    level.values.push(mean);
    level.spans.push(end - begin + 1);
  });
  return level;
}
