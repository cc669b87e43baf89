// What every component of the page needs: Plotly and the style sheet once per tab, and the colours of Streamlit's theme.

import { element } from "./parts.js";

let assets;

/** Resolves with Plotly, once the style sheet is there too. */
export function load(base, data) {
  const url = (name) => `${base}/api/assets/${data.assets}/${name}`;
  assets ??= Promise.all([
    element("link", { rel: "stylesheet", href: url("live_chart.css") }, document.head, true),
    window.Plotly ?? element("script", { src: `${base}/api/plotly.js?v=${encodeURIComponent(data.plotly)}` }, document.head, true),
  ]).then(() => window.Plotly, (error) => {
    assets = undefined;
    throw error;
  });
  return assets;
}

/** The theme's colours around an element. */
export function themeOf(parent) {
  const style = getComputedStyle(parent instanceof ShadowRoot ? parent.host : parent);
  const read = (name, otherwise) => style.getPropertyValue(`--st-${name}`).trim() || otherwise;
  const background = read("background-color", "#ffffff");
  const dark = luminance(background) < 0.4;
  return { dark, background, text: read("text-color", dark ? "#fafafa" : "#1f2328"), font: read("font", "sans-serif"),
    surface: read("secondary-background-color", background), grid: dark ? "rgba(255,255,255,0.11)" : "rgba(0,0,0,0.09)",
    muted: dark ? "#a3a8b4" : "#5f6673" };
}

/** Relative luminance of a CSS colour, 0 black to 1 white. */
function luminance(color) {
  const context = document.createElement("canvas").getContext("2d");
  context.fillStyle = color;
  context.fillRect(0, 0, 1, 1);
  const [red, green, blue] = context.getImageData(0, 0, 1, 1).data;
  return (0.2126 * red + 0.7152 * green + 0.0722 * blue) / 255;
}
