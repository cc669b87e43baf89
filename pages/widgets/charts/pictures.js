// The Health page's pictures of what was learned: decision boundary, confusion matrix, worst mistakes, predicted against true.

import { digits } from "./looks.js";
import { layoutOf } from "./figures.js";
import { element } from "./parts.js";
import { plain } from "./lines.js";

/** name → { title, how, draw(card, picture, look) → text }. A card has body (an empty element) and plot(traces, layout). */
export const PICTURES = {
  decision: { title: "Decision boundary", draw: decision,
    how: "Colour is the class that the network would say there, paler where it is less sure. Dots are samples: filled for training, ringed for validation. A boundary that bends around single dots is overfitting." },
  confusion: { title: "Confusion matrix", draw: confusion,
    how: "Rows are true classes, columns what the network said, on the validation part. The diagonal is right; a bright field beside it is a pair that it mixes up." },
  mistakes: { title: "Worst mistakes", role: "group", draw: mistakes,
    how: "Validation images with the largest loss of those that it got wrong. Some are odd or mislabelled; if they all look easy, the network has not learned enough." },
  regression: { title: "Predicted against true", draw: regression,
    how: "Each dot is a validation sample; on the line the prediction is right. A flat cloud: it says the mean. A bend at the ends: extremes are pulled to the middle." },
};

const at = (picture) => `${picture.final ? "Final weights" : "After epoch"} ${picture.final ? `(epoch ${picture.epoch})` : picture.epoch}`;

/** "#0072B2" → [0, 114, 178]. */
const rgb = (color) => [1, 3, 5].map((i) => parseInt(color.slice(i, i + 2), 16));

function paletteOf({ data, theme }) {
  return data.palette[theme.dark ? "dark" : "light"];
}

function decision(card, picture, look) {
  const { arrays, classes, range } = picture;
  const [rows, columns] = arrays.classes.shape;
  const colors = paletteOf(look);
  const grid = card.canvas ??= element("canvas", { class: "ts-boundary" }, element("div", { class: "ts-boundary-frame" }, card.body));
  const size = Math.round(Math.min(900, grid.parentElement.clientWidth || 600) * (devicePixelRatio || 1));
  const [x0, x1, y0, y1] = range;
  const height = Math.round(Math.min(size, Math.max(size * 0.45, (size * (y1 - y0)) / (x1 - x0))));
  Object.assign(grid, { width: size, height });
  const context = grid.getContext("2d");
  context.imageSmoothingEnabled = true;
  context.drawImage(fields(arrays, rows, columns, classes.length, colors, look.theme), 0, 0, size, height);
  const dot = Math.max(2, size / 240);
  arrays.x.forEach((x, i) => {
    context.beginPath();
    context.arc(((x - x0) / (x1 - x0)) * size, height - ((arrays.y[i] - y0) / (y1 - y0)) * height, dot, 0, 2 * Math.PI);
    context.fillStyle = colors[arrays.label[i] % colors.length];
    context.fill();
    context.lineWidth = dot * (arrays.held[i] ? 0.6 : 0.25);
    context.strokeStyle = arrays.held[i] ? look.theme.text : look.theme.background;
    context.stroke();
  });
  legend(card, classes, colors);
  grid.dataset.sum = String(arrays.confidence.reduce((sum, value, i) => (sum + value * (i % 97)) % 1e9, 0));
  return { text: `${classes.length} classes between x ${digits(x0)} … ${digits(x1)} and y ${digits(y0)} … ${digits(y1)}`, said: at(picture) };
}

/** The grid as a small image, row 0 at the bottom. */
function fields({ classes, confidence }, rows, columns, count, colors, theme) {
  const image = new ImageData(columns, rows);
  const paper = theme.dark ? [14, 17, 23] : [255, 255, 255];
  const inks = colors.map(rgb);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const from = row * columns + column;
      const sure = Math.max(0, (confidence[from] / 255 - 1 / count) / (1 - 1 / count));
      const ink = inks[classes[from] % inks.length];
      const to = 4 * ((rows - 1 - row) * columns + column);
      for (let part = 0; part < 3; part++) image.data[to + part] = paper[part] + (ink[part] - paper[part]) * (0.08 + 0.47 * sure);
      image.data[to + 3] = 255;
    }
  }
  const canvas = Object.assign(document.createElement("canvas"), { width: columns, height: rows });
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

function legend(card, classes, colors) {
  if (card.legend) return;
  card.legend = element("p", { class: "ts-classes" }, card.body);
  classes.slice(0, 12).forEach((name, i) => {
    const entry = element("span", {}, card.legend);
    element("i", {}, entry).style.background = colors[i % colors.length];
    entry.append(name);
  });
}

