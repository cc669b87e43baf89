// Pictures that are painted pixel by pixel: the decision boundary, and the images of the worst mistakes.

import { element } from "../dom.js";
import { digits, momentOf } from "../format.js";
import { rgbOf } from "../theme.js";

/** @typedef {import("./figures.js").Scene} Scene */
/** @typedef {import("./figures.js").Figure} Figure */

const WIDEST = 900; // CSS pixels of the boundary
const SMALLEST_DOT = 1.5; // CSS pixels of radius
const LEGEND = 12; // classes that are named

/**
 * @param {Packed} picture
 * @param {{ theme: Theme, tallest?: number }} scene `tallest`: the most CSS pixels of height.
 * @param {HTMLElement} body
 * @returns {Figure}
 */
export function decisionBoundary(picture, { theme, tallest = WIDEST }, body) {
  const { classes, range } = picture;
  const [x0, x1, y0, y1] = range;
  const canvas = body.querySelector("canvas") ?? boundaryCanvas(body);
  const frame = /** @type {HTMLElement} */ (canvas.parentElement);
  const share = Math.min(1, Math.max(0.45, (y1 - y0) / (x1 - x0)));
  frame.style.maxWidth = `${Math.floor(tallest / share)}px`;
  canvas.width = Math.round(Math.min(WIDEST, frame.clientWidth || 600) * (devicePixelRatio || 1));
  canvas.height = Math.round(canvas.width * share);
  nameClasses(body, classes, theme.colors);
  const context = contextOf(canvas);
  context.imageSmoothingEnabled = true;
  context.drawImage(predictedFields(picture, theme), 0, 0, canvas.width, canvas.height);
  drawSamples(context, picture, theme);
  canvas.dataset.sum = String(checksum(picture.arrays.confidence));
  return { description: boundaryInWords(picture), summary: momentOf(picture) };
}

/** @param {Element} body */
function boundaryCanvas(body) {
  const frame = element("div", { class: "ts-boundary-frame" }, body);
  element("p", { class: "ts-classes" }, body);
  return element("canvas", { class: "ts-boundary" }, frame);
}

/**
 * @param {Element} body
 * @param {string[]} classes
 * @param {string[]} colors
 */
function nameClasses(body, classes, colors) {
  const entries = classes.slice(0, LEGEND).map((name, i) => {
    const entry = element("span");
    element("i", {}, entry).style.background = colors[i % colors.length];
    entry.append(name);
    return entry;
  });
  body.querySelector(".ts-classes")?.replaceChildren(...entries);
}

/**
 * Returns how much of the plane falls to each class: "After epoch 12: the plane is 62% inner, …".
 * @param {Packed} picture
 */
export function boundaryInWords(picture) {
  const { classes: names, range, arrays } = picture;
  const fields = Array.from(arrays.classes);
  const parts = names.slice(0, LEGEND).map((/** @type {string} */ name, /** @type {number} */ i) => {
    const share = fields.filter((field) => field === i).length / fields.length;
    return `${Math.round(100 * share)}% ${name}`;
  });
  const [x0, x1, y0, y1] = range.map(digits);
  return `${momentOf(picture)}: the plane is ${parts.join(", ")} (x from ${x0} to ${x1}, y from ${y0} to ${y1})`;
}

/**
 * Returns the grid of predictions as a small image, row 0 at the bottom; paler where the network is less sure.
 * @param {Packed} picture
 * @param {Theme} theme
 */
function predictedFields({ arrays: { classes, confidence }, classes: names }, { colors, paper }) {
  const [rows, columns] = classes.shape;
  const image = new ImageData(columns, rows);
  const inks = colors.map(rgbOf);
  const chance = 1 / names.length;
  for (let field = 0; field < rows * columns; field++) {
    const sure = Math.max(0, (confidence[field] / 255 - chance) / (1 - chance));
    const ink = inks[classes[field] % inks.length];
    const row = Math.floor(field / columns);
    const pixel = 4 * ((rows - 1 - row) * columns + (field % columns));
    for (let part = 0; part < 3; part++) {
      image.data[pixel + part] = paper[part] + (ink[part] - paper[part]) * (0.08 + 0.47 * sure);
    }
    image.data[pixel + 3] = 255;
  }
  const canvas = Object.assign(element("canvas"), { width: columns, height: rows });
  contextOf(canvas).putImageData(image, 0, 0);
  return canvas;
}