function confusion(card, picture, { theme, narrow }) {
  const { counts } = picture.arrays;
  const size = counts.shape[0];
  const names = classNames(picture, size);
  const rows = Array.from({ length: size }, (_, i) => Array.from(counts.slice(i * size, (i + 1) * size)));
  const shares = rows.map((row) => {
    const all = row.reduce((sum, count) => sum + count, 0);
    return row.map((count) => (all ? count / all : 0));
  });
  const few = size <= (narrow ? 10 : 20);
  const trace = { type: "heatmap", z: shares, x: names, y: names, customdata: rows, zmin: 0, zmax: 1, xgap: 1, ygap: 1, showscale: !few,
    colorscale: theme.dark ? [[0, "#1b2230"], [0.5, "#2a6f97"], [1, "#a9e5bb"]] : [[0, "#f4f6f8"], [0.5, "#6baed6"], [1, "#08306b"]],
    text: rows, texttemplate: few ? "%{text}" : "", colorbar: { thickness: 9, outlinewidth: 0, tickformat: ".0%", tickfont: { size: 10, color: theme.muted } },
    hovertemplate: "%{y} taken for %{x}<br>%{customdata} times (%{z:.0%} of %{y})<extra></extra>" };
  const layout = layoutOf(theme, ["said", { type: "category", showgrid: false, tickangle: names.some((name) => name.length > 3) && size > 4 ? -40 : 0 }], ["true", { type: "category", autorange: "reversed", showgrid: false }]);
  card.plot([trace], layout);
  const right = rows.reduce((sum, row, i) => sum + row[i], 0);
  const total = rows.flat().reduce((sum, count) => sum + count, 0);
  const pairs = rows.flatMap((row, i) => row.map((count, j) => ({ i, j, count }))).filter(({ i, j, count }) => i !== j && count);
  const worst = pairs.sort((one, other) => other.count - one.count).slice(0, 3).map(({ i, j, count }) => `${names[i]} taken for ${names[j]} ${count} times`);
  return { text: `${right} of ${total} right. ${worst.length ? `Most often mixed up: ${worst.join("; ")}` : "None mixed up"}`, said: `${at(picture)} · ${right} of ${total} right` };
}

function classNames({ classes }, size) {
  const names = classes.slice(0, size).map((name) => plain(name, 16));
  if (classes.length > size) names[size - 1] = "others";
  return names.map((name, i) => (names.indexOf(name) === i ? name : `${name} (${i + 1})`));
}

function mistakes(card, picture) {
  const { pixels, true: truth, predicted, confidence } = picture.arrays;
  const [count, channels, height, width] = pixels.shape;
  card.list ??= element("ul", { class: "ts-mistakes" }, card.body);
  while (card.list.children.length > count) card.list.lastChild.remove();
  for (let i = 0; i < count; i++) {
    const tile = card.list.children[i] ?? mistakeTile(card.list);
    const [canvas, caption] = tile.children;
    Object.assign(canvas, { width, height });
    canvas.getContext("2d").putImageData(imageOf(pixels, i, channels, height, width), 0, 0);
    const [right, said] = [truth[i], predicted[i]].map((k) => picture.classes[k] ?? String(k));
    caption.firstChild.textContent = `${said} ${Math.round(100 * confidence[i])} %`;
    caption.lastChild.textContent = `true: ${right}`;
    canvas.setAttribute("aria-label", `An image of ${right} taken for ${said}, ${Math.round(100 * confidence[i])} % sure`);
  }
  const words = `${picture.wrong} of ${picture.of} validation images are wrong`;
  return { text: words, said: `${at(picture)} · ${words}` };
}

function mistakeTile(list) {
  const tile = element("li", {}, list);
  element("canvas", { role: "img" }, tile);
  const caption = element("p", {}, tile);
  element("b", {}, caption);
  element("span", {}, caption);
  return tile;
}

function imageOf(pixels, number, channels, height, width) {
  const image = new ImageData(width, height);
  const area = height * width;
  for (let i = 0; i < area; i++) {
    for (let part = 0; part < 3; part++) image.data[4 * i + part] = pixels[(number * channels + (channels === 3 ? part : 0)) * area + i];
    image.data[4 * i + 3] = 255;
  }
  return image;
}

function regression(card, picture, { theme, data }) {
  const { truth, predicted } = picture.arrays;
  const unit = plain(picture.unit || "target", 24);
  const all = [...truth, ...predicted].filter(Number.isFinite);
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const pad = (high - low || 1) * 0.05;
  const ends = [low - pad, high + pad];
  const blue = paletteOf({ data, theme })[0];
  const traces = [
    { type: "scatter", mode: "lines", x: ends, y: ends, hoverinfo: "skip", line: { color: theme.muted, width: 1.2, dash: "dash" } },
    { type: "scatter", mode: "markers", x: truth, y: predicted, marker: { color: blue, size: 5, opacity: 0.55 }, hovertemplate: "true %{x:.4g}<br>said %{y:.4g}<extra></extra>" },
  ];
  card.plot(traces, layoutOf(theme, [`true (${unit})`, { range: ends }], [`predicted (${unit})`, { range: ends }]));
  const errors = Array.from(truth, (value, i) => Math.abs(value - predicted[i])).filter(Number.isFinite);
  const mean = errors.reduce((sum, error) => sum + error, 0) / errors.length;
  const words = `off by ${digits(mean)}${picture.unit ? ` ${picture.unit}` : ""} on average`;
  return { text: `${truth.length} of ${picture.of} validation samples, ${words}`, said: `${at(picture)} · ${words}` };
}