/**
 * Dots in the color of their class: filled for training, ringed for validation.
 * @param {CanvasRenderingContext2D} context
 * @param {Packed} picture
 * @param {Theme} theme
 */
function drawSamples(context, { arrays: { x, y, label, held }, range: [x0, x1, y0, y1] }, theme) {
  const { width, height } = context.canvas;
  const dot = Math.max(SMALLEST_DOT * (devicePixelRatio || 1), width / 240);
  for (let i = 0; i < x.length; i++) {
    context.beginPath();
    context.arc(
      ((x[i] - x0) / (x1 - x0)) * width,
      height - ((y[i] - y0) / (y1 - y0)) * height,
      held[i] ? 1.3 * dot : dot, // so that the class shows inside the ring
      0,
      2 * Math.PI,
    );
    context.fillStyle = theme.colors[label[i] % theme.colors.length];
    context.fill();
    context.lineWidth = dot * (held[i] ? 0.5 : 0.25);
    context.strokeStyle = held[i] ? theme.text : theme.background;
    context.stroke();
  }
}

/**
 * Returns a number that changes with the picture, for tests.
 * @param {PackedArray} values
 */
function checksum(values) {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum = (sum + values[i] * (i % 97)) % 1e9;
  return sum;
}

/**
 * @param {Packed} picture
 * @param {Scene} _scene
 * @param {HTMLElement} body
 * @returns {Figure}
 */
export function worstMistakes(picture, _scene, body) {
  const { true: truth, predicted, confidence, pixels } = picture.arrays;
  const count = pixels.shape[0];
  const list = body.querySelector("ul") ?? element("ul", { class: "ts-mistakes" }, body);
  while (list.children.length > count) list.lastChild?.remove();
  for (let i = 0; i < count; i++) {
    const [right, wrong] = [truth[i], predicted[i]].map((label) => picture.classes[label] ?? String(label));
    const sure = Math.round(100 * confidence[i]);
    const { canvas, caption } = tileAt(list, i);
    paint(canvas, pixels, i);
    canvas.setAttribute("aria-label", `An image of ${right} taken for ${wrong}, ${sure}% sure`);
    caption.children[0].textContent = `${wrong} ${sure}%`;
    caption.children[1].textContent = `true: ${right}`;
  }
  const description = `${picture.wrong} of ${picture.of} validation images are wrong`;
  return { description, summary: `${momentOf(picture)} · ${description}` };
}

/**
 * @param {Element} list
 * @param {number} i
 */
function tileAt(list, i) {
  const tile = list.children[i] ?? newTile(list);
  const canvas = /** @type {HTMLCanvasElement} */ (tile.children[0]);
  return { canvas, caption: tile.children[1] };
}

/** @param {Element} list */
function newTile(list) {
  const tile = element("li", {}, list);
  element("canvas", { role: "img" }, tile);
  const caption = element("p", {}, tile);
  element("b", {}, caption);
  element("span", {}, caption);
  return tile;
}

/**
 * Paint one image of `pixels` [images, channels, height, width]; a single channel is gray.
 * @param {HTMLCanvasElement} canvas
 * @param {PackedArray} pixels
 * @param {number} number
 */
function paint(canvas, pixels, number) {
  const [, channels, height, width] = pixels.shape;
  const area = height * width;
  const image = new ImageData(width, height);
  for (let i = 0; i < area; i++) {
    for (let part = 0; part < 3; part++) {
      const channel = number * channels + (channels === 3 ? part : 0);
      image.data[4 * i + part] = pixels[channel * area + i];
    }
    image.data[4 * i + 3] = 255;
  }
  Object.assign(canvas, { width, height });
  contextOf(canvas).putImageData(image, 0, 0);
}

/** @param {HTMLCanvasElement} canvas */
function contextOf(canvas) {
  return /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
}
